"""The job that drafts the closing of a month: Dagster's pages know nobody, so it signs nothing."""

# No postponed annotations here: Dagster wants the types themselves, not their names.

import dagster as dg

from assets.resources import clear_failures
from tieout.close.acts import draft
from tieout.errors import TieoutError
from tieout.periods import parse_period
from tieout.workplace import Workplace


class DraftConfig(dg.Config):
    """Which month of which entity."""

    entity: str
    month: str


@dg.op(name="draft", required_resource_keys={"workplace"}, tags={"kind": "ssh"})
def _prepare(context: dg.OpExecutionContext, config: DraftConfig) -> None:
    """Says what stands in the way of closing a month, or what a preparer is going to sign."""
    workplace: Workplace = context.resources.workplace
    with clear_failures():
        lacking, made = draft(workplace, config.entity, parse_period(config.month))
        if lacking:
            told = [f"{one.problem}\n  -> {one.remedy}" for one in lacking]
            raise TieoutError(
                "\n".join([f"{config.month} of {config.entity} cannot be closed yet:", *told])
            )
    context.add_output_metadata(
        {
            "package sha256": made.sha256,
            "next": f"tieout close prepare {config.entity} {config.month} --key KEY",
        }
    )


@dg.job(
    name="prepare_close",
    description="Looks whether a month of an entity can be closed, and says what lacks. It signs "
    "and locks nothing: who does is proven by a signature, with `tieout close`.",
    executor_def=dg.in_process_executor,
    tags={"dagster/max_runtime": "3600"},
)
def prepare_close() -> None:
    """One op; its configuration names the month and the entity."""
    _prepare()
