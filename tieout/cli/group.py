"""A command group that loads a command when it is called, and says errors in one sentence.

Nothing heavy is imported here: `tieout --help` must answer at once.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import click

from tieout.errors import ConfigurationError, RequestError, TieoutError

FAILED, BAD_CONFIGURATION, BREAKS_FOUND = 1, 2, 3
"""Exit codes; 0 is done. (A command line that cannot be understood is 2 as well.)"""
DEBUG = "tieout.debug"
"""Key of click's context: whether errors show where in the program they arose."""


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command is (`module:name`), and the line that help shows without loading it."""

    target: str
    help: str


class CommandFailed(click.ClickException):
    """A TieoutError on its way to the terminal: one message, no traceback."""

    def __init__(self, problem: TieoutError) -> None:
        super().__init__(problem.problem)
        self.problem = problem

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """2 for the configuration and for what was asked, 1 for everything else."""
        told = isinstance(self.problem, ConfigurationError | RequestError)
        return BAD_CONFIGURATION if told else FAILED

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the problem and what to do about it to stderr."""
        place = f"{self.problem.where}: " if self.problem.where else ""
        click.echo(f"tieout: {place}{self.problem.problem}", file=file, err=True)
        if self.problem.remedy:
            click.echo(f"  -> {self.problem.remedy}", file=file, err=True)


class Commands(click.Group):
    """A group of commands, some loaded when called; unknown names are answered with near ones."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy] | None = None, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which one uses them."""
        return [*self.lazy, *(name for name in super().list_commands(ctx) if name not in self.lazy)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, loaded now if need be."""
        found = self.lazy.get(cmd_name)
        if found is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = found.target.partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name. Raises UsageError with near names."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            names = self.list_commands(ctx)
            near = get_close_matches(args[0], names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"commands are {', '.join(names)}"
            ctx.fail(f"no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help, without loading any."""
        rows = []
        for name in self.list_commands(ctx):
            if name in self.lazy:
                rows.append((name, self.lazy[name].help))
            elif command := super().get_command(ctx, name):
                rows.append((name, command.get_short_help_str(80)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what a person can act on is said in one message."""
        try:
            return super().invoke(ctx)
        except TieoutError as problem:
            if ctx.meta.get(DEBUG):
                raise
            raise CommandFailed(problem) from None


def short_unexpected_errors() -> None:
    """From here on an error nobody foresaw is one message that says where to look.

    `--debug` gives the whole traceback.
    """
    sys.excepthook = _say_unexpected


def full_tracebacks() -> None:
    """Back to Python's own way."""
    sys.excepthook = sys.__excepthook__


def _say_unexpected(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    own = Path(__file__).resolve().parents[2]
    frames = traceback.extract_tb(trace)
    ours = [f for f in frames if own in Path(f.filename).parents and ".venv" not in f.filename]
    last = (ours or frames)[-1] if frames else None
    place = f", in {Path(last.filename).name} line {last.lineno} ({last.name})" if last else ""
    click.echo(f"tieout: unexpected {kind.__name__}: {error}{place}", err=True)
    click.echo("  -> run the command again with --debug for the whole traceback", err=True)
