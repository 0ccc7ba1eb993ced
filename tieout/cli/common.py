"""What the commands share: where they work, which options they take, how they write."""

from __future__ import annotations

import functools
import getpass
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click

from tieout.cli.group import DEBUG, full_tracebacks
from tieout.config import load
from tieout.errors import RequestError, TieoutError
from tieout.periods import Period, parse_period
from tieout.settings import Settings
from tieout.workplace import Workplace

F = TypeVar("F", bound=Callable[..., Any])
DATE = click.DateTime(["%Y-%m-%d"])
"""An option that is a day; hand it to `day` for a date."""


@dataclass(frozen=True, slots=True)
class Places:
    """The configuration file and the home folder that a command works with."""

    config: Path
    home: Path
    known_at: datetime | None = None
    """The past moment that is asked about; None for what is known now."""

    def open(self) -> Workplace:
        """The workplace; use it in a `with`. Raises ConfigurationError or TieoutError."""
        return Workplace.open(self.config, self.home)

    def settings(self) -> Settings:
        """The configuration alone. Raises ConfigurationError."""
        return load(self.config)

    def settings_if_any(self) -> Settings | None:
        """The configuration, or None where there is no such file."""
        return load(self.config) if self.config.exists() else None


def located(command: F) -> F:
    """Add --config, --home and --debug; the command gets `places`."""

    @click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        default="tieout.yaml",
        envvar="TIEOUT_CONFIG",
        show_default=True,
        show_envvar=True,
        help="The configuration file.",
    )
    @click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        default=".tieout",
        envvar="TIEOUT_HOME",
        show_default=True,
        show_envvar=True,
        help="Where Tieout keeps its register and its files.",
    )
    @click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
    @functools.wraps(command)
    def with_places(config: Path, home: Path, debug: bool, **arguments: Any) -> Any:
        if debug:
            full_tracebacks()
            click.get_current_context().meta[DEBUG] = True
        return command(places=Places(config, home), **arguments)

    return with_places  # type: ignore[return-value]


class PeriodType(click.ParamType[Period]):
    """A month or a day on the command line."""

    name = "period"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Period:
        """Read `2026-10` or `2026-10-15`; anything else is a usage error that says so."""
        if isinstance(value, Period):
            return value
        try:
            return parse_period(str(value))
        except TieoutError as problem:
            self.fail(f"{problem.problem}; {problem.remedy}", param, ctx)


PERIOD = PeriodType()


class MomentType(click.ParamType[datetime]):
    """A moment on the command line, in UTC or with an offset; a date is its beginning in UTC."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read `2026-11-05T00:00Z` or `2026-11-05`; anything else is a usage error."""
        if isinstance(value, datetime):
            return value
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(value)):
                return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no moment; write 2026-11-05T00:00Z or a date", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no time zone; add Z for UTC, or an offset", param, ctx)
        return moment.astimezone(UTC)


MOMENT = MomentType()


def as_known_at(command: F) -> F:
    """Add --as-known-at to a command that reads; it stands below `located`."""

    @click.option(
        "--as-known-at",
        "moment",
        type=MOMENT,
        help="As it was known then: 2026-11-05T00:00Z, or a date (its beginning, in UTC).",
    )
    @functools.wraps(command)
    def with_moment(places: Places, moment: datetime | None, **arguments: Any) -> Any:
        return command(places=replace(places, known_at=moment), **arguments)

    return with_moment  # type: ignore[return-value]


def examples(*lines: str) -> str:
    """The end of a command's help: how it is used."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def day(moment: datetime) -> date:
    """The date of a DATE option."""
    return moment.date()


def pick(name: str | None, known: Iterable[str], noun: str) -> list[str]:
    """The one named, or all of them. Raises TieoutError that names near ones."""
    names = list(known)
    if name is None:
        return names
    if name in names:
        return [name]
    near = get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise RequestError(f"no {noun} {name!r}", f"{hint}there are {', '.join(names)}")


def write(content: str | bytes, output: Path | None) -> None:
    """Write to a file, or to stdout and nothing else with it. Raises TieoutError."""
    if output is None:
        click.echo(content, nl=False)
        return
    data = content.encode() if isinstance(content, str) else content
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(data)
    except OSError as problem:
        raise TieoutError(
            f"cannot write {output}: {problem.strerror}", "name another file with --output"
        ) from None
    say(f"wrote {output} ({len(data):,} bytes)")


def headed(content: str, heading: str | None) -> str:
    """Text or Markdown below what is said of the moment it is known at, where one was asked for."""
    return content if heading is None else f"{heading}\n\n{content}"


def user_name() -> str:
    """The name of the user of this machine; a container may have a number only."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def say(sentence: str) -> None:
    """A message for the person, on stderr: stdout is for what was asked for."""
    click.echo(sentence, err=True)


def known_span(workplace: Workplace, names: Iterable[str]) -> str:
    """`Lines are known from 2026-10-01 to 2026-10-31.`, or that there are none yet."""
    days = sorted(
        window
        for name in names
        for window, head in workplace.register.heads(f"outcomes/{name}").items()
        if head.rows
    )
    if not days:
        return "Nothing has been run yet."
    return f"Lines are known from {days[0]} to {days[-1]}."


def nothing_known(workplace: Workplace, names: Iterable[str], period: Period) -> str:
    """What to say and do where a period has no lines at all."""
    return (
        f"No lines are known for {period}. {known_span(workplace, names)}\n"
        f"  -> run `tieout run --from {period.first} --to {period.last}`, or ask for another period"
    )


def read_home(places: Places) -> Workplace:
    """The workplace for a command that only reads: a home nobody has run in yet is an error.

    It is as known at the moment asked for. Raises TieoutError, so that a mistyped --home never
    becomes an empty folder, and RequestError for a moment that has not been yet.
    """
    settings = places.settings()
    if settings.register_url is None and not (places.home / "register.db").exists():
        raise TieoutError(
            f"nothing has been run in {places.home} yet",
            "run `tieout run --from ... --to ...` first, or name another folder with --home",
        )
    workplace = places.open()
    if places.known_at is None:
        return workplace
    try:
        return workplace.known_at(places.known_at)
    except TieoutError:
        workplace.close()
        raise


def is_terminal() -> bool:
    """Whether stdout is a person's terminal (binary output does not belong there)."""
    return sys.stdout.isatty()
