"""Extracts: everything that was there for a window was taken in."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from assets.extracts import REFUSED
from assets.partitions import partitions
from checks.findings import Check, Finding, Findings, checks_of
from tieout.periods import window_start
from tieout.settings import Settings
from tieout.workplace import Workplace


def extract_checks(feed: str, settings: Settings) -> dg.AssetChecksDefinition:
    """The checks of `extracts/<feed>`."""

    def taken_in(workplace: Workplace, windows: Sequence[str]) -> Findings:
        return _taken_in(workplace, feed, windows)

    return checks_of(
        ["extracts", feed],
        partitions(settings, settings.feeds[feed].every),
        [
            Check(
                "taken_in",
                "Every file or answer there was for the window has been taken in.",
                taken_in,
            )
        ],
    )


def _taken_in(workplace: Workplace, feed: str, windows: Sequence[str]) -> Findings:
    note = workplace.register.notes(REFUSED).get(feed, {"told": "", "windows": []})
    told: str = note["told"]
    tried = [window for window in windows if window in note["windows"] and told]
    # Where the message names no window, none of them is certain.
    concerned = [window for window in tried if _names(window, told)] or tried
    known = {extract.window for extract in workplace.register.extracts(feed, windows)}
    return {
        window: Finding(False, told, unreadable=told)
        if window in concerned
        else Finding(True, "taken in" if window in known else "nothing was there to take in")
        for window in windows
    }


def _names(window: str, told: str) -> bool:
    """Whether a message speaks of a window: by its key, or as file names write it."""
    hour = ":" in window
    written = window_start(window).strftime("%Y-%m-%dT%H") if hour else window
    return window in told or written in told
