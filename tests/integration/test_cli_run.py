"""`tieout run` and `tieout demo`: exit codes, what is printed, and running again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import tieout as command_line
from tieout.sample.make import FEEDS

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = """\
company: Example GmbH
calendar: {start: 2026-10-01}
entities: {DE01: {name: Example GmbH, currency: EUR}}
accounts: {"*": {"1460": clearing}}
feeds:
  subledger: {format: ledger_csv, location: "subledger/{date}.csv"}
  ledger: {format: ledger_csv, location: "ledger/{date}.csv"}
reconciliations:
  subledger_to_ledger:
    source: {feeds: [subledger]}
    target: {feeds: [ledger]}
    timing_days: [0, 0]
    passes: [{name: by_line, shape: one_to_one, key: {source: [line_id], target: [line_ref]}}]
"""
HEADER = "line_id,posting_date,journal_ref,entity,account,currency,amount,line_ref\n"
SUBLEDGER = (
    HEADER + "s-1,2026-10-05,S1,DE01,1460,EUR,100.00,\ns-2,2026-10-05,S1,DE01,1460,EUR,7.00,\n"
)
LEDGER = HEADER + "g-1,2026-10-05,G1,DE01,1460,EUR,100.00,s-1\n"
POSTED_LATER = LEDGER + "g-2,2026-10-05,G2,DE01,1460,EUR,7.00,s-2\n"
DAY = ("--from", "2026-10-05", "--to", "2026-10-05")

Run = Callable[..., subprocess.CompletedProcess[str]]


def started(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program as a process of its own."""
    command = [str(Path(sys.executable).parent / "tieout"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def tieout(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same in this process, which has loaded Dagster already."""
    with chdir(folder):
        done = CliRunner().invoke(command_line, arguments)
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def deliver(folder: Path, feed: str, text: str) -> None:
    (folder / feed).mkdir(exist_ok=True)
    (folder / feed / "2026-10-05.csv").write_text(text)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "tieout.yaml").write_text(CONFIGURATION)
    deliver(tmp_path, "subledger", SUBLEDGER)
    deliver(tmp_path, "ledger", LEDGER)
    return tmp_path


def test_a_break_is_told_and_fails_only_where_that_was_asked_for(place: Path) -> None:
    done = tieout(place, "run", *DAY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2026-10-05 to 2026-10-05: done; ")
    row = next(line for line in done.stdout.splitlines() if line.startswith("subledger_to_ledger"))
    assert row.split()[1:] == ["3", "0", "2", "0", "0", "1", "0"]
    assert "Unexplained is 0 everywhere" in done.stdout
    strict = tieout(place, "run", *DAY, "--fail-on-breaks", "--json")
    assert strict.returncode == 3, strict.stderr
    told = json.loads(strict.stdout)
    assert told["success"] is True
    assert (told["breaks"], told["holds"]) == (1, True)
    assert told["lines"]["subledger_to_ledger"]["matched"] == 2
    deliver(place, "ledger", POSTED_LATER)
    healed = tieout(
        place, "run", *DAY, "--fail-on-breaks", "--reconciliation", "subledger_to_ledger"
    )
    assert healed.returncode == 0, healed.stderr + healed.stdout


def test_what_is_new_in_an_extract_is_said_once(place: Path) -> None:
    assert "note:" not in tieout(place, "run", *DAY).stderr
    header, first, _ = SUBLEDGER.splitlines()
    deliver(place, "subledger", f"{header},origin\n{first},web\n")
    said = [
        "note: lines/subledger 2026-10-05: 2026-10-05.csv: new column(s) origin",
        "note: lines/subledger 2026-10-05: a new version of the extract gives 1 instead of 2 lines;"
        " 1 of before is gone: s-2",
    ]
    done = tieout(place, "run", *DAY)
    assert [line for line in done.stderr.splitlines() if line.startswith("note:")] == said
    assert "note:" not in tieout(place, "run", *DAY).stderr


def test_an_extract_that_cannot_be_read_fails_the_run_and_the_fix_heals_it(place: Path) -> None:
    deliver(place, "ledger", "not;a;ledger\n1;2;3\n")
    failed = tieout(place, "run", *DAY)
    assert failed.returncode == 1
    assert "failed: lines/ledger" in failed.stderr
    assert "2026-10-05.csv" in failed.stderr
    assert "Traceback" not in failed.stderr
    deliver(place, "ledger", POSTED_LATER)
    healed = tieout(place, "run", *DAY, "--fail-on-breaks")
    assert healed.returncode == 0, healed.stderr + healed.stdout


def test_a_manifest_that_turns_bad_fails_a_run_over_several_days(place: Path) -> None:
    days = ("--from", "2026-10-05", "--to", "2026-10-06")
    beside = place / "ledger" / "2026-10-05.csv.manifest.json"
    beside.write_text('{"rows": 1}')
    assert tieout(place, "run", *days).returncode == 0
    beside.write_text('{"rows": 1')
    failed = tieout(place, "run", *days)
    assert failed.returncode == 1, failed.stderr
    assert "failed: lines/ledger" in failed.stderr
    assert beside.name in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--from", "2026-10-05", "--to", "2026-10-01"), 2, "name days in order"),
        (("--from", "2026-09-01", "--to", "2026-09-02"), 2, "the calendar's start (2026-10-01)"),
        (("--from", "2026-10-05", "--to", "tomorrow"), 2, "does not match the format"),
        ((*DAY, "--reconciliation", "subleger_to_ledger"), 2, "did you mean 'subledger_to_ledger'"),
        ((*DAY, "--config", "none.yaml"), 2, "no configuration at none.yaml"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_is_done(
    place: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = tieout(place, "run", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert not (place / ".tieout" / "store").exists()


def test_a_wrong_configuration_is_told_with_its_line(place: Path) -> None:
    wrong = CONFIGURATION.replace("target: [line_ref]", "target: [lineref]")
    (place / "tieout.yaml").write_text(wrong)
    done = tieout(place, "run", *DAY)
    assert done.returncode == 2
    assert "tieout.yaml:13: " in done.stderr
    assert "ledger lines have no column 'lineref'" in done.stderr


@pytest.mark.slow
def test_the_demo_prints_the_report_and_the_score_and_the_same_again(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tieout.yaml", tmp_path)
    small = ("--invoices-per-day", "8", "--from", "2026-10-01", "--to", "2026-10-01")
    first = started(tmp_path, "demo", *small)
    assert first.returncode == 0, first.stderr + first.stdout
    assert "Completeness report" in first.stdout
    assert "precision" in first.stdout
    assert "tieout statement --period 2026-10" in first.stdout
    assert all((tmp_path / "sample" / feed).is_dir() for feed in FEEDS)
    second = tieout(tmp_path, "demo", *small)
    assert second.returncode == 0, second.stderr

    def figures(shown: str) -> str:
        """Everything but how it was made and how long it took."""
        return shown[
            shown.index("Completeness report") : shown.index(" in all. To look")
        ].rpartition("\n")[0]

    assert figures(second.stdout) == figures(first.stdout)
    assert "is there already" in second.stdout


def test_the_demo_is_for_the_sample_company(place: Path) -> None:
    done = tieout(place, "demo")
    assert done.returncode == 2
    assert "is not the sample company's configuration" in done.stderr
    assert not (place / "sample").exists()


def test_days_of_which_nothing_is_known_are_not_called_explained(place: Path) -> None:
    for feed in ("subledger", "ledger"):
        (place / feed / "2026-10-05.csv").unlink()
    done = tieout(place, "run", *DAY)
    assert done.returncode == 0, done.stderr
    assert "No lines are known for these days, so nothing is proven." in done.stdout
    assert "Deliveries have breaks: missing_extract." in done.stdout
    assert "explained" not in done.stdout
    assert tieout(place, "run", *DAY, "--fail-on-breaks").returncode == 3


def test_a_feed_that_could_never_be_read_is_on_the_statement(place: Path) -> None:
    """Nothing of the source is known but that it cannot be read: beside the ledger's lines."""
    deliver(place, "subledger", "")
    assert tieout(place, "run", *DAY).returncode == 1
    for period in ("2026-10-05", "2026-10"):
        shown = tieout(place, "statement", "--period", period)
        assert shown.returncode == 0, shown.stderr
        assert "source" in shown.stdout
        (told,) = (row for row in shown.stdout.splitlines() if "missing_extract" in row)
        assert told.split() == ["missing_extract", "1", "0.00"]
        assert "not hold" not in shown.stdout
    for form in ("json", "markdown", "html", "xlsx"):
        out = place / f"shown.{form}"
        made = ("--period", "2026-10", "--format", form, "--output", str(out))
        done = tieout(place, "statement", *made)
        assert done.returncode == 0, done.stderr
        assert form == "xlsx" or "missing_extract" in out.read_text()
