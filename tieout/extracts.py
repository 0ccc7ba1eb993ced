"""Extracts: found at a feed's location, fingerprinted, kept as received, recorded in the register.

A location is a path or an fsspec URL; `{date}` (2026-10-05) and `{hour}` (2026-10-05T13) stand for
the window, `*` for anything within a name. Control totals may come beside a file, as
`<file>.manifest.json`: `{"rows": 12, "totals": {"USD": "123.45"}, "by_entity": {...}, "sha256":
"..."}`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from tieout.answers import take_answers
from tieout.errors import ExtractError
from tieout.events.export import exported
from tieout.formats.catalogue import format_of
from tieout.inspection import Inspection, inspect
from tieout.lines.latest import latest_day
from tieout.location import MANIFEST, Location, location_of, manifest_of
from tieout.periods import window_day, window_key
from tieout.register.records import TakenExtract
from tieout.store import fingerprint
from tieout.workplace import Workplace

__all__ = ["FoundExtract", "Inspection", "current", "inspect", "locate", "take_in"]

Progress = Callable[[int, int], None]
AT_ONCE = 8
"""Files brought to disk at the same time."""
_TOGETHER = 256
"""Extracts recorded in one transaction."""
_LARGEST_MANIFEST = 1 << 20
_MANIFESTS, _DAYS = "manifests/", "days/"


@dataclass(frozen=True)
class FoundExtract:
    """A file at a feed's location. `path` opens it, `name` is what it is called below the
    location.
    """

    feed: str
    window: str
    name: str
    path: str
    bytes: int
    manifest: dict[str, Any] | None


def locate(
    workplace: Workplace, feed: str, windows: Sequence[str] | None = None
) -> list[FoundExtract]:
    """Files that are there for windows of a feed, in order of window and name; None means any
    window.

    Windows before the calendar's start are left out. Raises ConfigurationError for a location that
    cannot be used, ExtractError for a file that leads out of it, that is a folder or a link to
    nothing, or whose window cannot be told.
    """
    found, problems = _survey(workplace, feed, windows)
    if problems:
        raise problems[0]
    return found


def _survey(
    workplace: Workplace, feed: str, windows: Sequence[str] | None
) -> tuple[list[FoundExtract], list[ExtractError]]:
    """What is there, and what is there but cannot be used."""
    settings = workplace.settings
    every = settings.feeds[feed].every
    location = location_of(settings, feed)
    wanted = None if windows is None else frozenset(windows)
    found: list[FoundExtract] = []
    problems: list[ExtractError] = []
    for path, moment in location.files(wanted, every):
        try:
            location.stay_inside(path)
            key = window_key(moment or _latest_day(workplace, feed, location, path), every)
            if (wanted is None or key in wanted) and window_day(key) >= settings.calendar.start:
                found.append(_found(feed, key, location, path))
        except ExtractError as problem:
            problems.append(problem)
    return sorted(found, key=lambda f: (f.window, f.name)), problems


def _latest_day(workplace: Workplace, feed: str, location: Location, path: str) -> date:
    """The day of the latest line of a file whose name says none; read once, then remembered."""
    location.assert_file(path)
    layout = format_of(workplace.settings, feed)
    with location.as_file(path, workplace.home) as local:
        key = f"{fingerprint(local)[0]}/{layout.fingerprint()[:16]}"
        known = workplace.register.notes(_DAYS + feed).get(key)
        if known is not None:
            return date.fromisoformat(known["day"])
        day = latest_day(workplace.settings, feed, local, location.name(path))
    workplace.register.note(_DAYS + feed, key, {"day": day.isoformat()})
    return day


def _found(feed: str, window: str, location: Location, path: str) -> FoundExtract:
    location.assert_file(path)
    beside = location.read_small(path + MANIFEST, _LARGEST_MANIFEST)
    return FoundExtract(
        feed,
        window,
        location.name(path),
        path,
        location.size(path),
        manifest_of(beside) if beside is not None else None,
    )


def take_in(
    workplace: Workplace,
    feed: str,
    windows: Sequence[str] | None,
    *,
    progress: Progress | None = None,
) -> list[TakenExtract]:
    """Take in what is there for windows of a feed; returns their current extracts, old and new.

    The same content again is one extract; other content under a known name is its next version. A
    feed that is a query is asked for every window (`answers`), an inbox gives what it holds of each
    that has begun (`events.export`). Raises ExtractError for what cannot be taken in, after all
    others have been.
    """
    if workplace.settings.feeds[feed].url is not None:
        take_answers(workplace, feed, windows, progress=progress)
        return current(workplace, feed, windows)
    if workplace.settings.feeds[feed].inbox is not None:
        _take_events(workplace, feed, windows, progress)
        return current(workplace, feed, windows)
    problems = _take_files(workplace, feed, windows, progress)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ExtractError(
            "\n".join(str(p) for p in problems), "correct these; all others were taken in"
        )
    return current(workplace, feed, windows)


def _take_events(
    workplace: Workplace, feed: str, windows: Sequence[str] | None, progress: Progress | None
) -> None:
    made = {}
    for extract in exported(workplace, feed, windows, progress=progress):
        workplace.register.record_extract(extract)
        made[extract.window] = extract
    for known in current(workplace, feed, list(made)):
        new = made[known.window]
        # The same lines, and yet the window may be over now, or an ignored event have come.
        if known.sha256 == new.sha256 and known.manifest != new.manifest:
            _restate(workplace, known, new.manifest)


def _take_files(
    workplace: Workplace, feed: str, windows: Sequence[str] | None, progress: Progress | None
) -> list[ExtractError]:
    there, problems = _survey(workplace, feed, windows)
    known = {(e.window, e.name): e for e in current(workplace, feed, windows)}
    location = location_of(workplace.settings, feed)

    def keep(found: FoundExtract) -> TakenExtract | ExtractError | None:
        try:
            return _keep(workplace, location, found, known.get((found.window, found.name)))
        except ExtractError as problem:
            return problem

    # Bringing a file to disk is waiting: many files wait together.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for start in range(0, len(there), _TOGETHER):
            kept = list(pool.map(keep, there[start : start + _TOGETHER]))
            problems += [k for k in kept if isinstance(k, ExtractError)]
            workplace.register.record_extracts([k for k in kept if isinstance(k, TakenExtract)])
            if progress is not None:
                progress(start + len(kept), len(there))
    return problems


def current(
    workplace: Workplace, feed: str, windows: Sequence[str] | None = None
) -> list[TakenExtract]:
    """The extracts that count for windows of a feed, with the newest manifest of each."""
    restated = workplace.register.notes(_MANIFESTS + feed)
    return [
        replace(e, manifest=restated[key]["manifest"])
        if (key := f"{e.window}/{e.name}/{e.sha256}") in restated
        else e
        for e in workplace.register.extracts(feed, windows)
    ]


def _restate(workplace: Workplace, known: TakenExtract, manifest: dict[str, Any] | None) -> None:
    """The same file with another manifest: the sender corrected the control totals."""
    key = f"{known.window}/{known.name}/{known.sha256}"
    workplace.register.note(_MANIFESTS + known.feed, key, {"manifest": manifest})


def _keep(
    workplace: Workplace, location: Location, found: FoundExtract, known: TakenExtract | None
) -> TakenExtract | None:
    """Keep a file as evidence; None when it is known and has not changed."""
    most = workplace.settings.limits.extract_mb << 20
    if found.bytes > most:
        raise ExtractError(
            f"it has {found.bytes} bytes, more than limits.extract_mb",
            "raise the limit if it is meant to be this large",
            found.name,
        )
    with location.as_file(found.path, workplace.home) as path:
        if known is not None and fingerprint(path)[0] == known.sha256:
            if known.manifest != found.manifest:
                _restate(workplace, known, found.manifest)
            return None
        kept = workplace.store.keep_evidence(path)
    return _taken((found.feed, found.window, found.name), kept, found.manifest)


def _taken(
    what: tuple[str, str, str], kept: tuple[str, int, str], manifest: dict[str, Any] | None
) -> TakenExtract:
    feed, window, name = what
    sha256, size, evidence = kept
    return TakenExtract(
        feed=feed,
        window=window,
        name=name,
        sha256=sha256,
        bytes=size,
        evidence=evidence,
        taken_at=datetime.now(UTC),
        manifest=manifest,
    )
