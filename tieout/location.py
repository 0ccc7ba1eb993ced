"""Where a feed's files lie: a local folder or an fsspec URL, and a pattern that names the windows.

Nothing outside the location is ever read: a link or a path that leads out of it is refused.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fsspec
from fsspec.core import url_to_fs

from tieout.errors import ConfigurationError, ExtractError
from tieout.periods import Every, window_start
from tieout.settings import Settings

MANIFEST = ".manifest.json"
_HOLES = {"{date}": r"(\d{4}-\d{2}-\d{2})", "{hour}": r"(\d{4}-\d{2}-\d{2}T\d{2})", "*": "[^/]*"}
_HOLE = re.compile(r"\{date\}|\{hour\}|\*")
_UNFINISHED = (".part", ".tmp", ".partial", ".crdownload", ".filepart")
_FEW = 64


class Location:
    """A folder and a pattern below it. `root` is the longest part of the path without a hole."""

    def __init__(self, fs: fsspec.AbstractFileSystem, path: str, feed: str) -> None:
        self.fs, self.feed = fs, feed
        steps = path.split("/")
        fixed = next((n for n, s in enumerate(steps) if _HOLE.search(s)), len(steps) - 1)
        self.root, self.pattern = "/".join(steps[:fixed]), "/".join(steps[fixed:])
        if ".." in self.pattern.split("/") or "**" in self.pattern:
            raise ConfigurationError(
                f"feeds.{feed}.location: .. and ** may not stand in {self.pattern!r}",
                "name the folder, then use {date}, {hour} and * for names",
            )
        self.local = "file" in fs.protocol
        expression = "".join(
            _HOLES.get(part, re.escape(part))
            for part in re.split(f"({_HOLE.pattern})", self.pattern)
        )
        self._names_anything = not self.pattern.rsplit("/", 1)[-1].strip("*")
        self._match = re.compile(expression + r"\Z")

    def files(
        self, windows: frozenset[str] | None, every: Every
    ) -> Iterator[tuple[str, datetime | None]]:
        """Paths of the files, with the moment their name says. Raises ConfigurationError."""
        _assert_names_hours(self.feed, self.pattern, every)
        for path in sorted({p for g in self._globs(windows) for p in self._list(g)}):
            relative = path[len(self.root) :].lstrip("/")
            found = self._match.match(relative)
            name = relative.rsplit("/", 1)[-1]
            if found is None or name.startswith(".") or name.endswith((MANIFEST, *_UNFINISHED)):
                continue
            moments = set(found.groups())
            moment = _moment(moments)
            if moments and moment is None:
                continue
            yield path, moment

    def _globs(self, windows: frozenset[str] | None) -> list[str]:
        """What to list: the windows' own names when they are few, everything otherwise."""
        if windows is None or len(windows) > _FEW:
            return [_glob(self.pattern)]
        starts = [window_start(w) for w in windows]
        return sorted(
            {
                _glob(
                    self.pattern.replace("{date}", f"{s:%Y-%m-%d}").replace(
                        "{hour}", f"{s:%Y-%m-%dT%H}" if len(w) > 10 else f"{s:%Y-%m-%d}T*"
                    )
                )
                for s, w in zip(starts, windows, strict=True)
            }
        )

    def _list(self, pattern: str) -> list[str]:
        whole = f"{self.root}/{pattern}"
        if not self.local:
            return [str(p) for p in self.fs.glob(whole)]
        # Unlike Path.glob it also lists a link that leads nowhere under a name without a hole.
        there = glob.glob(pattern, root_dir=self.root, include_hidden=True)  # noqa: PTH207
        paths = [f"{self.root}/{name}" for name in there]
        # A folder fits a name that is a mere *, as an archive beside the files does.
        return [p for p in paths if not (self._names_anything and Path(p).is_dir())]

    def assert_file(self, path: str) -> None:
        """Refuse what has the name of a file and is none. Raises ExtractError."""
        if not self.local or Path(path).is_file():
            return
        if Path(path).is_dir():
            problem, remedy = "it is a folder, not a file", "move it, or put the file in its place"
        elif Path(path).is_symlink():
            problem = f"it is a link that leads nowhere (to {Path(path).readlink()})"
            remedy = "put the file itself there, or remove the link"
        else:
            problem, remedy = "it is no file that can be read", "put the file itself there"
        raise ExtractError(problem, remedy, path)

    def stay_inside(self, path: str) -> None:
        """Refuse a file that lies elsewhere. Raises ExtractError."""
        if self.local and not Path(path).resolve().is_relative_to(Path(self.root).resolve()):
            raise ExtractError(
                "it is a link out of the feed's location", "put the file itself there", path
            )

    def name(self, path: str) -> str:
        """The file's name below the location."""
        return path[len(self.root) :].lstrip("/")

    def size(self, path: str) -> int:
        """Bytes of a file."""
        if self.local:
            return Path(path).stat().st_size
        return int(self.fs.size(path) or 0)

    def read_small(self, path: str, most: int) -> bytes | None:
        """The content of a small file beside the data, or None when there is none."""
        if self.local:
            place = Path(path)
            if not place.is_file():
                return None
            self.stay_inside(path)
            if place.stat().st_size > most:
                return b"(too large)"
            return place.read_bytes()
        return self.fs.cat_file(path, 0, most) if self.fs.isfile(path) else None

    @contextmanager
    def as_file(self, path: str, home: Path) -> Iterator[Path]:
        """The file on this machine: itself, or a copy that is gone afterwards."""
        if self.local:
            yield Path(path)
            return
        with TemporaryDirectory(dir=home) as folder:
            copy = Path(folder) / path.rsplit("/", 1)[-1]
            try:
                self.fs.get_file(path, str(copy))
            except OSError as problem:
                raise ExtractError(
                    f"it cannot be fetched: {problem}", "check the location and its access", path
                ) from None
            yield copy


def location_of(settings: Settings, feed: str) -> Location:
    """The location of a feed of files. Raises ConfigurationError."""
    location = settings.feeds[feed].location
    if location is None:
        raise ConfigurationError(f"feeds.{feed} has no location", "it is read by SQL")
    if "://" in location and not location.startswith("file://"):
        try:
            fs, path = url_to_fs(location)
        except (ImportError, ValueError, OSError) as problem:
            raise ConfigurationError(
                f"feeds.{feed}.location cannot be opened: {problem}", "check the URL"
            ) from None
        return Location(fs, path, feed)
    path = str(settings.base / location.removeprefix("file://"))
    return Location(fsspec.filesystem("file"), path, feed)


def check_location(settings: Settings, feed: str) -> None:
    """Refuse a location that can never be read, without opening a remote one.

    Raises ConfigurationError.
    """
    location = settings.feeds[feed].location or ""
    _assert_names_hours(feed, location, settings.feeds[feed].every)
    _assert_known_holes(feed, location)
    protocol = location.partition("://")[0] if "://" in location else "file"
    if protocol == "file":
        location_of(settings, feed)
        return
    for part in location.split("::"):
        name = part.partition("://")[0]
        try:
            fsspec.get_filesystem_class(name)
        except (ImportError, ValueError) as problem:
            raise ConfigurationError(
                f"feeds.{feed}.location cannot be opened: {problem}", "check the URL"
            ) from None


def _assert_names_hours(feed: str, pattern: str, every: Every) -> None:
    if every == "hour" and "{hour}" not in pattern:
        raise ConfigurationError(
            f"feeds.{feed} comes every hour and its location has no {{hour}}",
            "put {hour} in its path, or say every: day",
        )


def _assert_known_holes(feed: str, pattern: str) -> None:
    """Taken as it is written, another hole would find no file, and nothing would be missed."""
    for hole in re.findall(r"\{[^{}]*\}", pattern):
        if not _HOLE.fullmatch(hole):
            raise ConfigurationError(
                f"feeds.{feed}.location has {hole}, which stands for nothing",
                "{date} stands for a day (2026-10-05), {hour} for an hour (2026-10-05T13)",
            )


def _glob(pattern: str) -> str:
    """The pattern as a glob: what is no hole is meant as it is written."""
    parts = re.split(f"({_HOLE.pattern})", pattern)
    whole = "".join("*" if _HOLE.fullmatch(part) else glob.escape(part) for part in parts)
    return re.sub(r"\*{2,}", "*", whole)


def _moment(groups: set[str]) -> datetime | None:
    """The one moment a path states; None when it states none, two, or no real one."""
    for text in groups if len(groups) == 1 else ():
        for shape in ("%Y-%m-%dT%H", "%Y-%m-%d"):
            try:
                return datetime.strptime(text, shape).replace(tzinfo=UTC)
            except ValueError:
                continue
    return None


def manifest_of(text: bytes) -> dict[str, Any]:
    """A manifest as JSON with amounts as text; one that cannot be read says so when it is used."""
    try:
        document = json.loads(text, parse_float=str)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as problem:
        return {"error": f"the manifest is not JSON: {problem}"}
    return document if isinstance(document, dict) else {"error": "the manifest is no JSON object"}
