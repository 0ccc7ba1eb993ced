"""Puts the sample's events into the inbox, through the same code that stores what is received."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tieout.events.apply import apply_waiting
from tieout.events.deadletters import import_events, waiting
from tieout.sample.events import EVENT_FEEDS
from tieout.workplace import Workplace


def deliver(workplace: Workplace, folder: Path) -> Counter[str]:
    """Import every file of events below a sample's folder and apply them; how many were new,
    duplicate and conflict, and how many are in the dead letters (dead).

    Doing it again stores nothing twice. Raises RequestError for a file that has no events.
    """
    counts: Counter[str] = Counter()
    for feed in EVENT_FEEDS:
        files = sorted((folder / feed).glob(f"{feed}_*.ndjson"))
        bodies = (line for file in files for line in file.read_bytes().splitlines())
        counts.update(
            import_events(
                workplace.register,
                workplace.settings,
                feed,
                bodies,
                "tieout demo",
                "events of the sample company",
            )
        )
    while apply_waiting(workplace.register, workplace.settings):
        pass
    counts["dead"] = len(waiting(workplace.register, most=1_000_000))
    return counts
