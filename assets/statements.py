"""Statements: what was received, what became of it, and what is left unexplained, by day."""

# No postponed annotations here: Dagster wants the context's type itself, not its name.

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache

import dagster as dg

from assets.event_log import one_group
from assets.links import links
from assets.metadata import (
    COLUMN_SCHEMA,
    PARTITION_ROW_COUNT,
    ROW_COUNT,
    Metadata,
    column_schema,
    describe_partitions,
    owner,
    rows_in_all,
)
from assets.pages import chart_days, statement_page
from assets.partitions import ONE_RUN, known_days, partitions
from assets.resources import OpenWorkplace, clear_failures
from tieout.breaks import breaks
from tieout.changes.diff import changes
from tieout.changes.versions import versions
from tieout.model import Break, Statement
from tieout.periods import DAY_FORMAT, Period, parse_period
from tieout.render.changes import sentence
from tieout.settings import Settings
from tieout.stale import mark_stated, stale_days
from tieout.statement import STATEMENTS, publish_statements, statements_of
from tieout.waterfall import Waterfall, has_waterfalls, of_periods
from tieout.workplace import Workplace

MOST_COMPARED = 10
"""Days of a run whose pages say what changed; a backfill states hundreds."""
STATEMENT_COLUMNS = {
    "entity": "legal entity",
    "currency": "currency of every amount in it",
    "side": "source or target",
    "json": "the statement, its amounts as text",
}


def statements(name: str, settings: Settings) -> dg.AssetsDefinition:
    """The asset `statements/<reconciliation>`. Grain: one statement."""
    about = settings.reconciliations[name]
    days = partitions(settings)

    @dg.asset(
        key=["statements", name],
        deps=[["matches", name]],
        description=(
            f"The completeness statement of {name}: received = not in the file + quarantined + "
            "duplicates + accepted, and accepted = matched + in transit + timing + breaks. What is "
            f"left is unexplained, and must be zero. {about.description}"
        ).strip(),
        group_name="statements",
        owners=owner(settings),
        kinds={"duckdb", "markdown"},
        tags={"reconciliation": name},
        metadata={COLUMN_SCHEMA: column_schema(STATEMENTS, STATEMENT_COLUMNS)},
        partitions_def=days,
        backfill_policy=ONE_RUN,
    )
    def publish(
        context: dg.AssetExecutionContext, workplace: OpenWorkplace
    ) -> Iterable[dg.AssetMaterialization | dg.MaterializeResult[None]]:
        own = [date.fromisoformat(key) for key in context.partition_keys]
        with clear_failures():
            stale = stale_days(workplace, name)
            before = workplace.register.heads(f"statements/{name}")
            run_id = context.run.run_id
            made = publish_statements(workplace, name, {*own, *stale.days}, run_id=run_id)
            mark_stated(workplace, name, stale, run_id=run_id)
            after = workplace.register.heads(f"statements/{name}")
            changed = [d for d in made if before.get(d) is None or after[d] != before[d]]
            shown = sorted({*context.partition_keys, *changed})
            pages = _pages(workplace, name, made, shown)
        describe_partitions(context, pages.items())
        others = known_days(days, map(date.fromisoformat, changed), besides=context.partition_keys)
        with one_group(context.instance, context.run.run_id):
            for day in others:
                yield dg.AssetMaterialization(context.asset_key, partition=day, metadata=pages[day])
        yield dg.MaterializeResult()

    return publish


def _pages(
    workplace: Workplace,
    name: str,
    made: Mapping[str, Sequence[Statement]],
    days: Sequence[str],
) -> dict[str, Metadata]:
    """What the page of each day shows, and where the report of its month lies."""
    if not days:
        return {}
    broken: dict[str, list[Break]] = defaultdict(list)
    whole = Period(date.fromisoformat(days[0]), date.fromisoformat(days[-1]))
    for one in breaks(workplace, name, whole):
        broken[str(one.period)].append(one)
    steps = _waterfalls(workplace, name, days)
    history = _history(workplace, name, made, days)
    told = versions_told(workplace, name, days)
    count = rows_in_all(workplace, f"statements/{name}")
    return {
        day: {
            **statement_page(name, day, history, broken[day], steps[day], told[day]),
            **links(day),
            PARTITION_ROW_COUNT: len(made[day]),
            ROW_COUNT: count,
        }
        for day in days
    }


def versions_told(workplace: Workplace, name: str, days: Sequence[str]) -> dict[str, str]:
    """Which version of its statements a day has, and what changed since the one before, by day.

    Two versions are compared line by line: done for the newest few days of a run only.
    """
    told: dict[str, str] = {}
    compared = 0

    @cache  # days that a run states again have their moments in common
    def known_at(moment: datetime) -> Workplace:
        return workplace.known_at(moment)

    for day in reversed(days):
        period = parse_period(day)
        found = versions(workplace, name, period)
        if len(found) > 1 and compared < MOST_COMPARED:
            compared += 1
            before, after = found[-2:]
            places = known_at(before.moment), known_at(after.moment)
            told[day] = sentence(after, changes(*places, name, period, before, after))
        else:
            told[day] = sentence(found[-1], None) if found else ""
            if len(found) > 1:
                told[day] = f"{found[-1]}; `tieout diff {name} --period {day}` says what changed"
    return told


def _waterfalls(
    workplace: Workplace, name: str, days: Sequence[str]
) -> Mapping[str, Sequence[Waterfall]]:
    """From source to target, by day; a chain has nothing of the kind."""
    if not has_waterfalls(workplace, name):
        return dict.fromkeys(days, ())
    asked = [date.fromisoformat(day) for day in days]
    found = of_periods(workplace, name, [Period(day, day) for day in asked])
    return {str(period): given for period, given in found.items()}


def _history(
    workplace: Workplace,
    name: str,
    made: Mapping[str, Sequence[Statement]],
    days: Sequence[str],
) -> dict[str, Sequence[Statement]]:
    """Statements of the days, and of those before them that their charts show."""
    start = workplace.settings.calendar.start
    lacking = [
        Period(day, day)
        for day in chart_days(days)
        if day >= start and day.strftime(DAY_FORMAT) not in made
    ]
    found = statements_of(workplace, name, lacking) if lacking else {}
    return {**made, **{str(period): given for period, given in found.items()}}
