"""The hours and days that extracts, statements and runs are of: Dagster's partitions, all in UTC.

The last partition is the hour or day under way: an extract may come before its window has ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import dagster as dg

from tieout.periods import DAY_FORMAT, HOUR_FORMAT, Every
from tieout.settings import Settings

Partitions = dg.DailyPartitionsDefinition | dg.HourlyPartitionsDefinition

ONE_RUN = dg.BackfillPolicy.single_run()
"""A range of partitions is worked in one run: matching a month at once is one pass, not 31."""


def partitions(settings: Settings, every: Every = "day") -> Partitions:
    """All windows of one length from the calendar's start to the one under way."""
    start = settings.calendar.start.strftime(DAY_FORMAT)
    if every == "day":
        return dg.DailyPartitionsDefinition(start, timezone="UTC", end_offset=1, fmt=DAY_FORMAT)
    first = f"{start}-00:00"
    return dg.HourlyPartitionsDefinition(first, timezone="UTC", end_offset=1, fmt=HOUR_FORMAT)


def known_days(days: Partitions, given: Iterable[date], besides: Iterable[str]) -> list[str]:
    """Keys of the days given that are partitions, without those of the run itself, in order."""
    keys = {day.strftime(DAY_FORMAT) for day in given} - set(besides)
    return sorted(key for key in keys if days.has_partition_key(key))
