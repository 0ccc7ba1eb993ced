"""A chain of two reconciliations: usage -> invoice line -> ledger, one answer a usage record."""

from __future__ import annotations

from datetime import date

from tieout.engine.duck import session
from tieout.matching.columns import outcomes
from tieout.matching.inputs import Inputs, read_inputs, side_kinds
from tieout.matching.publish import Publisher
from tieout.matching.reconcile import ReconcileReport
from tieout.workplace import Workplace


def reconcile_chain(workplace: Workplace, name: str, publisher: Publisher) -> ReconcileReport:
    """Follow every source line of the first link through the second, and publish the outcomes.

    Works the days of the first link that changed, and those whose lines lead to a changed day of
    the second. Reads published outcomes only: reconcile the links first.
    """
    links = workplace.settings.reconciliations[name].chain
    assert links is not None
    first, second = (f"outcomes/{link}" for link in links)
    inputs = read_inputs(workplace, [first, second], publisher.consumer)
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
        days = _days(inputs, first)
        if inputs.consumed:
            days |= {str(day) for day in engine.table("chain_days")["period"].to_list()}
        engine.view("first_outcome", paths(first, days), schemas[0])
        engine.view("second_outcome", paths(second), schemas[1])
        frames = engine.batches("chain", workplace.settings.limits.batch_rows)
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


def _days(inputs: Inputs, table: str) -> set[str]:
    return {partition for changed, partition in inputs.dirty if changed == table}
