"""Files that are new or have changed at a feed's location, told by name, size and time alone.

Nothing is read but the folder, so looking often is cheap. What counts is a digest of each window's
files; it is remembered once the window has been worked, not when it was seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from tieout.errors import ExtractError
from tieout.location import MANIFEST, Location, location_of
from tieout.periods import window_day, window_key
from tieout.workplace import Workplace

_NOTE = "arrived"
ANY = "any"
"""The window of files whose names tell none: which one it is, only their lines say."""


def digests(workplace: Workplace, feed: str) -> dict[str, str]:
    """Window -> digest of the names, sizes and times of its files and their manifests.

    Raises ConfigurationError for a location that cannot be used.
    """
    settings = workplace.settings
    every = settings.feeds[feed].every
    location = location_of(settings, feed)
    found: dict[str, list[str]] = {}
    for path, moment in location.files(None, every):
        window = ANY if moment is None else window_key(moment, every)
        if window == ANY or window_day(window) >= settings.calendar.start:
            found.setdefault(window, []).append(_state(location, path))
    return {
        window: hashlib.sha256("\n".join(sorted(states)).encode()).hexdigest()[:16]
        for window, states in sorted(found.items())
    }


def changed(workplace: Workplace, feed: str) -> dict[str, str]:
    """Windows whose files are not those remembered, with their digests now.

    Whoever looks for the first time remembers all there is and finds nothing: what lay there
    before is for a backfill.
    """
    now = digests(workplace, feed)
    known = workplace.register.notes(_NOTE).get(feed)
    if known is None:
        workplace.register.note(_NOTE, feed, now)
        return {}
    return {window: digest for window, digest in now.items() if known.get(window) != digest}


def remember(workplace: Workplace, feed: str, worked: Mapping[str, str]) -> None:
    """Remember windows as worked with the files that had these digests."""
    known = workplace.register.notes(_NOTE).get(feed, {})
    workplace.register.note(_NOTE, feed, {**known, **worked})


def _state(location: Location, path: str) -> str:
    return "|".join([location.name(path), _one(location, path), _one(location, path + MANIFEST)])


def _one(location: Location, path: str) -> str:
    """Size and time of a file, or whatever else the store tells a version by; empty for none."""
    try:
        if location.local:
            about = Path(path).stat()
            return f"{about.st_size} {about.st_mtime_ns}"
        told = location.fs.info(path)
    except (OSError, ExtractError):
        return ""
    when = [told.get(key) for key in ("ETag", "etag", "LastModified", "updated", "mtime")]
    shown = [t.isoformat() if isinstance(t, datetime) else str(t) for t in when if t is not None]
    return " ".join([str(told.get("size")), *shown])
