"""How the command line answers: fast help, near names, one message for an error."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipelines.cli import COMMANDS, tieout
from tieout.cli.common import pick
from tieout.cli.group import Commands
from tieout.errors import ConfigurationError, ExtractError, TieoutError

HEAVY = ("dagster", "polars", "duckdb", "sqlalchemy", "pydantic", "yaml", "jinja2")


def run_python(code: str, *, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )


def loaded_after(arguments: list[str], tmp_path: Path) -> set[str]:
    """The heavy libraries that a command line has loaded when it ends."""
    code = (
        "import sys\n"
        "from pipelines.cli import tieout\n"
        "try:\n"
        f"    tieout({arguments!r})\n"
        "finally:\n"
        f"    print('LOADED', *[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)\n"
    )
    done = run_python(code, cwd=tmp_path)
    line = next(row for row in done.stderr.splitlines() if row.startswith("LOADED"))
    return set(line.split()[1:])


def test_help_loads_nothing_heavy_and_answers_at_once(tmp_path: Path) -> None:
    assert loaded_after(["--help"], tmp_path) == set()

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = spent()
    run_python("from pipelines.cli import tieout; tieout(['--help'])", cwd=tmp_path)
    assert spent() - before < 0.5


@pytest.mark.parametrize("command", ["statement", "breaks", "line", "validate", "sample"])
def test_commands_of_the_domain_never_load_the_orchestrator(command: str, tmp_path: Path) -> None:
    assert "dagster" not in loaded_after([command, "--help"], tmp_path)


def test_the_overview_names_every_command_and_each_has_help_of_its_own() -> None:
    runner = CliRunner()
    overview = runner.invoke(tieout, ["--help"]).stdout
    for name, lazy in COMMANDS.items():
        command = tieout.get_command(click.Context(tieout), name)
        assert command is not None
        assert lazy.help in overview
        assert command.name == name
        own = runner.invoke(tieout, [name, "--help"])
        assert own.exit_code == 0, own.output


def test_every_command_takes_config_and_home() -> None:
    def leaves(command: click.Command) -> list[click.Command]:
        if not isinstance(command, click.Group):
            return [command]
        context = click.Context(command)
        found = [command.get_command(context, name) for name in command.list_commands(context)]
        return [leaf for one in found if one for leaf in leaves(one)]

    for leaf in leaves(tieout):
        options = {o for p in leaf.params for o in p.opts}
        assert {"--config", "--home", "--debug"} <= options, leaf.name


def test_an_unknown_command_is_answered_with_the_nearest() -> None:
    result = CliRunner().invoke(tieout, ["statment"])
    assert result.exit_code == 2
    assert "no command 'statment'; did you mean 'statement'?" in result.stderr


def failing(error: Exception) -> click.Group:
    @click.command()
    def boom() -> None:
        raise error

    group = Commands("tieout")
    group.add_command(boom)
    return group


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TieoutError("the roof leaks", "mend it", "house.csv, row 3"), 1),
        (ExtractError("the roof leaks", "mend it", "house.csv, row 3"), 1),
        (ConfigurationError("the roof leaks", "mend it", "house.csv, row 3"), 2),
    ],
)
def test_a_problem_is_one_message_on_stderr(error: TieoutError, code: int) -> None:
    result = CliRunner().invoke(failing(error), ["boom"])
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr == "tieout: house.csv, row 3: the roof leaks\n  -> mend it\n"


BUG = """
import click
from tieout.cli.common import located
from tieout.cli.group import Commands, short_unexpected_errors
@click.command()
@located
def boom(places): {}['nothing']
group = Commands("tieout"); group.add_command(boom)
short_unexpected_errors()
group(%r)
"""


def test_an_unforeseen_error_says_where_to_look_and_debug_shows_all(tmp_path: Path) -> None:
    short = run_python(BUG % ["boom"], cwd=tmp_path)
    assert short.returncode == 1
    assert "unexpected KeyError" in short.stderr
    assert "--debug" in short.stderr
    assert "Traceback" not in short.stderr
    full = run_python(BUG % ["boom", "--debug"], cwd=tmp_path)
    assert full.returncode == 1
    assert "Traceback (most recent call last)" in full.stderr


def test_picking_names_suggests_what_was_meant() -> None:
    assert pick(None, ["a", "b"], "feed") == ["a", "b"]
    assert pick("b", ["a", "b"], "feed") == ["b"]
    with pytest.raises(TieoutError) as raised:
        pick("fee_varience", ["fee_variance", "rounding"], "break class")
    assert str(raised.value) == (
        "no break class 'fee_varience' -> did you mean 'fee_variance'? "
        "there are fee_variance, rounding"
    )
