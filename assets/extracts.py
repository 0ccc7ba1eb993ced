"""Extracts: what outside systems delivered, fingerprinted and kept as received."""

# No postponed annotations here: Dagster wants the context's type itself, not its name.

from collections.abc import Iterable, Sequence

import dagster as dg

from assets.metadata import (
    COLUMN_SCHEMA,
    PARTITION_ROW_COUNT,
    ROW_COUNT,
    Metadata,
    describe_partitions,
    owner,
)
from assets.partitions import ONE_RUN, partitions
from assets.resources import OpenWorkplace, clear_failures
from tieout.errors import ExtractError
from tieout.extracts import current, take_in
from tieout.register.records import TakenExtract
from tieout.render import markdown
from tieout.settings import Settings
from tieout.timetable import shown_in
from tieout.workplace import Workplace

REFUSED = "refused"
"""Kind of the notes on what could not be taken in: feed -> why (empty: all was), the windows."""

_COLUMNS = dg.TableSchema(
    [
        dg.TableColumn("feed", description="the stream it belongs to"),
        dg.TableColumn("window", description="the UTC hour or day it was delivered for"),
        dg.TableColumn("name", description="the file's or the query's name"),
        dg.TableColumn("sha256", description="fingerprint of the extract as received"),
        dg.TableColumn("bytes", "int"),
        dg.TableColumn("taken_at", "timestamp", description="when it was taken in, UTC"),
    ]
)


def extracts(feed: str, settings: Settings) -> dg.AssetsDefinition:
    """The asset `extracts/<feed>`. Grain: one row a delivery."""
    about = settings.feeds[feed]
    source = "database query" if about.url else "inbox" if about.inbox else "files"

    @dg.asset(
        key=["extracts", feed],
        description=(
            f"Deliveries of {feed} ({about.format}, {source}), one or more every {about.every}: "
            "located, fingerprinted and kept as received. The same delivery twice is one extract."
        ),
        group_name="extracts",
        owners=owner(settings),
        kinds={"sql" if about.url else "webhook" if about.inbox else "file"},
        tags={"feed": feed, "format": about.format},
        metadata={COLUMN_SCHEMA: _COLUMNS},
        partitions_def=partitions(settings, about.every),
        backfill_policy=ONE_RUN,
    )
    def take_in_extracts(
        context: dg.AssetExecutionContext, workplace: OpenWorkplace
    ) -> dg.MaterializeResult[None]:
        windows = list(context.partition_keys)
        with clear_failures():
            taken, refused = _take_what_can_be(workplace, feed, windows)
            if refused and not taken:
                raise refused
            workplace.register.note(REFUSED, feed, {"told": str(refused or ""), "windows": windows})
        if refused:
            context.log.error(str(refused))
        describe_partitions(context, _described(windows, taken, settings.timezone))
        return dg.MaterializeResult(metadata={ROW_COUNT: len(workplace.register.extracts(feed))})

    return take_in_extracts


def _take_what_can_be(
    workplace: Workplace, feed: str, windows: Sequence[str]
) -> tuple[list[TakenExtract], ExtractError | None]:
    """The extracts that count, and what could not be taken in.

    A file that cannot be taken in holds up no other window; the check of the extracts turns red,
    and fails the run once all is recorded.
    """
    try:
        return take_in(workplace, feed, windows), None
    except ExtractError as problem:
        return current(workplace, feed, windows), problem


def _described(
    windows: Sequence[str], taken: Sequence[TakenExtract], zone: str
) -> Iterable[tuple[str, Metadata]]:
    of_window: dict[str, list[TakenExtract]] = {window: [] for window in windows}
    for extract in taken:
        of_window.setdefault(extract.window, []).append(extract)
    for window, extracts in of_window.items():
        about: dict[str, object] = {
            PARTITION_ROW_COUNT: len(extracts),
            "bytes": sum(extract.bytes for extract in extracts),
        }
        if extracts:
            about["extracts"] = dg.MetadataValue.md(_table(extracts, zone))
        else:
            about["extracts"] = "none was there for this window"
        yield window, about


def _table(extracts: Sequence[TakenExtract], zone: str) -> str:
    body = [
        [
            markdown.escaped(e.name),
            f"`{e.sha256[:16]}`",
            shown_in(zone, e.taken_at),
            f"{e.bytes:,}",
        ]
        for e in extracts
    ]
    return markdown.table(["extract", "sha256", "taken in", "bytes"], body, words=3)
