"""The completeness report: every reconciliation on one page, and the workbook beside it."""

# No postponed annotations here: Dagster wants the context's type itself, not its name.

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import dagster as dg

from assets.links import links
from assets.metadata import (
    COLUMN_SCHEMA,
    PARTITION_ROW_COUNT,
    ROW_COUNT,
    Metadata,
    column_schema,
    describe_partitions,
    owner,
)
from assets.pages import completeness_ratio, overview, unexplained_text
from assets.partitions import ONE_RUN, partitions
from assets.resources import OpenWorkplace, clear_failures
from assets.statements import STATEMENT_COLUMNS
from tieout.breaks import breaks
from tieout.model import Statement
from tieout.periods import Period, month_of
from tieout.render import html, markdown
from tieout.render.workbook import workbook
from tieout.reports import folder_of, report_name, workbook_name
from tieout.settings import Settings
from tieout.statement import STATEMENTS, statements_of
from tieout.waterfall import has_waterfalls, of_period
from tieout.worked import mark_days
from tieout.workplace import Workplace

ByDay = Mapping[str, Sequence[Statement]]


def completeness_report(settings: Settings) -> dg.AssetsDefinition:
    """The asset `report/completeness`. Grain: one statement of a day over all reconciliations."""
    stages = ("matches", "statements")
    whole = {dg.AssetKey([stage, name]) for stage in stages for name in settings.reconciliations}

    @dg.asset(
        key=["report", "completeness"],
        deps=[["statements", name] for name in settings.reconciliations],
        description=(
            f"The completeness report of {settings.company}: every reconciliation, entity and "
            "currency, as a page and a workbook for each month, and as an overview for each day."
        ),
        group_name="report",
        owners=owner(settings),
        kinds={"html", "excel"},
        metadata={COLUMN_SCHEMA: column_schema(STATEMENTS, STATEMENT_COLUMNS)},
        partitions_def=partitions(settings),
        backfill_policy=ONE_RUN,
    )
    def write_report(
        context: dg.AssetExecutionContext, workplace: OpenWorkplace
    ) -> dg.MaterializeResult[None]:
        days = [date.fromisoformat(key) for key in context.partition_keys]
        by_day: dict[str, list[Statement]] = {}
        with clear_failures():
            for month in dict.fromkeys(map(month_of, days)):
                by_day |= _write_month(workplace, month, max(days))
            if whole <= set(context.job_def.asset_layer.executable_asset_keys):
                keys = list(context.partition_keys)
                mark_days(workplace, keys, run_id=context.run.run_id, now=datetime.now(UTC))
        describe_partitions(context, _described(by_day, context.partition_keys))
        return dg.MaterializeResult()

    return write_report


def _write_month(workplace: Workplace, month: Period, last: date) -> dict[str, list[Statement]]:
    """Write the report and the workbook of a month; the statements of its days up to the last."""
    settings = workplace.settings
    names = [name for name in settings.reconciliations if _has_run(workplace, name)]
    days = [Period(day, day) for day in month.days() if settings.calendar.start <= day <= last]
    of_month: list[Statement] = []
    by_day: dict[str, list[Statement]] = {str(day): [] for day in days}
    for name in names:
        found = statements_of(workplace, name, [month, *days])
        of_month += found[month]
        for day in days:
            by_day[str(day)] += found[day]
    broken = [one for name in names for one in breaks(workplace, name, month)]
    steps = [
        one
        for name in names
        if has_waterfalls(workplace, name)
        for one in of_period(workplace, name, month)
    ]
    title = f"{settings.company}, completeness of {month}"
    in_order = [statement for day in days for statement in by_day[str(day)]]
    page = html.report(of_month, broken, title=title, by_day=in_order, waterfalls=steps)
    folder = folder_of(workplace.home)
    _write(folder / report_name(str(month)), page.encode())
    _write(folder / workbook_name(str(month)), workbook(of_month, broken, steps))
    return by_day


def _has_run(workplace: Workplace, name: str) -> bool:
    """Whether a reconciliation ever ran; before that, it could only say that nothing matches."""
    return bool(workplace.register.heads(f"reconciled/{name}"))


def _write(path: Path, content: bytes) -> None:
    """Put the new file in the place of the old one; a reader sees one or the other, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{uuid4().hex}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _described(by_day: ByDay, days: Iterable[str]) -> Iterable[tuple[str, Metadata]]:
    count = sum(map(len, by_day.values()))
    for day in days:
        given = by_day[day]
        yield (
            day,
            {
                "overview": dg.MetadataValue.md(overview(given)),
                "completeness": completeness_ratio(given),
                "breaks": sum(s.rows["breaks"].count for s in given),
                "unexplained": unexplained_text(given),
                "report of the day": dg.MetadataValue.md(markdown.summary(given)),
                **links(day),
                PARTITION_ROW_COUNT: len(given),
                ROW_COUNT: count,
            },
        )
