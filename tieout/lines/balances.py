"""An extract compared with itself: batches, running balances, and the checks on single rows."""

from __future__ import annotations

from collections.abc import Iterator

from tieout.formats.models import Format
from tieout.lines.delivery import Delivery, Source, about_refused, delivery_row, shown
from tieout.lines.tally import NO_BATCH, BatchSum, Fault, Tally
from tieout.model import ALL_ENTITIES


def itself(source: Source, tally: Tally, layout: Format) -> Iterator[Delivery]:
    """Every comparison that needs nothing but the extract."""
    for key, batch in sorted(tally.batches.items()):
        if _is_due(key[0], batch, layout):
            yield _batch_row(source, key, batch, tally)
    yield from _balance_rows(source, tally)
    yield from (_fault_row(source, fault) for fault in tally.faults)
    yield from _held_checks(source, tally, layout)


def _is_due(ref: str, batch: BatchSum, layout: Format) -> bool:
    rule = layout.controls.batch
    return rule is not None and (batch.payouts > 0 or rule.carries_over or ref == NO_BATCH)


def _batch_row(
    source: Source, key: tuple[str, str, str], batch: BatchSum, tally: Tally
) -> Delivery:
    ref, entity, currency = key
    row = delivery_row(source, "batch_balance", ref, entity=entity, currency=currency)
    parts = batch.amount - batch.payout
    row |= {
        "found_count": batch.rows,
        "stated_amount": -batch.payout,
        "found_amount": parts,
    }
    if ref == NO_BATCH:
        named = ", ".join(batch.lines) + (" ..." if batch.rows > len(batch.lines) else "")
        words = f"{batch.rows} row(s) say they were paid out and name no payout: {named}"
    else:
        words = _of_batch(ref, batch, currency)
    if batch.amount:
        row["break_class"] = "batch_out_of_balance"
        words += f"; {shown(batch.amount, currency)} are left over" + about_refused(tally)
    row["explanation"] = words
    return row


def _of_batch(ref: str, batch: BatchSum, currency: str) -> str:
    parts = batch.amount - batch.payout
    return (
        f"batch {ref}: its {batch.rows - batch.payouts} rows sum to {shown(parts, currency)}, "
        f"paid out were {shown(-batch.payout, currency)}"
    )


def _balance_rows(source: Source, tally: Tally) -> list[Delivery]:
    found = []
    broken = {f.currency for f in tally.faults if f.check == "running_balance"}
    for currency, chain in sorted(tally.chains.items()):
        row = delivery_row(
            source, "running_balance", "closing", entity=ALL_ENTITIES, currency=currency
        )
        row |= {
            "found_count": chain.rows,
            "stated_amount": chain.stated,
            "found_amount": chain.expected,
        }
        words = (
            f"from {shown(chain.opening, currency)} the {chain.rows} rows lead to "
            f"{shown(chain.expected, currency)}; the last row states "
            f"{shown(chain.stated, currency)}"
        )
        if currency in broken or chain.expected != chain.stated:
            row["break_class"] = "control_total_mismatch"
            words += about_refused(tally)
        row["explanation"] = words
        found.append(row)
    return found


def _fault_row(source: Source, fault: Fault) -> Delivery:
    row = delivery_row(source, fault.check, fault.ref, entity=fault.entity, currency=fault.currency)
    row |= {
        "stated_amount": fault.stated,
        "found_amount": fault.found,
        "break_class": "control_total_mismatch"
        if fault.check == "running_balance"
        else "line_out_of_balance",
        "explanation": fault.explanation,
    }
    return row


def _held_checks(source: Source, tally: Tally, layout: Format) -> list[Delivery]:
    """One row for each check on rows that held on all of them."""
    failed = {f.check for f in tally.faults}
    names = [c.name for c in layout.checks] + (["line_balance"] if layout.foots_to else [])
    found = []
    for name in names:
        if name in failed:
            continue
        row = delivery_row(source, name, "all rows", entity=ALL_ENTITIES)
        row["found_count"] = tally.accepted
        row["explanation"] = f"{name.replace('_', ' ')} holds on all {tally.accepted} rows"
        found.append(row)
    return found
