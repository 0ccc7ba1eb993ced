"""`tieout journals`: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.cli import tieout
from tests.integration.test_cli_run import DAY
from tieout.extracts import take_in
from tieout.lines.ingest import refresh_lines
from tieout.matching.reconcile import reconcile
from tieout.workplace import Workplace

CONFIGURATION = """\
company: Example GmbH
calendar: {start: 2026-10-01}
entities: {DE01: {name: "=Example GmbH", currency: EUR}}
accounts: {"*": {"1460": clearing, "1400": receivable, "6855": fee}}
feeds:
  subledger: {format: ledger_csv, location: "subledger/{date}.csv"}
  ledger: {format: ledger_csv, location: "ledger/{date}.csv"}
reconciliations:
  subledger_to_ledger:
    source: {feeds: [subledger]}
    target: {feeds: [ledger], where: {account_class: [clearing]}}
    timing_days: [0, 0]
    passes: [{name: by_line, shape: one_to_one, key: {source: [line_id], target: [line_ref]}}]
"""
HEADER = "line_id,posting_date,journal_ref,entity,account,currency,amount,line_ref\n"
SUBLEDGER = HEADER + (
    "s-1,2026-10-05,S1,DE01,1460,EUR,100.00,\ns-2,2026-10-05,S1,DE01,1460,EUR,7.00,\n"
)
LEDGER = HEADER + (
    "g-1,2026-10-05,G1,DE01,1460,EUR,99.00,s-1\ng-3,2026-10-05,G3,DE01,1460,EUR,5.00,s-3\n"
)

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("journals")
    (folder / "tieout.yaml").write_text(CONFIGURATION)
    for feed, text in (("subledger", SUBLEDGER), ("ledger", LEDGER)):
        (folder / feed).mkdir()
        (folder / feed / "2026-10-05.csv").write_text(text)
    config, home = folder / "tieout.yaml", folder / "home"
    with Workplace.open(config, home) as workplace:
        for feed in ("subledger", "ledger"):
            take_in(workplace, feed, [DAY[1]])
            refresh_lines(workplace, feed, [DAY[1]], run_id="test")
        reconcile(workplace, "subledger_to_ledger", run_id="test")

    def call(*arguments: str) -> Result:
        places = ["--config", str(config), "--home", str(home)]
        return CliRunner().invoke(tieout, ["journals", *arguments, *places])

    return call


def test_people_read_the_journals_and_what_has_none(run: Run) -> None:
    done = run("--period", "2026-10")
    assert done.exit_code == 0
    assert "reverses G1 s-1" in done.stdout
    assert "2 journals proposed for 3 of 4 breaks; nothing is posted." in done.stdout
    assert "1  subledger_to_ledger, missing_in_source: the posting may be right" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_json_is_one_object_with_every_break_counted(run: Run) -> None:
    told = json.loads(run("--period", "2026-10", "--json").stdout)
    assert (told["breaks"], told["breaks_with_a_journal"], told["breaks_without"]) == (4, 3, 1)
    amounts = {
        (line["account"], line["debit"], line["credit"])
        for journal in told["journals"]
        for line in journal["lines"]
    }
    assert amounts == {
        ("1460", "7.00", None),
        ("1400", None, "7.00"),
        ("1460", None, "99.00"),
        ("1460", "100.00", None),
        ("1400", None, "1.00"),
    }
    assert told["not_proposed"][0]["class"] == "missing_in_source"


def test_a_file_is_for_the_import_and_safe_in_a_spreadsheet(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "october.csv"
    done = run("--period", "2026-10", "--output", str(path))
    assert (done.exit_code, done.stdout) == (0, "")
    first = path.read_bytes()
    run("--period", "2026-10-05", "--output", str(path))
    assert path.read_bytes() == first
    rows = list(csv.DictReader(io.StringIO(first.decode(), newline="")))
    assert len(rows) == 5
    assert {row["Subsidiary"] for row in rows} == {"'=Example GmbH"}
    assert {row["custcol_line_ref"] for row in rows} == {"s-1", "s-2", ""}
    sums = [sum(Decimal(row[side] or 0) for row in rows) for side in ("Debit", "Credit")]
    assert sums == [107, 107]
    assert not any(row[side].startswith("-") for row in rows for side in ("Debit", "Credit"))


def test_json_to_a_file_is_what_is_printed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "october.json"
    run("--period", "2026-10", "--output", str(path))
    assert path.read_text() == run("--period", "2026-10", "--json").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output", "october.xlsx"], "does not say which format is wanted"),
        (["--output", "october.csv", "--json"], "does not say which format is wanted"),
        (["--reconciliation", "subledger"], "did you mean 'subledger_to_ledger'"),
        (["--entity", "DE02"], "did you mean 'DE01'"),
    ],
)
def test_what_cannot_be_asked_for_is_said(run: Run, arguments: list[str], said: str) -> None:
    done = run("--period", "2026-10", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_period_of_which_nothing_is_known(run: Run) -> None:
    done = run("--period", "2026-09")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "No lines are known for 2026-09." in done.stderr
    assert json.loads(run("--period", "2026-09", "--json").stdout)["journals"] == []
