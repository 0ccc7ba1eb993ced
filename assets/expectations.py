"""Expectations: what the events of invoices, payments and payouts let one expect of the batch."""

# No postponed annotations here: Dagster wants the context's type itself, not its name.

import dagster as dg
import sqlalchemy as sa

from assets.metadata import ROW_COUNT, owner
from assets.partitions import ONE_RUN, partitions
from assets.resources import OpenWorkplace, clear_failures
from tieout.events.settle import settle
from tieout.register.eventtables import expectation
from tieout.settings import Settings
from tieout.workplace import Workplace

KEY = ["live", "expectations"]


def has_expectations(settings: Settings) -> bool:
    """Whether events of any feed let one expect anything."""
    return any(feed.inbox and feed.inbox.expects for feed in settings.feeds.values())


def expectations(settings: Settings) -> dg.AssetsDefinition:
    """The asset `live/expectations`. Grain: one expectation of the live state."""
    expected = [
        one
        for feed in settings.feeds.values()
        for one in (feed.inbox.expects.values() if feed.inbox else ())
    ]
    lines = [("lines", feed) for one in expected for feed in one.feeds]
    stated = [("statements", one.posted_by) for one in expected if one.posted_by is not None]

    @dg.asset(
        key=KEY,
        deps=[list(key) for key in dict.fromkeys((*lines, *stated))],
        description=(
            "What events let one expect of the batch, met: the lines with their references have "
            "come, and are matched to the ledger. `tieout live` shows what is still open."
        ),
        group_name="live",
        owners=owner(settings),
        kinds={"duckdb"},
        partitions_def=partitions(settings),
        backfill_policy=ONE_RUN,
    )
    def meet_expectations(
        context: dg.AssetExecutionContext, workplace: OpenWorkplace
    ) -> dg.MaterializeResult[None]:
        with clear_failures():
            met = settle(workplace, run_id=context.run.run_id)
            counts = _by_state(workplace)
        return dg.MaterializeResult(
            metadata={ROW_COUNT: sum(counts.values()), "met in this run": met, **counts}
        )

    return meet_expectations


def _by_state(workplace: Workplace) -> dict[str, int]:
    query = sa.select(expectation.c.state, sa.func.count()).group_by(expectation.c.state)
    with workplace.register.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}
