"""Lines: the canonical rows of every extract, validated, with nothing lost on the way."""

# No postponed annotations here: Dagster wants the context's type itself, not its name.

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import dagster as dg

from assets.metadata import (
    COLUMN_SCHEMA,
    NOTES,
    PARTITION_ROW_COUNT,
    ROW_COUNT,
    STATUS,
    Metadata,
    column_schema,
    describe_partitions,
    figures_table,
    owner,
    rows_in_all,
)
from assets.partitions import ONE_RUN, partitions
from assets.resources import OpenWorkplace, clear_failures
from tieout.lines.columns import columns
from tieout.lines.ingest import WindowReport, refresh_lines
from tieout.settings import Kind, Settings
from tieout.worked import mark_lines


def lines(feed: str, kind: Kind, settings: Settings) -> dg.AssetsDefinition:
    """The asset `lines/<feed>`. Grain: one canonical line of the kind."""
    about = settings.feeds[feed]

    @dg.asset(
        key=["lines", feed],
        deps=[["extracts", feed]],
        description=(
            f"Canonical {kind} lines of {feed}, read from its current extracts. A row is accepted, "
            "quarantined with its reason, or a duplicate: each exactly once."
        ),
        group_name="lines",
        owners=owner(settings),
        kinds={"polars", "parquet"},
        tags={"feed": feed, "kind": kind},
        metadata={COLUMN_SCHEMA: column_schema(columns(kind))},
        partitions_def=partitions(settings, about.every),
        backfill_policy=ONE_RUN,
    )
    def publish_lines(
        context: dg.AssetExecutionContext, workplace: OpenWorkplace
    ) -> dg.MaterializeResult[None]:
        now, run_id = datetime.now(UTC), context.run.run_id
        with clear_failures():
            reports = refresh_lines(workplace, feed, list(context.partition_keys), run_id=run_id)
            there = {report.window: bool(report.extracts) for report in reports}
            mark_lines(workplace, feed, there, run_id=run_id, now=now)
        _say_what_failed(context, feed, reports)
        describe_partitions(context, _described(reports))
        return dg.MaterializeResult(metadata={ROW_COUNT: rows_in_all(workplace, f"lines/{feed}")})

    return publish_lines


def _say_what_failed(
    context: dg.AssetExecutionContext, feed: str, reports: Sequence[WindowReport]
) -> None:
    """A window that cannot be read holds up no other; only when there is no other, the step fails.

    In a range the schema check of the window turns red, and fails the run once all is recorded.
    """
    failed = [report for report in reports if report.status == "failed"]
    for report in failed:
        context.log.error(f"{feed} {report.window}: {report.error}")
    if failed and len(failed) == len(reports):
        raise dg.Failure(
            description=f"{feed} {failed[0].window}: {failed[0].error}", allow_retries=False
        )


def _described(reports: Sequence[WindowReport]) -> Iterable[tuple[str, Metadata]]:
    for report in reports:
        about: dict[str, object] = {
            PARTITION_ROW_COUNT: report.lines,
            STATUS: report.status,
            "rows of the extracts": dict(report.rows),
        }
        if report.error:
            about["error"] = report.error
        if report.totals:
            about["lines and amounts"] = figures_table(report.totals)
        if report.notes:
            about[NOTES] = "\n".join(report.notes)
        if report.extracts:
            about["extracts"] = ", ".join(report.extracts)
        yield report.window, about
