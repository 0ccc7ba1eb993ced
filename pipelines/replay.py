"""The job that reads dead letters again after a fix."""

# No postponed annotations here: Dagster wants the types themselves, not their names.

import dagster as dg
from pydantic import Field

from assets.resources import clear_failures
from tieout.events.deadletters import replay, waiting
from tieout.workplace import Workplace

_MOST_REPLAYED = 100_000
_MOST_TOLD = 20


class ReplayConfig(dg.Config):
    """Which dead letters to read again, and why. Without sequences: all of the feed and code."""

    reason: str
    feed: str | None = None
    code: str | None = None
    sequences: list[int] = Field(default_factory=list)


@dg.op(name="replay", required_resource_keys={"workplace"}, tags={"kind": "webhook"})
def _replay(context: dg.OpExecutionContext, config: ReplayConfig) -> None:
    """Reads dead letters again by the formats of today; the applier and the sensor do the rest."""
    workplace: Workplace = context.resources.workplace
    with clear_failures():
        chosen = config.sequences or [
            one.sequence
            for one in waiting(
                workplace.register, feed=config.feed, code=config.code, most=_MOST_REPLAYED
            )
        ]
        done = replay(
            workplace.register,
            workplace.settings,
            chosen,
            f"dagster run {context.run.run_id}",
            config.reason,
        )
    still = [one for one in done if one.state == "dead"]
    context.add_output_metadata({"replayed": len(done) - len(still), "still dead": len(still)})
    for one in still[:_MOST_TOLD]:
        told = (one.problem or {}).get("reason", "")
        context.log.warning(f"event {one.sequence} of {one.feed} is still dead: {told}")


@dg.job(
    name="replay_dead_letters",
    description="Reads dead letters again after a fix; running it twice does nothing twice.",
    executor_def=dg.in_process_executor,
    tags={"dagster/max_runtime": "3600"},
)
def replay_dead_letters() -> None:
    """One op; its configuration says which dead letters, and why."""
    _replay()
