"""What Dagster is told of a configuration: assets, checks, jobs and when they run."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import build_definitions, defs, workplace_from_environment
from pipelines.schedules import closed_window
from tests.small_company import SmallCompany, small_company
from tieout.errors import ConfigurationError


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallCompany:
    """A company, named by the environment as Dagster's processes find it."""
    made = small_company(tmp_path / "company")
    monkeypatch.setenv("TIEOUT_CONFIG", str(made.config))
    monkeypatch.setenv("TIEOUT_HOME", str(made.home))
    return made


def definitions() -> dg.Definitions:
    """The definitions as Dagster would load them."""
    return build_definitions(workplace_from_environment())


def test_feeds_and_reconciliations_become_assets_in_the_order_of_the_data(
    company: SmallCompany,
) -> None:
    graph = definitions().resolve_asset_graph()
    groups = {node.key.to_user_string(): node.group_name for node in graph.asset_nodes}
    assert groups == {
        **{f"extracts/{feed}": "extracts" for feed in ("card", "kiosk", "erp")},
        **{f"lines/{feed}": "lines" for feed in ("card", "kiosk", "erp")},
        **{f"matches/{name}": "matches" for name in ("card_to_ledger", "kiosk_to_ledger")},
        **{f"statements/{name}": "statements" for name in ("card_to_ledger", "kiosk_to_ledger")},
        "report/completeness": "report",
    }
    parents = {
        node.key.to_user_string(): {key.to_user_string() for key in node.parent_keys}
        for node in graph.asset_nodes
    }
    assert parents["lines/card"] == {"extracts/card"}
    assert parents["matches/kiosk_to_ledger"] == {"lines/kiosk", "lines/erp"}
    assert parents["statements/card_to_ledger"] == {"matches/card_to_ledger"}
    assert parents["report/completeness"] == {
        "statements/card_to_ledger",
        "statements/kiosk_to_ledger",
    }


def test_a_chain_waits_for_the_matches_of_both_its_links(company: SmallCompany) -> None:
    text = company.config.read_text(encoding="utf-8")
    back = (
        "  back: {source: {feeds: [erp]}, target: {feeds: [kiosk]}, passes: [{name: p, "
        "shape: one_to_one, key: {source: [line_ref], target: [payment_ref]}}]}\n"
    )
    text += f"{back}  through: {{chain: [card_to_ledger, back]}}\n"
    company.config.write_text(text, encoding="utf-8")
    node = definitions().resolve_asset_graph().get(dg.AssetKey(["matches", "through"]))
    assert {key.to_user_string() for key in node.parent_keys} == {
        "matches/card_to_ledger",
        "matches/back",
    }


def test_every_asset_says_what_it_is(company: SmallCompany) -> None:
    text = company.config.read_text(encoding="utf-8")
    company.config.write_text(text.replace("\ncalendar", "\nteam: treasury\ncalendar"), "utf-8")
    for node in definitions().resolve_asset_graph().asset_nodes:
        key = node.key.to_user_string()
        assert node.description, key
        assert node.owners == ["team:treasury"], key
        assert node.kinds, key
        assert node.metadata["dagster/column_schema"].columns, key
        assert node.partitions_def is not None
        assert node.backfill_policy == dg.BackfillPolicy.single_run(), key


def test_hourly_feeds_have_hours_and_all_else_has_days_in_utc(company: SmallCompany) -> None:
    graph = definitions().resolve_asset_graph()
    for node in graph.asset_nodes:
        partitions = node.partitions_def
        assert isinstance(partitions, dg.TimeWindowPartitionsDefinition)
        assert partitions.timezone == "UTC"
        hourly = node.key.path[-1] == "kiosk"
        assert isinstance(partitions, dg.HourlyPartitionsDefinition) is hourly
        now = datetime.now(UTC)
        first = partitions.get_first_partition_key()
        last = partitions.get_last_partition_key()
        assert first == ("2026-10-01-00:00" if hourly else "2026-10-01")
        assert last == now.strftime("%Y-%m-%d-%H:00" if hourly else "%Y-%m-%d")


def test_every_check_has_its_assets_partitions(company: SmallCompany) -> None:
    graph = definitions().resolve_asset_graph()
    found = Counter(f"{key.asset_key.path[0]}: {key.name}" for key in graph.asset_check_keys)
    assert found == {
        "extracts: taken_in": 3,
        "lines: schema": 3,
        "lines: arrival": 3,
        "lines: control_totals": 3,
        "lines: conservation": 3,
        "matches: consumption": 2,
        "matches: one_match": 2,
        "statements: conservation": 2,
        "statements: rolls_forward": 2,
        "statements: completeness": 2,
        "statements: waterfall_explains_to_zero": 2,
    }
    for key in graph.asset_check_keys:
        node = graph.get(key)
        assert node.partitions_def == graph.get(key.asset_key).partitions_def
        assert node.description


def test_jobs_state_how_long_they_may_take(company: SmallCompany) -> None:
    resolved = definitions()
    for name in ("hourly_refresh", "daily_reconcile", "backfill"):
        job = resolved.resolve_job_def(name)
        assert int(job.tags["dagster/max_runtime"]) >= 3600, name
        assert job.executor_def is dg.in_process_executor, name
        assert job.partitions_def is not None
    hourly = resolved.resolve_job_def("hourly_refresh").asset_layer.executable_asset_keys
    assert {key.path[-1] for key in hourly} == {"kiosk"}


def test_without_hourly_feeds_there_is_no_hourly_job(company: SmallCompany) -> None:
    text = company.config.read_text(encoding="utf-8")
    company.config.write_text(
        text.replace(", every: hour", "").replace("{hour}", "{date}"), "utf-8"
    )
    resolved = definitions()
    assert not any(job.name == "hourly_refresh" for job in resolved.resolve_all_job_defs())
    assert [s.name for s in resolved.schedules or ()] == [
        "daily_reconcile_schedule",
        "month_end_schedule",
    ]


@pytest.mark.parametrize(
    ("switch", "status"), [("on", "RUNNING"), ("off", "STOPPED"), (None, "STOPPED")]
)
def test_one_switch_starts_the_schedules(
    company: SmallCompany, monkeypatch: pytest.MonkeyPatch, switch: str | None, status: str
) -> None:
    monkeypatch.delenv("TIEOUT_SCHEDULES", raising=False)
    if switch:
        monkeypatch.setenv("TIEOUT_SCHEDULES", switch)
    names = ("hourly_refresh", "daily_reconcile", "month_end")
    schedules = [_schedule(name) for name in names]
    assert [s.default_status.value for s in schedules] == [status] * 3
    assert {s.execution_timezone for s in schedules} == {"UTC"}


@pytest.mark.parametrize(
    ("moment", "hour", "day"),
    [
        ("2026-10-05 02:30", "2026-10-05-01:00", "2026-10-04"),
        ("2026-10-05 00:00", "2026-10-04-23:00", "2026-10-04"),
        ("2026-11-01 00:10", "2026-10-31-23:00", "2026-10-31"),
    ],
)
def test_a_tick_means_the_window_that_has_closed(moment: str, hour: str, day: str) -> None:
    at = datetime.strptime(moment, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    assert closed_window(at, "hour") == hour
    assert closed_window(at, "day") == day


def test_before_the_calendar_a_tick_does_nothing(company: SmallCompany) -> None:
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 10, 1, 0, 10, tzinfo=UTC)
    )
    found = _schedule("hourly_refresh").evaluate_tick(context)
    assert found.run_requests == []
    assert "nothing waits" in (found.skip_message or "")


def _schedule(job: str) -> dg.ScheduleDefinition:
    return definitions().resolve_schedule_def(f"{job}_schedule")


def test_the_entry_point_reads_the_configuration_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIEOUT_CONFIG", str(tmp_path / "none.yaml"))
    script = "import pipelines.definitions, sys; print('dagster' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        defs()
