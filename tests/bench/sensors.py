"""How long after its commit an event's day is reconciled again, by the real daemon.

    python -m tests.bench.sensors --events 20 --seconds 12

Events of as many days are committed, one after the other at random distances; the sensor's interval
is the shipped one. What counts is the moment at which the day's statement was published.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipelines.sensors import EVERY_SECONDS
from tests.dagster_processes import servers, until
from tests.webhook_company import event, located, receive
from tieout.workplace import Workplace


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=12, help="between two events, on average")
    asked = parser.parse_args()
    company = located(Path(tempfile.mkdtemp(prefix="tieout-sensors-")))
    days = [date(2026, 10, 1) + timedelta(days=n) for n in range(asked.events)]
    drawn = random.Random(4)
    committed: dict[str, datetime] = {}
    with (
        Workplace.open(company.config, company.home) as workplace,
        servers(company, more={"TIEOUT_SCHEDULES": "on"}),
    ):
        for day in days:
            time.sleep(drawn.uniform(0, 2 * asked.seconds))
            receive(workplace.register, [event(f"e{day}", day, ref=f"p{day}")])
            committed[str(day)] = datetime.now(UTC)
        heads = until(
            lambda: (
                found
                if len(found := workplace.register.heads("statements/payments_told")) == len(days)
                else None
            ),
            300,
            "every day's statement",
        )
    waits = sorted(
        (head.published_at - committed[day]).total_seconds() for day, head in heads.items()
    )
    print(f"events {len(waits)}, sensor every {EVERY_SECONDS} s; seconds to the day's statement:")
    for share in (50, 95, 100):
        print(f"p{share}: {waits[max(0, -(-len(waits) * share // 100) - 1)]:.1f}")


if __name__ == "__main__":
    main()
