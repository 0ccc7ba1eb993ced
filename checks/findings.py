"""A check's finding for each partition, and how Dagster records it.

Dagster stores one evaluation a run without a partition when a run covers a range; evaluations with
their partition are therefore made here, and belong to the run that checked.
"""

# No postponed annotations here: Dagster wants the context's type itself, not its name.

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from assets.event_log import one_group
from assets.partitions import Partitions
from assets.resources import OpenWorkplace, clear_failures
from tieout.workplace import Workplace

Severity = dg.AssetCheckSeverity
_IN_A_GROUP = 1000
"""Evaluations stored together: what a step holds in memory stays small."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found in one partition; `figures` are shown beside it, amounts as text.

    `unreadable` says why an extract of the partition could not be read at all.
    """

    passed: bool
    description: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity = Severity.ERROR
    unreadable: str | None = None


Findings = Mapping[str, Finding]
Look = Callable[[Workplace, Sequence[str]], Findings]
"""Looks at partitions, given by their keys, and finds something in every one of them."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of an asset: its name, what it says in the UI, and how to look."""

    name: str
    description: str
    look: Look


def checks_of(
    asset: Sequence[str], days: Partitions, given: Sequence[Check]
) -> dg.AssetChecksDefinition:
    """The checks of one asset as one step, which records each check in each partition."""
    key = dg.AssetKey(asset)
    looks = {check.name: check.look for check in given}
    specs = [
        dg.AssetCheckSpec(check.name, asset=key, description=check.description, partitions_def=days)
        for check in given
    ]

    @dg.multi_asset_check(name="__".join([*asset, "checks"]), specs=specs, can_subset=True)
    def check_partitions(
        context: dg.AssetCheckExecutionContext, workplace: OpenWorkplace
    ) -> Iterator[dg.Output[None] | dg.AssetCheckEvaluation]:
        keys = list(context.partition_keys)
        chosen = [s for s in specs if s.key in context.selected_asset_check_keys]
        with clear_failures():
            found = {spec.name: looks[spec.name](workplace, keys) for spec in chosen}
        for spec in chosen:
            yield dg.Output(None, output_name=spec.get_python_identifier())
        yield from _grouped(context, _evaluations(context, key, found))
        _fail_when_unreadable(found)

    return check_partitions


def _evaluations(
    context: dg.AssetCheckExecutionContext, asset: dg.AssetKey, found: Mapping[str, Findings]
) -> Iterator[dg.AssetCheckEvaluation]:
    targets = _materializations(context, asset)
    for name, findings in found.items():
        for partition in context.partition_keys:
            finding = findings[partition]
            yield dg.AssetCheckEvaluation(
                asset_key=asset,
                check_name=name,
                passed=finding.passed,
                metadata=finding.figures,
                target_materialization_data=targets.get(partition),
                severity=finding.severity,
                description=finding.description,
                blocking=False,
                partition=partition,
            )


def _materializations(
    context: dg.AssetCheckExecutionContext, asset: dg.AssetKey
) -> dict[str, Target]:
    """What this run materialized of the asset, by partition: what the evaluations are about."""
    records = context.instance.get_asset_event_summary_records(
        dg.DagsterEventType.ASSET_MATERIALIZATION, asset, context.run.run_id, ascending=True
    )
    return {
        record.partition: Target(
            storage_id=record.storage_id, run_id=context.run.run_id, timestamp=record.timestamp
        )
        for record in records
        if record.partition is not None
    }


def _grouped(
    context: dg.AssetCheckExecutionContext, evaluations: Iterator[dg.AssetCheckEvaluation]
) -> Iterator[dg.AssetCheckEvaluation]:
    while group := list(islice(evaluations, _IN_A_GROUP)):
        with one_group(context.instance, context.run.run_id):
            yield from group


def _fail_when_unreadable(found: Mapping[str, Findings]) -> None:
    """Fail the run, after everything is recorded, when an extract could not be read.

    The step of the lines goes on with the windows that can be read, and nothing depends on this
    one: so the run tells the truth without holding up the other windows and feeds.
    """
    problems = [
        f"{partition}: {finding.unreadable}"
        for findings in found.values()
        for partition, finding in findings.items()
        if finding.unreadable
    ]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise dg.Failure(description="; ".join(problems[:3]) + more, allow_retries=False)
