"""All formats there are: those that come with Tieout and the user's own, read from YAML.

A declaration is tried on an empty table when it is read, so that a wrong name or type is an error
with the file's name now, not in the middle of a night's run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from pydantic import ValidationError

from tieout.errors import ConfigurationError
from tieout.formats.mapping import Plan
from tieout.formats.models import Column, Format
from tieout.settings import Settings

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader, in C where it is there: ten declarations in a tenth of the time."""
OWN = Path(__file__).parent / "definitions"


def formats(settings: Settings | None = None) -> dict[str, Format]:
    """Every format by name; one of the user's own replaces one of the same name.

    Raises ConfigurationError naming the file and the key that is wrong.
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

    fitting = [f for f in known.values() if all(has(f.columns[c]) for c in f.recognise)]
    return sorted(fitting, key=lambda f: (-len(f.recognise), f.name))


def read(path: Path) -> Format:
    """Read and try one declaration. Raises ConfigurationError."""
    try:
        document: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe loader, see there
        layout = Format.model_validate(document)
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as problem:
        raise ConfigurationError(f"cannot read the format: {problem}", where=str(path)) from None
    except ValidationError as invalid:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in invalid.errors()]
        raise ConfigurationError("; ".join(problems), where=str(path)) from None
    try:
        Plan(layout).try_out()
    except ConfigurationError as problem:
        raise ConfigurationError(problem.problem, problem.remedy, where=str(path)) from None
    except pl.exceptions.PolarsError as problem:
        raise ConfigurationError(
            f"an expression does not work: {problem}", where=str(path)
        ) from None
    return layout


def _state(folder: Path) -> tuple[tuple[str, int], ...]:
    """Names and times of the folder's files: a changed file is read again, others are not."""
    return tuple((p.name, p.stat().st_mtime_ns) for p in sorted(folder.glob("*.yaml")))


@cache
def _folder(folder: Path, state: Sequence[tuple[str, int]]) -> dict[str, Format]:
    found: dict[str, Format] = {}
    for name, _ in state:
        layout = read(folder / name)
        if layout.name in found:
            raise ConfigurationError(
                f"a second format is named {layout.name!r}", where=str(folder / name)
            )
        found[layout.name] = layout
    return found
