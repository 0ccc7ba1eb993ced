"""The grouped event log against Dagster's own class: the same run leaves the same history."""

# No postponed annotations here: Dagster wants the context's type itself, not its name.

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage

from assets.event_log import EventLog, one_group

DAYS = dg.DailyPartitionsDefinition("2026-03-01", timezone="UTC")
RANGE = {
    "dagster/asset_partition_range_start": "2026-03-03",
    "dagster/asset_partition_range_end": "2026-03-14",
}
RUNLESS = ""
RUNS = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(2)]
SUM, COUNT = (
    dg.AssetCheckKey(dg.AssetKey("sums"), "sum"),
    dg.AssetCheckKey(dg.AssetKey("sums"), "n"),
)


def _definitions() -> dg.Definitions:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
        def sums(context: dg.AssetExecutionContext) -> Iterator[Any]:
            for n, key in enumerate(context.partition_keys):
                context.add_asset_metadata({"n": n}, partition_key=key)
            with one_group(context.instance, context.run.run_id):
                yield dg.AssetMaterialization("sums", partition="2026-03-20", metadata={"n": 99})
            yield dg.MaterializeResult()

        specs = [
            dg.AssetCheckSpec(key.name, asset="sums", partitions_def=DAYS) for key in (SUM, COUNT)
        ]

        @dg.multi_asset_check(specs=specs)
        def look(context: dg.AssetCheckExecutionContext) -> Iterator[Any]:
            for spec in specs:
                yield dg.Output(None, output_name=spec.get_python_identifier())
            with one_group(context.instance, context.run.run_id):
                for spec in specs:
                    for n, key in enumerate(context.partition_keys):
                        yield dg.AssetCheckEvaluation(
                            asset_key=dg.AssetKey("sums"),
                            check_name=spec.name,
                            passed=n % 3 > 0,
                            metadata={"n": n},
                            partition=key,
                        )

        return dg.Definitions([sums], asset_checks=[look], jobs=[dg.define_asset_job("all")])


def _instance(home: Path, grouped: bool) -> dg.DagsterInstance:
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}")
    own = {"module": "assets.event_log", "class": "EventLog", "config": {"home": str(home)}}
    overrides: Any = {"event_log_storage": own} if grouped else {}
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=overrides))


def _history(home: Path, grouped: bool) -> dict[str, Any]:
    """Run the job twice, and read the history back with Dagster's own class."""
    definitions = _definitions()
    with _instance(home, grouped) as instance:
        assert isinstance(instance.event_log_storage, EventLog) is grouped
        for run_id in RUNS:
            definitions.resolve_job_def("all").execute_in_process(
                instance=instance,
                run_id=run_id,
                tags=RANGE,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
    with _instance_of_dagsters_own(home) as instance:
        log = instance.event_log_storage
        assert type(log) is SqliteEventLogStorage or not isinstance(log, EventLog)
        asset = instance.get_asset_records([dg.AssetKey("sums")])[0].asset_entry
        assert asset.last_materialization is not None
        return {
            "events": [_told(e) for run_id in RUNS for e in instance.all_logs(run_id)],
            "materialized": sorted(instance.get_materialized_partitions(dg.AssetKey("sums"))),
            "last": (
                asset.last_run_id,
                _metadata(asset.last_materialization.asset_materialization),
            ),
            "checks": [
                (key.name, r.partition, r.run_id, r.status.value, _metadata(r.evaluation))
                for key in (SUM, COUNT)
                for r in log.get_asset_check_execution_history(key, limit=1000)
            ],
        }


def _instance_of_dagsters_own(home: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home)))


def _told(entry: EventLogEntry) -> tuple[str | None, str | None, str | None]:
    event = entry.dagster_event
    return (
        event.event_type_value if event else None,
        entry.step_key,
        event.partition if event and event.asset_key else None,
    )


def _metadata(of: Any) -> dict[str, object]:
    return {name: value.value for name, value in of.metadata.items()} if of else {}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two runs as Dagster's own class records them."""
    return _history(tmp_path_factory.mktemp("own") / "home", grouped=False)


@pytest.mark.parametrize("batch", ["0", "5", "1000"])
def test_leaves_the_history_that_dagsters_own_class_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: dict[str, Any], batch: str
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", batch)
    grouped = _history(tmp_path / "grouped", grouped=True)
    assert grouped["materialized"] == own["materialized"]
    assert len(grouped["materialized"]) == 13
    assert grouped["checks"] == own["checks"]
    assert len(grouped["checks"]) == 48
    assert grouped["last"] == own["last"]
    assert _sorted(grouped["events"]) == _sorted(own["events"])


def _sorted(events: Sequence[tuple[str | None, ...]]) -> list[tuple[str, ...]]:
    return sorted(tuple(str(part) for part in event) for event in events)


def test_a_group_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    with _instance(tmp_path / "home", grouped=True) as instance:
        with pytest.raises(ZeroDivisionError):
            _fail_in_a_group(instance)
        assert instance.get_materialized_partitions(dg.AssetKey("a")) == set()
        instance.report_runless_asset_event(dg.AssetMaterialization("a", partition="2"))
        assert instance.get_materialized_partitions(dg.AssetKey("a")) == {"2"}


def _fail_in_a_group(instance: dg.DagsterInstance) -> None:
    with one_group(instance, RUNLESS):
        instance.report_runless_asset_event(dg.AssetMaterialization("a", partition="1"))
        raise ZeroDivisionError


def test_keeps_few_databases_open(tmp_path: Path) -> None:
    with _instance(tmp_path / "home", grouped=True) as instance:
        log = instance.event_log_storage
        assert isinstance(log, EventLog)
        for number in range(40):
            assert list(log.get_logs_for_run(f"run-{number}")) == []
        assert len(log._engines) <= 8
