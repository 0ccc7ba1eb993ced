"""A chain of two reconciliations: usage -> invoice line -> ledger, one answer a usage record.

The outcomes of both links say whether a record is billed, and what billed it is booked; the invoice
lines themselves say whether that was in time, and whether it has been credited since.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from tieout.engine.duck import session
from tieout.lines.columns import columns
from tieout.matching.columns import outcomes
from tieout.matching.inputs import Inputs, read_inputs, side_kinds, side_tables
from tieout.matching.publish import Publisher
from tieout.matching.reconcile import ReconcileReport
from tieout.register.records import Publication
from tieout.workplace import Workplace


def reconcile_chain(workplace: Workplace, name: str, publisher: Publisher) -> ReconcileReport:
    """Follow every source line of the first link through the second, and publish the outcomes.

    Works the days of the first link that changed, and those whose lines lead to a changed day of
    the second or a changed invoice line. Reads published outcomes: reconcile the links first.
    """
    links = workplace.settings.reconciliations[name].chain
    assert links is not None
    first, second = (f"outcomes/{link}" for link in links)
    invoices = _invoice_tables(workplace, links[0])
    inputs = read_inputs(workplace, [first, second, *invoices], publisher.consumer)
    if not inputs.dirty:
        return ReconcileReport(name, ())
    fine = ["usage" in side_kinds(workplace, link).values() for link in links]
    schemas = [outcomes(f) for f in fine]

    def paths(table: str, partitions: set[str] | None = None) -> list[str]:
        heads = workplace.register.heads(table, None if partitions is None else sorted(partitions))
        return workplace.store.paths(heads.values())

    with session(workplace.store.root, workplace.settings.limits) as engine:
        engine.view("first_outcome", paths(first), schemas[0])
        engine.view("second_dirty", paths(second, _days(inputs, second)), schemas[1])
        lines = [head for place, head in inputs.heads.items() if place[0] in invoices]
        engine.view("invoice_line", workplace.store.paths(lines), columns("invoice"))
        days = _days(inputs, first)
        if inputs.consumed:
            changed = _changed(workplace, inputs, invoices)
            engine.view("invoice_dirty", workplace.store.paths(changed), columns("invoice"))
            days |= {str(day) for day in engine.table("chain_days")["period"].to_list()}
        engine.view("first_outcome", paths(first, days), schemas[0])
        engine.view("second_outcome", paths(second), schemas[1])
        engine.run("billed_line")
        engine.run("credited_cycle")
        frames = engine.batches(
            "chain",
            workplace.settings.limits.batch_rows,
            last_day=workplace.settings.reconciliations[links[0]].timing_days[1],
        )
        totals = publisher.write(frames, schemas[0], sorted(days))
    published = publisher.publish({place: head.version for place, head in inputs.heads.items()})
    return ReconcileReport(
        name,
        tuple(date.fromisoformat(day) for day in published),
        lines=totals["lines"],
        matched=totals["matched"],
        open=totals["open"],
        duplicates=totals["duplicate"],
        changed_windows=len(inputs.dirty),
    )


def _invoice_tables(workplace: Workplace, first: str) -> list[str]:
    """Tables of the invoice lines that the first link leads to; none where it leads elsewhere."""
    if side_kinds(workplace, first)["target"] != "invoice":
        return []
    return side_tables(workplace.settings.reconciliations[first], "target")


def _changed(workplace: Workplace, inputs: Inputs, tables: Sequence[str]) -> list[Publication]:
    """What is new in tables, and what it was before."""
    dirty = [place for place in inputs.dirty if place[0] in tables]
    return [inputs.heads[place] for place in dirty] + inputs.was(workplace, dirty)


def _days(inputs: Inputs, table: str) -> set[str]:
    return {partition for changed, partition in inputs.dirty if changed == table}
