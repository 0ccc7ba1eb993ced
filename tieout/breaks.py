"""Breaks: lines the other side can no longer answer, and extracts that do not tie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tieout.errors import RequestError
from tieout.explanation import explain
from tieout.lines.deliveries import lateness
from tieout.model import ALL_ENTITIES, BREAK_CLASSES, Break
from tieout.money import NO_CURRENCY
from tieout.periods import Period
from tieout.register.decisions import NewDecision
from tieout.settings import Settings
from tieout.statement import delivery_gap
from tieout.statement_inputs import reading
from tieout.workplace import Workplace


def breaks(
    workplace: Workplace, name: str, period: Period, break_class: str | None = None
) -> list[Break]:
    """Every break of a period: first the lines, by day, side and line; then the deliveries.

    Raises TieoutError for an unknown reconciliation or class.
    """
    if break_class is not None and break_class not in BREAK_CLASSES:
        raise RequestError(f"no break class {break_class!r}", f"one of {', '.join(BREAK_CLASSES)}")
    with reading(workplace, name, [period]) as (engine, through):
        lines = engine.table("breaks", **through.parameters())
        deliveries = engine.table("delivery_breaks")
    accepted = _accepted(workplace, name) if lines["decision"].count() else {}
    found = [_of_line(name, row, through.latest, accepted) for row in lines.iter_rows(named=True)]
    rows = deliveries.iter_rows(named=True)
    found += _of_deliveries(name, rows, through.latest, workplace.settings)
    return [b for b in found if break_class in (None, b.break_class)]


def _accepted(workplace: Workplace, name: str) -> dict[int, NewDecision]:
    """Decisions by number: a chain shows those of its links."""
    links = workplace.settings.reconciliations[name].chain or (name,)
    decisions = [one for link in links for one in workplace.register.decisions(link)]
    return {one.id: one.new for one in decisions if one.new.kind == "accept_break"}


def _of_line(
    name: str, row: Mapping[str, Any], known_through: date, accepted: Mapping[int, NewDecision]
) -> Break:
    by = accepted.get(row["decision"])
    return Break(
        reconciliation=name,
        break_class=row["break_class"],
        side=row["side"],
        feed=row["feed"],
        line_id=row["line_id"],
        ref=row["ref"],
        entity=row["entity"],
        currency=row["currency"],
        amount=row["amount"],
        occurred_on=row["occurred_on"] or row["period"],
        period=row["period"],
        age_days=max(0, (known_through - row["period"]).days),
        explanation=explain(row),
        counterpart=row["counterpart"],
        decision=row["decision"] if by is not None else None,
        accepted_by=by.who if by is not None else None,
        accepted_because=by.reason if by is not None else None,
    )


def _of_deliveries(
    name: str, rows: Iterator[Mapping[str, Any]], known_through: date, settings: Settings
) -> Iterator[Break]:
    for row in rows:
        day, ref = row["received_on"], row["ref"]
        yield Break(
            reconciliation=name,
            break_class=row["break_class"],
            side=row["side"],
            feed=row["feed"],
            line_id=f"{row['feed']}@{day}" + (f"/{ref}" if ref else ""),
            ref=ref,
            entity=row["entity"] or ALL_ENTITIES,
            currency=row["currency"] or NO_CURRENCY,
            amount=delivery_gap(row),
            occurred_on=day,
            period=day,
            age_days=max(0, (known_through - day).days),
            explanation=_sentence(_aged(row, known_through, settings)),
            counterpart=None,
        )


def _aged(row: Mapping[str, Any], known_through: date, settings: Settings) -> str:
    """What the row says; of an extract that is not there also how late it is.

    Late by the last day that anything is known of, so that the same data gives the same words.
    """
    told, feed = str(row["explanation"]), settings.feeds[row["feed"]]
    if row["break_class"] != "missing_extract" or not feed.names_windows:
        return told
    return f"{told}; {lateness(feed.due(row['ref']), known_through)}"


def _sentence(words: str) -> str:
    """A capital at the beginning, unless that is a name, and a full stop."""
    first = words.split(" ", 1)[0]
    begun = words[0].upper() + words[1:] if first.isalpha() else words
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."
