"""Matches: every accepted line in scope has exactly one outcome, and nothing else has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import dagster as dg
import polars as pl

from assets.partitions import partitions
from checks.findings import Check, Finding, Findings, checks_of
from checks.locked import standing
from checks.published import scan
from checks.scope import DAY, LINE, is_fine, lines_in_scope, published_outcomes
from tieout.matching.columns import outcomes
from tieout.settings import Settings
from tieout.waterfall import reach_of
from tieout.workplace import Workplace

_ONE_LINE = ["side", "feed", "line_id"]
_AGAIN = 31
"""Days around its own on which a line may come again, and is looked for; no longer ago than that,
for then every check would read all that was ever published."""


def match_checks(name: str, settings: Settings) -> dg.AssetChecksDefinition:
    """The checks of `matches/<reconciliation>`."""

    def consumption(workplace: Workplace, days: Sequence[str]) -> Findings:
        return _consumption(workplace, name, days)

    def one_match(workplace: Workplace, days: Sequence[str]) -> Findings:
        return _one_match(workplace, name, days)

    # A chain matches nothing itself: it follows what its links matched.
    matching = (
        []
        if settings.reconciliations[name].chain
        else [
            Check(
                "one_match",
                "Looks the matches of published lines up again, also on the days around: a line is "
                "in at most one match, and its counterpart is in the same one.",
                one_match,
            )
        ]
    )
    return checks_of(
        ["matches", name],
        partitions(settings),
        [
            *matching,
            Check(
                "consumption",
                "Counts the lines in scope and their outcomes again: each delivery of a line of "
                "either side has exactly one outcome, and no outcome is without its line.",
                consumption,
            ),
        ],
    )


def _consumption(workplace: Workplace, name: str, days: Sequence[str]) -> Findings:
    wanted = pl.col("period").is_in([date.fromisoformat(day) for day in days])
    made = standing(workplace, published_outcomes(workplace, name, list(days)).filter(wanted))
    due = _due(workplace, name).filter(wanted)
    counted = {
        "lines": due,
        "outcomes": made,
        "lines without an outcome": due.join(made, on=LINE, how="anti"),
        "outcomes without a line": made.join(due, on=LINE, how="anti"),
        "lines with several outcomes": _too_many(made, due),
    }
    counts = _by_day(counted)
    return {day: _finding({label: counts[label].get(day, 0) for label in counts}) for day in days}


def _one_match(workplace: Workplace, name: str, days: Sequence[str]) -> Findings:
    reach = max(reach_of(workplace.settings.reconciliations[name]), _AGAIN)
    asked = [date.fromisoformat(day) for day in days]
    around = {day + timedelta(days=n) for day in asked for n in range(-reach, reach + 1)}
    all_ = published_outcomes(workplace, name, sorted(map(str, around)))
    matched = all_.filter(pl.col("outcome") == "matched")
    own = matched.filter(pl.col("period").is_in(asked))
    again = matched.group_by(_ONE_LINE).len().filter(pl.col("len") > 1)
    # What a person matched may lie farther away than is read here.
    answered = own.filter(pl.col("counterpart").is_not_null(), pl.col("decision").is_null())
    counted = {
        "matched lines": own,
        "lines in several matches": own.join(again, on=_ONE_LINE, how="semi"),
        "lines whose counterpart is not in their match": answered.join(
            matched,
            left_on=["counterpart_feed", "counterpart", "pass", "match_ref"],
            right_on=["feed", "line_id", "pass", "match_ref"],
            how="anti",
        ),
    }
    counts = _by_day(counted)
    return {day: _whole({label: counts[label].get(day, 0) for label in counts}) for day in days}


def _whole(counts: Mapping[str, int]) -> Finding:
    matched, *wrong = counts.values()
    if not any(wrong):
        return Finding(True, f"{matched:,} matched lines, each in one match", dict(counts))
    told = [f"{label}: {counts[label]:,}" for label in list(counts)[1:] if counts[label]]
    return Finding(False, "; ".join(told), dict(counts))


def _by_day(counted: Mapping[str, pl.LazyFrame]) -> dict[str, dict[str, int]]:
    """Rows of each frame by day."""
    return {
        label: dict(rows.group_by(DAY).len().collect(engine="streaming").iter_rows())
        for label, rows in counted.items()
    }


def _too_many(made: pl.LazyFrame, due: pl.LazyFrame) -> pl.LazyFrame:
    """Outcomes of lines that have more outcomes than deliveries."""
    outcomes_of = made.group_by(LINE).agg(pl.len().alias("outcomes"))
    deliveries_of = due.group_by(LINE).agg(pl.len().alias("deliveries"))
    both = outcomes_of.join(deliveries_of, on=LINE, how="left")
    excess = both.filter(pl.col("outcomes") > pl.col("deliveries").fill_null(1))
    return made.join(excess, on=LINE, how="semi")


def _due(workplace: Workplace, name: str) -> pl.LazyFrame:
    """What the reconciliation says it has worked in; a chain works in its first link's outcomes."""
    versions = workplace.register.consumed(f"reconcile.{name}")
    chain = workplace.settings.reconciliations[name].chain
    if chain is None:
        return lines_in_scope(workplace, name, versions).select("period", *LINE)
    table = f"outcomes/{chain[0]}"
    used = {place: version for place, version in versions.items() if place[0] == table}
    schema = outcomes(is_fine(workplace.settings, chain[0]))
    rows = standing(workplace, scan(workplace, workplace.register.versions(used), schema))
    return rows.filter(pl.col("side") == "source").select("period", *LINE)


def _finding(counts: Mapping[str, int]) -> Finding:
    lines, made, *wrong = counts.values()
    if lines == made and not any(wrong):
        return Finding(True, f"{lines:,} lines, each with one outcome", dict(counts))
    told = [f"{lines:,} lines have {made:,} outcomes"]
    told += [f"{label}: {counts[label]:,}" for label in list(counts)[2:] if counts[label]]
    return Finding(False, "; ".join(told), dict(counts))
