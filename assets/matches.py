"""Matches: every line of both sides of a reconciliation, and what became of it."""

# No postponed annotations here: Dagster wants the context's type itself, not its name.

from collections.abc import Iterable

import dagster as dg

from assets.event_log import one_group
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
from assets.partitions import ONE_RUN, known_days, partitions
from assets.resources import OpenWorkplace, clear_failures
from tieout.matching.columns import OUTCOMES
from tieout.matching.reconcile import reconcile
from tieout.rules import Reconciliation
from tieout.settings import Settings
from tieout.workplace import Workplace


def matches(name: str, settings: Settings) -> dg.AssetsDefinition:
    """The asset `matches/<reconciliation>`. Grain: one line in scope, by the day it counts in."""
    about = settings.reconciliations[name]
    days = partitions(settings)

    @dg.asset(
        key=["matches", name],
        deps=upstream(about),
        description=(
            f"Every line of both sides of {name} with its outcome: matched, timing, or a break of "
            "one class. A late line reworks the days it touches, and no others. "
            f"{about.description}"
        ),
        group_name="matches",
        owners=owner(settings),
        kinds={"duckdb", "parquet"},
        tags={"reconciliation": name},
        metadata={COLUMN_SCHEMA: column_schema(OUTCOMES)},
        partitions_def=days,
        backfill_policy=ONE_RUN,
    )
    def publish_matches(
        context: dg.AssetExecutionContext, workplace: OpenWorkplace
    ) -> Iterable[dg.AssetMaterialization | dg.MaterializeResult[None]]:
        with clear_failures():
            report = reconcile(workplace, name, run_id=context.run.run_id)
        described = _described(workplace, name, [*context.partition_keys, *map(str, report.days)])
        describe_partitions(context, described.items())
        others = known_days(days, report.days, besides=context.partition_keys)
        with one_group(context.instance, context.run.run_id):
            for day in others:
                yield dg.AssetMaterialization(
                    context.asset_key, partition=day, metadata=described[day]
                )
        yield dg.MaterializeResult(
            metadata={
                ROW_COUNT: rows_in_all(workplace, f"outcomes/{name}"),
                "lines in this run": report.lines,
                "matched in this run": report.matched,
                "left open in this run": report.open,
                "days reworked": len(report.days),
            }
        )

    return publish_matches


def upstream(about: Reconciliation) -> list[list[str]]:
    """What a reconciliation reads: lines of its feeds, or the matches of the links it chains."""
    if about.chain is not None:
        return [["matches", link] for link in about.chain]
    assert about.source is not None
    assert about.target is not None
    return [["lines", feed] for feed in dict.fromkeys((*about.source.feeds, *about.target.feeds))]


def _described(workplace: Workplace, name: str, days: Iterable[str]) -> dict[str, Metadata]:
    """What the page of each day shows: how many outcomes there are of each kind."""
    heads = workplace.register.heads(f"outcomes/{name}", sorted(set(days)))
    nothing: Metadata = {PARTITION_ROW_COUNT: 0}
    return {
        day: {
            PARTITION_ROW_COUNT: heads[day].rows,
            **{word: heads[day].totals[word] for word in ("matched", "open", "duplicate")},
            "version": heads[day].version,
        }
        if day in heads
        else nothing
        for day in days
    }
