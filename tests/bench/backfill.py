"""A backfill of many days in one range, against the same rows in one partition, and a run a day.

    python -m tests.bench.backfill --days 365 --daily 3

The sample company's extracts are worked through Dagster three times: in one range of days and
hours, in one run a day, and as one partition a feed, in which the very same files lie together.
What the first two state must be equal to the byte. The ratio of the range to the one partition is
what days and hours cost: 3 at most. With `--daily` the last days alone have a run each, after a
range of those before: what one more day costs, with that history.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from pipelines.run import RunOutcome, run_range
from tests.sample_year import configure, make, said
from tieout.periods import Period

BAR = 3.0
LAST = date(2026, 10, 31)


def main() -> int:
    """Measure and print; 1 where the bar is missed or statements differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--invoices-per-day", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--daily", type=int, help="last days with a run each: all, or 0 for none")
    asked = parser.parse_args()
    period = Period(LAST - timedelta(days=asked.days - 1), LAST)
    with tempfile.TemporaryDirectory(prefix="tieout-backfill-") as name:
        folder = Path(name)
        rows = make(folder, asked.seed, period, asked.invoices_per_day)
        print(f"{period}: {asked.days} days, {rows:,} rows, seed {asked.seed}", flush=True)
        in_days = configure(folder, "days", period.first)
        one = configure(folder, "one", period.first, together=True)
        together = timed("one partition", lambda: work(one, folder / "one", period.first))
        home = folder / "range"
        a_range = timed("one range", lambda: work(in_days, home, period.first, period.last))
        ratio = a_range / together
        print(f"one range / one partition: {ratio:.2f} (bar {BAR:.0f})", flush=True)
        same = True
        days = asked.days if asked.daily is None else min(asked.daily, asked.days)
        if days:
            daily = folder / "daily"
            last = Period(LAST - timedelta(days=days - 1), LAST)
            if last != period:
                before = last.first - timedelta(days=1)
                timed("the days before", lambda: work(in_days, daily, period.first, before))
            a_day = timed(f"a run a day, {days} days", lambda: day_by_day(in_days, daily, last))
            same = said(in_days, home, period) == said(in_days, daily, period)
            print(f"one day: {a_day / days:.1f} s")
            print(f"statements of both: {'equal' if same else 'DIFFERENT'}")
    return 0 if ratio <= BAR and same else 1


def timed(what: str, do: Callable[[], None]) -> float:
    """Do it, and print how long it took."""
    began = time.monotonic()
    do()
    seconds = time.monotonic() - began
    print(f"{what}: {seconds:.1f} s", flush=True)
    return seconds


def work(config: Path, home: Path, first: date, last: date | None = None) -> None:
    """One run over a range, which must succeed; says how far it is, on stderr."""
    outcome: RunOutcome = run_range(config, home, first, last or first, progress=tell)
    assert outcome.success, outcome.failed
    print(file=sys.stderr)


def day_by_day(config: Path, home: Path, period: Period) -> None:
    """A run for each day, in order."""
    for number, day in enumerate(period.days(), 1):
        outcome = run_range(config, home, day, day)
        assert outcome.success, outcome.failed
        print(f"\r{number} of {len(period.days())} days", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def tell(what: str, done: int, steps: int) -> None:
    """Progress on one line."""
    print(f"\r{done:>4} of {steps} steps: {what:<40}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
