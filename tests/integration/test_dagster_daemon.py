"""The real daemon and web server: a backfill asked for over the API, and schedules that run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.dagster_processes import LOCATION, Servers, servers, until
from tests.small_company import SmallCompany, days_from, payments_of, small_company
from tieout.periods import Period
from tieout.statement import statements
from tieout.workplace import Workplace

pytestmark = pytest.mark.timeout(420)

DAYS = days_from(date(2026, 10, 1), 3)
HOURS = [f"{DAYS[0]}-{hour:02d}:00" for hour in range(24)]
REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": LOCATION}
DAILY = (
    *("extracts/card", "extracts/erp", "lines/card", "lines/erp"),
    *("matches/card_to_ledger", "statements/card_to_ledger"),
)


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[SmallCompany, Servers]]:
    """A company with three days of extracts, nothing run yet, and its servers."""
    company = small_company(tmp_path_factory.mktemp("daemon") / "company")
    for day in DAYS:
        payments = payments_of(day, 4)
        company.settle(str(day), payments)
        company.post_payments(day, payments)
        for hour in range(24):
            company.settle(f"{day}T{hour:02d}", payments_of(day, 1, hour), "kiosk")
    company.close_books(DAYS)
    with servers(company, more={"TIEOUT_SCHEDULES": "on"}) as at:
        yield company, at


def _keys(assets: tuple[str, ...]) -> list[dict[str, list[str]]]:
    return [{"path": asset.split("/")} for asset in assets]


def _launch(at: Servers, assets: tuple[str, ...], partitions: list[str]) -> str:
    """Launch a backfill of assets over the API; its id."""
    told = at.ask(
        """
        mutation ($params: LaunchBackfillParams!) {
          launchPartitionBackfill(backfillParams: $params) {
            __typename
            ... on LaunchBackfillSuccess { backfillId }
            ... on PythonError { message }
          }
        }
        """,
        {"params": {"assetSelection": _keys(assets), "partitionNames": partitions}},
    )["launchPartitionBackfill"]
    assert told["__typename"] == "LaunchBackfillSuccess", told
    backfill: str = told["backfillId"]
    return backfill


def _done(at: Servers, backfill: str) -> dict[str, Any]:
    """What the API says of a backfill once the daemon has done it."""

    def ended() -> dict[str, Any] | None:
        query = """
          query ($id: String!) {
            partitionBackfillOrError(backfillId: $id) {
              ... on PartitionBackfill {
                status
                runs(limit: 100) { id jobName status tags { key value } }
                error { message }
              }
            }
          }
        """
        found: dict[str, Any] = at.ask(query, {"id": backfill})["partitionBackfillOrError"]
        return None if found["status"] == "REQUESTED" else found

    return until(ended, 240, "the daemon to finish the backfill")


def _materialized(at: Servers, asset: str) -> set[str]:
    query = """
      query ($key: AssetKeyInput!) {
        assetNodeOrError(assetKey: $key) {
          ... on AssetNode {
            partitionStats { numMaterialized numFailed }
            assetPartitionStatuses {
              ... on TimePartitionStatuses { ranges { startKey endKey status } }
            }
          }
        }
      }
    """
    node = at.ask(query, {"key": {"path": asset.split("/")}})["assetNodeOrError"]
    assert node["partitionStats"]["numFailed"] == 0
    return {
        f"{one['startKey']}..{one['endKey']}"
        for one in node["assetPartitionStatuses"]["ranges"]
        if one["status"] == "MATERIALIZED"
    }


@pytest.fixture(scope="module")
def launched(running: tuple[SmallCompany, Servers]) -> tuple[str, str]:
    """A backfill of all three days and one of a day's hours, at once: most of either is waiting."""
    _, at = running
    days = _launch(at, DAILY, [str(day) for day in DAYS])
    return days, _launch(at, ("extracts/kiosk", "lines/kiosk"), HOURS)


@pytest.fixture(scope="module")
def backfilled(running: tuple[SmallCompany, Servers], launched: tuple[str, str]) -> dict[str, Any]:
    """What the API says of the backfill of the days, once the daemon has done it."""
    return _done(running[1], launched[0])


def test_a_backfill_of_days_is_one_run_that_materializes_them_all(
    running: tuple[SmallCompany, Servers], backfilled: dict[str, Any]
) -> None:
    company, at = running
    done = backfilled
    assert done["status"] == "COMPLETED_SUCCESS", done
    assert [run["status"] for run in done["runs"]] == ["SUCCESS"]
    for asset in DAILY:
        assert _materialized(at, asset) == {f"{DAYS[0]}..{DAYS[-1]}"}, asset
    with Workplace.open(company.config, company.home) as workplace:
        for day in DAYS:
            for one in statements(workplace, "card_to_ledger", Period(day, day)):
                assert one.rows["matched"].count == 8
                assert one.holds


def test_a_backfill_of_hours_is_one_run_too(
    running: tuple[SmallCompany, Servers], launched: tuple[str, str]
) -> None:
    _, at = running
    done = _done(at, launched[1])
    assert done["status"] == "COMPLETED_SUCCESS", done
    assert [run["status"] for run in done["runs"]] == ["SUCCESS"]
    # Beside it the schedule works hours of today, if one ends while the test runs.
    assert f"{HOURS[0]}..{HOURS[-1]}" in _materialized(at, "lines/kiosk")


def test_checks_of_a_backfill_are_recorded_by_partition(
    running: tuple[SmallCompany, Servers], backfilled: dict[str, Any]
) -> None:
    _, at = running
    assert backfilled["status"] == "COMPLETED_SUCCESS"
    query = """
      query ($key: AssetKeyInput!) {
        assetCheckExecutions(assetKey: $key, checkName: "completeness", limit: 100) {
          status
          runId
          evaluation { success partition }
        }
      }
    """
    found = at.ask(query, {"key": {"path": ["statements", "card_to_ledger"]}})
    # Beside it the daily schedule records days of its own, if its hour strikes while the test runs.
    runs = {run["id"] for run in backfilled["runs"]}
    passed = {
        one["evaluation"]["partition"]
        for one in found["assetCheckExecutions"]
        if one["status"] == "SUCCEEDED" and one["runId"] in runs
    }
    assert passed == {str(day) for day in DAYS}


def test_the_switch_starts_the_schedules_and_a_tick_can_be_run(
    running: tuple[SmallCompany, Servers],
) -> None:
    _, at = running
    schedules = at.ask(
        """
        query ($repository: RepositorySelector!) {
          schedulesOrError(repositorySelector: $repository) {
            ... on Schedules { results { name scheduleState { status } } }
          }
        }
        """,
        {"repository": REPOSITORY},
    )["schedulesOrError"]["results"]
    assert {s["name"]: s["scheduleState"]["status"] for s in schedules} == {
        "daily_reconcile_schedule": "RUNNING",
        "hourly_refresh_schedule": "RUNNING",
        "month_end_schedule": "RUNNING",
    }

    tick = datetime(2026, 10, 4, 2, 30, tzinfo=UTC).timestamp()
    dry = at.ask(
        """
        mutation ($selector: ScheduleSelector!, $timestamp: Float) {
          scheduleDryRun(selectorData: $selector, timestamp: $timestamp) {
            ... on DryRunInstigationTick {
              evaluationResult {
                error { message }
                runRequests { jobName runKey tags { key value } }
              }
            }
          }
        }
        """,
        {
            "selector": {**REPOSITORY, "scheduleName": "daily_reconcile_schedule"},
            "timestamp": tick,
        },
    )["scheduleDryRun"]["evaluationResult"]
    assert dry["error"] is None
    (request,) = dry["runRequests"]
    tags = {tag["key"]: tag["value"] for tag in request["tags"]}
    assert tags["dagster/asset_partition_range_end"] == "2026-10-03"

    launched = at.ask(
        """
        mutation ($params: ExecutionParams!) {
          launchRun(executionParams: $params) {
            __typename
            ... on LaunchRunSuccess { run { id } }
            ... on PythonError { message }
          }
        }
        """,
        {
            "params": {
                "selector": {**REPOSITORY, "jobName": "daily_reconcile"},
                "executionMetadata": {"tags": request["tags"]},
            }
        },
    )["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched

    def ended() -> str | None:
        query = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        status: str = at.ask(query, {"id": launched["run"]["id"]})["runOrError"]["status"]
        return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

    assert until(ended, 180, "the run that the tick asks for") == "SUCCESS"
    assert _materialized(at, "report/completeness")


def test_the_processes_listen_on_loopback_only(running: tuple[SmallCompany, Servers]) -> None:
    _, at = running
    port = f"{int(at.url.rsplit(':', 1)[1]):04X}"
    listening = [
        address
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]
        for address, state in [line.split()[1:4:2]]
        if state == "0A" and address.endswith(f":{port}")
    ]
    if not Path("/proc/net/tcp").exists():
        pytest.skip("sockets are listed in /proc on Linux only")
    assert listening == [f"0100007F:{port}"]
