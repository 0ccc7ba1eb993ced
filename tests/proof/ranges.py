"""Ninety days worked in one range, in a run a day, and in part hour by hour: the same bytes.

    python -m tests.proof.ranges --days 90 --hourly-days 2

The sample company's extracts go through Dagster's jobs as the schedules run them. The last days are
worked hour by hour: the hour's usage, and after it the day as it stands. Prints what was compared,
and ends with 1 where anything differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

import dagster as dg

from assets.resources import WorkplaceResource
from pipelines.definitions import build_definitions
from pipelines.jobs import DAILY, HOURLY
from pipelines.schedules import range_tags
from tests.bench.backfill import day_by_day, timed, work
from tests.sample_year import configure, make, said
from tieout.periods import Period

LAST = date(2026, 10, 31)
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main() -> int:
    """Work, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--hourly-days", type=int, default=2)
    parser.add_argument("--invoices-per-day", type=int, default=100)
    parser.add_argument("--seed", type=int, default=11)
    asked = parser.parse_args()
    period = Period(LAST - timedelta(days=asked.days - 1), LAST)
    part = Period(LAST - timedelta(days=asked.hourly_days - 1), LAST)
    with tempfile.TemporaryDirectory(prefix="tieout-ranges-") as name:
        folder = Path(name)
        rows = make(folder, asked.seed, period, asked.invoices_per_day)
        print(f"{period}: {asked.days} days, {rows:,} rows, seed {asked.seed}", flush=True)
        config = configure(folder, "days", period.first)
        homes = {how: folder / how for how in ("range", "daily", "hourly")}
        timed("one range", lambda: work(config, homes["range"], period.first, period.last))
        timed("a run a day", lambda: day_by_day(config, homes["daily"], period))
        before = part.first - timedelta(days=1)
        timed("days before", lambda: work(config, homes["hourly"], period.first, before))
        timed("hour by hour", lambda: hour_by_hour(config, homes["hourly"], part))
        told = {how: said(config, home, period) for how, home in homes.items()}
    wrong = 0
    for how in ("daily", "hourly"):
        differing = sorted(
            place
            for place in told["range"].keys() | told[how].keys()
            if told["range"].get(place) != told[how].get(place)
        )
        wrong += len(differing)
        print(
            f"range and {how}: {len(told['range']):,} files and statements, {len(differing)} differ"
        )
        print("".join(f"  {place}\n" for place in differing[:20]), end="")
    return 1 if wrong else 0


def hour_by_hour(config: Path, home: Path, part: Period) -> None:
    """Every hour of the days by itself, and after each the day as it stands."""
    resource = WorkplaceResource(config=str(config.absolute()), home=str(home.absolute()))
    definitions = build_definitions(resource)
    with dg.DagsterInstance.ephemeral() as instance:
        for day in part.days():
            for hour in range(24):
                window = f"{day}-{hour:02d}:00"
                for job, key in ((HOURLY, window), (DAILY, str(day))):
                    result = definitions.resolve_job_def(job).execute_in_process(
                        instance=instance, tags=range_tags(key, key), run_config=_QUIET
                    )
                    assert result.success, (job, key)
                print(f"\r{window}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
