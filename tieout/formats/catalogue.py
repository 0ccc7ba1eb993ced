"""All formats there are: those that come with Tieout and the user's own, read from YAML.

A declaration is tried when it is read (`trial`), and what is wrong with it is told with its line.
Those that come with Tieout are right, which the tests see to, and are read fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tieout.errors import ConfigurationError
from tieout.formats.models import Column, Format
from tieout.formats.trial import WrongPlaceError, try_out
from tieout.settings import Settings
from tieout.yamlfile import line_at, problems, read_yaml

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Scalars as text, in C where it is there: ten declarations in a tenth of the time."""
OWN = Path(__file__).parent / "definitions"


def formats(settings: Settings | None = None) -> dict[str, Format]:
    """Every format by name; one of the user's own replaces one of the same name.

    Raises ConfigurationError naming file and line of what is wrong.
    """
    found = dict(_folder(OWN, _state(OWN)))
    if settings is not None and settings.formats is not None:
        folder = settings.base / settings.formats
        if not folder.is_dir():
            raise ConfigurationError(
                f"no folder {folder}", "name the folder of your own formats, or leave `formats` out"
            )
        found |= _folder(folder, _state(folder))
    return found


def format_of(settings: Settings, feed: str) -> Format:
    """The format of a feed. Raises ConfigurationError when there is none of that name."""
    known = formats(settings)
    name = settings.feeds[feed].format
    if name not in known:
        raise ConfigurationError(
            f"feeds.{feed}.format: no format {name!r}", f"formats are {', '.join(sorted(known))}"
        )
    return known[name]


def recognised(headers: Iterable[str], known: dict[str, Format]) -> list[Format]:
    """Formats whose telling columns are all there, the one with most of them first."""
    there = {h.strip().casefold() for h in headers}

    def has(column: Column) -> bool:
        spellings = (column.headers, column.aliases)
        return any(h.casefold() in there for names in spellings for h in names)

    files = [f for f in known.values() if f.webhook is None]
    fitting = [f for f in files if all(has(f.columns[c]) for c in f.recognise)]
    return sorted(fitting, key=lambda f: (-len(f.recognise), f.name))


def read(path: Path) -> Format:
    """Read and try one declaration.

    Raises ConfigurationError that lists the problems found, one a line, as `file:line: problem`.
    """
    try:
        document, lines = read_yaml(path, "docs/formats.md says what a declaration has")
    except FileNotFoundError:
        raise ConfigurationError(f"no format at {path}", "it was there a moment ago") from None
    try:
        layout = Format.model_validate(_with_lines(document))
        try_out(layout)
    except ValidationError as invalid:
        raise _wrong(path, sorted(problems(Format, invalid, lines))) from None
    except WrongPlaceError as problem:
        told = f"{problem.problem}; {problem.remedy}"
        raise _wrong(path, [(line_at(lines, problem.trail), told)]) from None
    return layout


def _wrong(path: Path, found: Sequence[tuple[int, str]]) -> ConfigurationError:
    shown = "\n".join(f"{path}:{line}: {text}" for line, text in found)
    return ConfigurationError(
        f"{len(found)} problem(s) in a format\n{shown}",
        "correct the lines named above, then run `tieout validate`",
    )


def _read_own(path: Path) -> Format:
    """A declaration that comes with Tieout, as `read` gives it."""
    return Format.model_validate(_with_lines(_plain(path)))


def _plain(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - scalars only


def _with_lines(document: Any) -> Any:
    """A webhook's declaration with what all event formats share: how the inbox becomes lines."""
    if not isinstance(document, dict) or "webhook" not in document:
        return document
    return {**_plain(OWN / "inbox_events.yaml"), **document}


def _state(folder: Path) -> tuple[tuple[str, int], ...]:
    """Names and times of the folder's files: a changed file is read again, others are not."""
    return tuple((p.name, p.stat().st_mtime_ns) for p in sorted(folder.glob("*.yaml")))


@cache
def _folder(folder: Path, state: Sequence[tuple[str, int]]) -> dict[str, Format]:
    found: dict[str, Format] = {}
    for name, _ in state:
        path = folder / name
        layout = _read_own(path) if folder == OWN else read(path)
        if layout.name in found:
            text = f"name: a second format of this folder is named {layout.name!r}"
            raise _wrong(path, [(line_at(read_yaml(path, "")[1], ("name",)), text)])
        found[layout.name] = layout
    return found
