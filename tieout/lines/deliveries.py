"""An extract compared with itself and with what its sender states: rows of the deliveries table.

Every comparison gives a row, also where it holds (break_class NULL); the explanation is a sentence
with the figures in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import polars as pl

from tieout.formats.models import Format
from tieout.formats.reading import StatedTotal
from tieout.lines.balances import itself
from tieout.lines.delivery import Delivery, Source, about_refused, delivery_row, known, shown
from tieout.lines.manifest import Manifest
from tieout.lines.tally import Tally
from tieout.model import ALL_ENTITIES, Figure
from tieout.money import NO_CURRENCY


def missing(feed: str, window: str, received_on: date) -> Delivery:
    """The row of a window that nothing was delivered for."""
    row = delivery_row(Source(feed, received_on, None, None), "arrival", window)
    row["break_class"] = "missing_extract"
    row["explanation"] = f"no extract of {feed} was delivered for {window}"
    return row


def unreadable(feed: str, window: str, received_on: date, error: str) -> Delivery:
    """The row of a window whose extract came and cannot be read: nothing of it counts yet."""
    row = delivery_row(Source(feed, received_on, None, None), "arrival", window)
    row["break_class"] = "missing_extract"
    row["explanation"] = f"what {feed} delivered for {window} cannot be read: {error}"
    return row


def awaited(
    feed: str, window: str, received_on: date, due: datetime | None, why_not: str | None
) -> Delivery:
    """The row of a window that something may still be delivered for, or need not be: because its
    files come when they do (due None), or by the timetable (why_not).
    """
    row = delivery_row(Source(feed, received_on, None, None), "arrival", window)
    if due is None:
        told = f"{feed} delivered nothing for {window}; its files come when they do"
    elif why_not is not None:
        told = f"no extract of {feed} is expected for {window}: {why_not}"
    else:
        told = f"no extract of {feed} is there yet for {window}; it is due {due:%Y-%m-%d %H:%M} UTC"
    row["explanation"] = told
    return row


def lateness(due: datetime, known_through: date) -> str:
    """How late an extract is that is not there, as of the end of the last day known."""
    end = datetime.combine(known_through + timedelta(days=1), time(), tzinfo=UTC)
    hours = (end - due) // timedelta(hours=1)
    told = f"it was due {due:%Y-%m-%d %H:%M} UTC"
    if hours < 1:
        return told
    count, unit = (hours, "hour") if hours < 48 else (hours // 24, "day")
    return f"{told}, {count} {unit}{'s' * (count > 1)} before the end of {known_through}"


def arrived(source: Source, window: str, tally: Tally) -> Delivery:
    """The row of an extract that came."""
    row = delivery_row(source, "arrival", window)
    row["found_count"] = tally.rows
    row["explanation"] = f"{source.file} was delivered for {window} with {tally.rows} rows"
    return row


def compare(
    source: Source,
    tally: Tally,
    layout: Format,
    given: Manifest | None,
    stated: Iterable[StatedTotal],
    names: Mapping[str, str],
) -> list[Delivery]:
    """All comparisons of one extract that need no other extract.

    `names`: outside name -> entity, for a manifest's by_entity.
    """
    found = [*_manifest_rows(source, tally, given, names)]
    found += [r for total in stated for r in _trailer_rows(source, total, tally)]
    found += itself(source, tally, layout)
    return found


def no_control_total(source: Source) -> Delivery:
    """The row of an extract that should carry a control total and does not."""
    row = delivery_row(source, "control_total", "")
    row["break_class"] = "control_total_mismatch"
    row["explanation"] = f"{source.file} came without a control total, which this feed requires"
    return row


def sequence_gap(source: Source, account: str, entity: str, first: int, last: int) -> Delivery:
    """The row of numbers that were skipped."""
    row = delivery_row(source, "sequence", f"{account} {first}", entity=entity)
    row |= {"stated_count": last - first + 1, "found_count": 0, "break_class": "sequence_gap"}
    numbers = f"number {first}" if first == last else f"numbers {first} to {last}"
    row["explanation"] = f"{account}: {numbers} never came, {last + 1} did"
    return row


def _manifest_rows(
    source: Source, tally: Tally, given: Manifest | None, names: Mapping[str, str]
) -> list[Delivery]:
    if given is None:
        return []
    found = []
    if given.rows is not None:
        found.append(_count_row(source, "manifest", given.rows, tally.rows))
    for entity, totals in [(ALL_ENTITIES, given.totals), *sorted(given.by_entity.items())]:
        code = names.get(entity, entity)
        sums = _control(tally, code)
        for currency in sorted({*totals, *(sums if totals else ())}):
            stated, figure = totals.get(currency, Decimal(0)), sums.get(currency, Figure())
            if currency not in totals and figure.amount == 0:
                continue
            found.append(_total_row(source, "manifest", (code, currency), stated, figure))
    for row in found:
        row["explanation"] += about_refused(tally) if row["break_class"] else ""
    _place(found, tally)
    return found


def _place(found: list[Delivery], tally: Tally) -> None:
    """Put a difference under the one entity and currency it can be of; others stay with all of
    them.

    A count names no currency: what is short is of the one currency whose total is off, or of the
    only one the extract has.
    """
    entities: dict[str, set[str]] = {}
    for entity, currency in tally.control:
        entities.setdefault(known(currency), set()).add(entity)
    off = {r["currency"] for r in found if r["check"] == "control_total" and r["break_class"]}
    candidates = off or set(entities)
    for row in found:
        if not row["break_class"] or row["entity"] != ALL_ENTITIES:
            continue
        if row["check"] == "count" and len(candidates) == 1:
            row["currency"] = next(iter(candidates))
        owners = entities.get(row["currency"] or "", set())
        # Rows whose entity could not be read are of nobody that is known.
        if len(owners) == 1 and "" not in owners:
            row["entity"] = next(iter(owners))


def _control(tally: Tally, entity: str) -> dict[str, Figure]:
    sums: dict[str, Figure] = {}
    for (code, currency), figure in tally.control.items():
        if entity in (ALL_ENTITIES, code):
            sums[currency] = sums.get(currency, Figure()) + figure
    return sums


def _trailer_rows(source: Source, total: StatedTotal, tally: Tally) -> list[Delivery]:
    found = []
    source = replace(source, file=total.file or source.file)
    if total.rows is not None:
        found.append(_count_row(source, total.ref, total.rows, total.found_rows))
    if total.amount is not None:
        sums = _summed(tally, total)
        currency = (total.currency or next(iter(sorted(sums)), NO_CURRENCY)).upper()
        figure = sums.get(currency, Figure())
        key = (ALL_ENTITIES, currency)
        found.append(_total_row(source, total.ref, key, total.amount, figure))
    return found


def _summed(tally: Tally, total: StatedTotal) -> dict[str, Figure]:
    """Control amounts of the rows a trailer is about, by currency."""
    if total.before_row is not None:
        return _section(tally, total)
    return _control(tally, ALL_ENTITIES) if total.control is None else total.control


def _section(tally: Tally, total: StatedTotal) -> dict[str, Figure]:
    """Control amounts of the rows a section's trailer is about, by currency."""
    sums: dict[str, Figure] = {}
    after, before = pl.col("source_row") > total.after_row, pl.col("source_row") < total.before_row
    for part in tally.control_rows:
        for currency, rows, amount in (
            part.filter(after & before)
            .group_by("currency")
            .agg(pl.len(), pl.col("row.control").sum())
            .iter_rows()
        ):
            key = currency or NO_CURRENCY
            sums[key] = sums.get(key, Figure()) + Figure(rows, amount)
    return sums


def _count_row(source: Source, ref: str, stated: int, found: int) -> Delivery:
    row = delivery_row(source, "count", ref, entity=ALL_ENTITIES)
    row |= {"stated_count": stated, "found_count": found}
    if stated != found:
        row["break_class"] = "count_mismatch"
    row["explanation"] = f"{ref} states {stated} rows, {source.file} has {found}"
    return row


def _total_row(
    source: Source, ref: str, key: tuple[str, str], stated: Decimal, found: Figure
) -> Delivery:
    entity, currency = key
    row = delivery_row(source, "control_total", ref, entity=entity, currency=currency)
    row |= {"found_count": found.count, "stated_amount": stated, "found_amount": found.amount}
    there = shown(found.amount, currency)
    words = f"{ref} states {shown(stated, currency)}, {source.file} has {there}"
    if stated != found.amount:
        row["break_class"] = "control_total_mismatch"
        short = stated - found.amount
        words += f"; {shown(abs(short), currency)} {'are missing' if short > 0 else 'too much'}"
    row["explanation"] = words
    return row
