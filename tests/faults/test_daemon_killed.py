"""The real daemon between events and reconciled days, killed and started again.

Takes two minutes, so it runs with `make faults` only.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.dagster_processes import Servers, servers, until
from tests.webhook_company import charge, event, located, put, receive
from tieout.periods import Period
from tieout.statement import statements
from tieout.workplace import Workplace

pytestmark = [
    pytest.mark.timeout(600),
]

DAYS = [date(2026, 10, 5) + timedelta(days=n) for n in range(4)]
SENSOR = "invoice_and_payment_events"


def _runs(at: Servers) -> list[dict[str, Any]]:
    """The runs that the sensor asked for: status, and tags as a mapping."""
    query = """
      { runsOrError(limit: 500) { ... on Runs { results { runId status tags { key value } } } } }
    """
    found = at.ask(query)["runsOrError"]["results"]
    runs = [{**one, "tags": {t["key"]: t["value"] for t in one["tags"]}} for one in found]
    return [one for one in runs if one["tags"].get("dagster/sensor_name") == SENSOR]


def test_a_killed_daemon_works_every_day_and_no_change_twice(tmp_path: Path) -> None:
    company = located(tmp_path)
    for day in DAYS:
        rows = [charge(f"p{day}-{n}", "10.00", day) for n in range(3)]
        put(company.config, f"card/{day}.csv", rows)
    events = {
        (day, n): event(f"e{day}-{n}", day, ref=f"p{day}-{n}") for day in DAYS for n in range(3)
    }
    with (
        Workplace.open(company.config, company.home) as workplace,
        servers(company, more={"TIEOUT_SCHEDULES": "on"}) as at,
    ):
        assert at.daemon is not None
        receive(workplace.register, [e for (day, n), e in events.items() if day != DAYS[3] and n])
        until(lambda: _runs(at), 120, "the first run")
        at.daemon.kill()
        # While nobody looks: an event of a day that is worked, and of one that is not.
        receive(
            workplace.register, [e for (day, n), e in events.items() if day == DAYS[3] or not n]
        )
        at.daemon.start()

        def told() -> dict[str, int]:
            return {
                day: head.totals["rows"]["accepted"]
                for day, head in workplace.register.heads("lines/events").items()
            }

        until(lambda: told() == {str(day): 3 for day in DAYS}, 300, "every event to be taken in")
        until(
            lambda: all(r["status"] in ("SUCCESS", "FAILURE", "CANCELED") for r in _runs(at)),
            200,
            "the runs to end",
        )
        runs = _runs(at)
        # A run whose worker died is started again by Dagster, under the key it was asked for.
        asked = Counter(
            r["tags"]["dagster/run_key"] for r in runs if "dagster/parent_run_id" not in r["tags"]
        )
        assert max(asked.values()) == 1, asked
        worked = {
            r["tags"]["dagster/asset_partition_range_start"]
            for r in runs
            if r["status"] == "SUCCESS"
        }
        assert worked == {str(day) for day in DAYS}
        assert len(runs) < len(events)
        for day in DAYS:
            for one in statements(workplace, "payments_told", Period(day, day)):
                assert one.holds
                assert one.watermarks[0].events == 3
