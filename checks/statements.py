"""Statements: they add up, they count what is there, and they say when something is unexplained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from assets.partitions import partitions
from checks.findings import Check, Finding, Findings, Severity, checks_of
from checks.locked import correcting
from checks.rolling import roll_forward
from checks.scope import DAY, lines_in_scope, published_outcomes
from checks.stated import NEVER, Statement, named, published, read_figure, told_figure
from tieout.model import Figure
from tieout.money import FINE_AMOUNT
from tieout.periods import Period
from tieout.render.waterfall import table, unexplained_text
from tieout.settings import Settings
from tieout.waterfall import Waterfall, of_periods
from tieout.workplace import Workplace

_Key = tuple[str, str, str, str]
"""Day, side, entity, currency."""
_MOST_SHOWN = 5
"""Waterfalls shown beside a finding; those that do not come to zero go first."""
_EQUATIONS = (
    ("received", ("not_in_file", "quarantined", "duplicates", "accepted")),
    ("accepted", ("matched", "matched_in_transit", "timing", "breaks", "unexplained")),
)


def statement_checks(name: str, settings: Settings) -> dg.AssetChecksDefinition:
    """The checks of `statements/<reconciliation>`."""

    def conservation(workplace: Workplace, days: Sequence[str]) -> Findings:
        return _conservation(workplace, name, days)

    def rolls_forward(workplace: Workplace, days: Sequence[str]) -> Findings:
        return roll_forward(workplace, name, days)

    def completeness(workplace: Workplace, days: Sequence[str]) -> Findings:
        found = published(workplace, name, days)
        return {day: _completeness(found[day]) for day in days}

    def explained(workplace: Workplace, days: Sequence[str]) -> Findings:
        return _explained_to_zero(workplace, name, days)

    # A chain's target side has no amounts of its own to be led to.
    to_zero = (
        []
        if settings.reconciliations[name].chain
        else [
            Check(
                "waterfall_explains_to_zero",
                "Leads from the source amount to the target amount again, by entity and currency: "
                "what matches leave, what is matched with other days, timing and each break class. "
                "What is left, unexplained, must be zero.",
                explained,
            )
        ]
    )
    return checks_of(
        ["statements", name],
        partitions(settings),
        [
            *to_zero,
            Check(
                "conservation",
                "Adds the published statement up and counts the accepted lines again: received = "
                "not in the file + quarantined + duplicates + accepted; accepted = matched + in "
                "transit + timing + breaks + unexplained; accepted = lines in scope - duplicates; "
                "of a chain, accepted = the sum of its answers.",
                conservation,
            ),
            Check(
                "rolls_forward",
                "What is open at the beginning of a day is what was open at the end of the day "
                "before, as published or signed; opening + new - cleared = closing; the ages add "
                "up to closing.",
                rolls_forward,
            ),
            Check(
                "completeness",
                "Passes when every line is explained and none is a break. Breaks fail it as a "
                "warning: they are explained and wait for a person. Anything unexplained is an "
                "error.",
                completeness,
            ),
        ],
    )


def _conservation(workplace: Workplace, name: str, days: Sequence[str]) -> Findings:
    counted = _accepted_again(workplace, name, days)
    found = published(workplace, name, days)
    return {
        day: _adds_up(found[day], {key: f for key, f in counted.items() if key[0] == day})
        for day in days
    }


def _adds_up(given: Sequence[Statement] | None, counted: Mapping[_Key, Figure]) -> Finding:
    if given is None:
        return Finding(False, NEVER)
    wrong: list[str] = []
    rest = {key: figure for key, figure in counted.items() if figure != Figure()}
    for one in given:
        for whole, parts in _EQUATIONS:
            difference = _figure(one, whole)
            for part in parts:
                difference -= _figure(one, part)
            if difference != Figure():
                wrong.append(f"{named(one)}: {whole} is off by {told_figure(difference, one)}")
        if "answers" in one:
            given_answers = (read_figure(figure) for figure in one["answers"].values())
            difference = _figure(one, "accepted") - sum(given_answers, Figure())
            if difference != Figure():
                wrong.append(f"{named(one)}: {told_figure(difference, one)} have no answer")
        key = (one["period"], one["side"], one["entity"], one["currency"])
        difference = _figure(one, "accepted") - rest.pop(key, Figure())
        if difference != Figure():
            wrong.append(
                f"{named(one)}: the lines' own count differs by {told_figure(difference, one)}"
            )
    wrong += [f"{' '.join(k[1:])}: {f.count:,} lines, no statement" for k, f in rest.items()]
    lines = sum(_figure(one, "accepted").count for one in given)
    figures = {"accepted": lines, "counted again": sum(f.count for f in counted.values())}
    said = "; ".join(wrong) or f"{lines:,} accepted lines, counted again and added up"
    return Finding(not wrong, said, figures)


def _completeness(given: Sequence[Statement] | None) -> Finding:
    if given is None:
        return Finding(False, NEVER)
    unexplained = [one for one in given if _figure(one, "unexplained") != Figure()]
    broken = [one for one in given if _figure(one, "breaks").count]
    figures = {
        "unexplained": _list_of(unexplained, "unexplained") or "0.00",
        "breaks": sum(_figure(one, "breaks").count for one in given),
        "breaks by amount": _list_of(broken, "breaks") or "0.00",
        **_classes(given),
    }
    if unexplained:
        return Finding(False, f"unexplained: {figures['unexplained']}", figures)
    if broken:
        said = f"explained; {figures['breaks']:,} breaks: {figures['breaks by amount']}"
        return Finding(False, said, figures, severity=Severity.WARN)
    return Finding(True, "every line is explained, none is a break", figures)


def _explained_to_zero(workplace: Workplace, name: str, days: Sequence[str]) -> Findings:
    periods = {day: Period(date.fromisoformat(day), date.fromisoformat(day)) for day in days}
    found = of_periods(workplace, name, list(periods.values()))
    stated = workplace.register.heads(f"statements/{name}", days)
    return {
        day: _to_zero(found[period]) if day in stated else Finding(False, NEVER)
        for day, period in periods.items()
    }


def _to_zero(given: Sequence[Waterfall]) -> Finding:
    wrong = [one for one in given if one.unexplained != 0]
    figures: dict[str, Any] = {
        "waterfalls": len(given),
        "unexplained": unexplained_text(given),
    }
    for one in (wrong or given)[:_MOST_SHOWN]:
        figures[f"{one.entity} {one.currency}"] = dg.MetadataValue.md(table(one))
    if wrong:
        return Finding(False, f"unexplained: {figures['unexplained']}", figures)
    return Finding(True, f"{len(given):,} waterfalls, each down to 0.00", figures)


def _classes(given: Sequence[Statement]) -> dict[str, int]:
    """Breaks by class, all statements of the day together."""
    counts: defaultdict[str, int] = defaultdict(int)
    for one in given:
        for name, figure in one["breaks_by_class"].items():
            counts[f"breaks: {name}"] += figure["count"]
    return dict(sorted(counts.items()))


def _accepted_again(workplace: Workplace, name: str, days: Sequence[str]) -> dict[_Key, Figure]:
    """Lines in scope less duplicates, from the files of both, as they were when stated."""
    wanted = pl.col("period").is_in([date.fromisoformat(day) for day in days])
    columns = [DAY, "side", "entity", "currency", pl.col("amount").cast(FINE_AMOUNT)]
    versions = workplace.register.consumed(f"statements.{name}")
    made = published_outcomes(workplace, name, list(days))
    again = made.filter(pl.col("outcome") == "duplicate")
    lines = lines_in_scope(workplace, name, versions)
    counts: dict[_Key, Figure] = {}
    for rows, sign in ((lines, 1), (correcting(made), 1), (again, -1)):
        keyed = rows.filter(wanted).select(columns)
        sums = keyed.group_by("day", "side", "entity", "currency").agg(
            pl.len(), pl.col("amount").sum()
        )
        for *key, count, amount in sums.collect(engine="streaming").iter_rows():
            day, side, entity, currency = key
            place = (day, side, entity, currency)
            figure = Figure(sign * count, sign * amount)
            counts[place] = counts.get(place, Figure()) + figure
    return counts


def _figure(one: Statement, row: str) -> Figure:
    return read_figure(one["rows"][row])


def _list_of(given: Sequence[Statement], row: str) -> str:
    return "; ".join(f"{named(one)}: {told_figure(_figure(one, row), one)}" for one in given)
