"""`tieout inspect` and `tieout quarantine`, from a file with mistakes to the corrected lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.cli import tieout
from tieout.extracts import take_in
from tieout.lines.ingest import refresh_lines
from tieout.workplace import Workplace

CONFIGURATION = """\
company: Example GmbH
calendar: {start: 2026-10-01}
entities:
  DE01: {name: Example GmbH, currency: EUR}
accounts: {"*": {"1460": clearing}}
feeds:
  ledger: {format: ledger_csv, location: "ledger/{date}.csv"}
  adyen: {format: adyen_settlement_detail, location: "adyen/{date}.csv"}
reconciliations:
  settlement_to_ledger:
    source: {feeds: [adyen]}
    target: {feeds: [ledger], where: {account_class: [clearing]}}
    passes: [{name: by_line, shape: one_to_one, key: {source: [line_id], target: [line_ref]}}]
"""
LEDGER = """\
line_id,posting_date,journal_ref,entity,account,currency,amount
p-1,2026-10-05,JE-1,DE01,1460,EUR,100.00
p-2,2026-10-05,JE-1,DE02,1460,EUR,25.50
p-3,2026-10-05,JE-1,DE01,1460,EUR,NaN
"""
Run = Callable[..., Result]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "tieout.yaml").write_text(CONFIGURATION)
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "2026-10-05.csv").write_text(LEDGER)
    return tmp_path


@pytest.fixture
def run(place: Path) -> Run:
    def invoke(*arguments: str) -> Result:
        places = {
            "TIEOUT_CONFIG": str(place / "tieout.yaml"),
            "TIEOUT_HOME": str(place / "home"),
        }
        return CliRunner().invoke(tieout, arguments, env=places)

    return invoke


def take(place: Path) -> None:
    with Workplace.open(place / "tieout.yaml", place / "home") as workplace:
        take_in(workplace, "ledger", ["2026-10-05"])
        refresh_lines(workplace, "ledger", ["2026-10-05"], run_id="test")


def test_inspect_says_what_a_file_is_and_keeps_nothing(run: Run, place: Path) -> None:
    path = str(place / "ledger" / "2026-10-05.csv")
    result = run("inspect", path)
    assert result.exit_code == 0, result.output
    assert "ledger_csv (ledger lines)" in result.stdout
    assert "3 received, 1 accepted, 2 quarantined" in result.stdout
    assert "DE02" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert not (place / "home").exists()
    shown = json.loads(run("inspect", path, "--json").stdout)
    assert shown["rows"]["quarantined"] == 2
    assert {row["row_number"] for row in shown["quarantined"]} == {3, 4}
    several = json.loads(run("inspect", path, path, "--json").stdout)
    assert [one["sha256"] for one in several] == [shown["sha256"]] * 2


def test_inspect_of_what_cannot_be_read_says_why_and_fails(run: Run, place: Path) -> None:
    (place / "other.csv").write_text("a,b\n1,2\n")
    result = run("inspect", str(place / "other.csv"))
    assert result.exit_code == 1
    assert "cannot be read" in result.stdout
    assert "ledger_csv" in result.stdout
    assert run("inspect", str(place / "missing.csv")).exit_code == 2


def test_refused_rows_are_listed_shown_and_let_in_after_a_correction(run: Run, place: Path) -> None:
    take(place)
    listed = run("quarantine", "list")
    assert listed.exit_code == 0, listed.output
    assert listed.stdout.startswith("2 refused rows\n")
    rows = json.loads(run("quarantine", "list", "--feed", "ledger", "--json").stdout)
    by_line = {row["line_id"]: row for row in rows}
    assert by_line["p-2"]["amount"] == "25.50"
    assert by_line["p-3"]["row"]["amount"] == "NaN"
    sha = rows[0]["extract_sha256"]
    shown = run("quarantine", "show", "ledger", sha[:10], str(by_line["p-3"]["row_number"]))
    assert shown.exit_code == 0, shown.output
    assert "the row as received" in shown.stdout
    assert "NaN" in shown.stdout
    text = (place / "tieout.yaml").read_text()
    corrected = text.replace("currency: EUR}", "currency: EUR, known_as: [DE02]}")
    (place / "tieout.yaml").write_text(corrected)
    again = run("quarantine", "readmit")
    assert again.exit_code == 0, again.output
    assert again.stdout == "1 window read again: 2 refused before, 1 now.\n"
    assert "tieout run --from 2026-10-05 --to 2026-10-05" in again.stderr
    assert [row["line_id"] for row in json.loads(run("quarantine", "list", "--json").stdout)] == [
        "p-3"
    ]


def test_an_empty_quarantine_and_unknown_names_say_so(run: Run, place: Path) -> None:
    (place / "ledger" / "2026-10-05.csv").write_text(LEDGER.splitlines()[0] + "\n")
    take(place)
    result = run("quarantine", "list")
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "",
        "Nothing is in quarantine.\n",
    )
    assert json.loads(run("quarantine", "list", "--json").stdout) == []
    wrong = run("quarantine", "list", "--feed", "leger")
    assert wrong.exit_code == 2
    assert "did you mean 'ledger'?" in wrong.stderr
    assert run("quarantine", "readmit", "--feed", "leger").exit_code == 2
    assert run("quarantine", "show", "leger", "abc", "1").exit_code == 2
    wrong = run("quarantine", "show", "ledger", "abc", "1")
    assert wrong.exit_code == 1
    assert "not in quarantine" in wrong.stderr


def test_a_hostile_cell_does_not_fill_the_list(run: Run, place: Path) -> None:
    row = f"{'x' * 5000},2026-10-05,JE-1,DE01,1460,EUR,1.00\n"
    (place / "ledger" / "2026-10-05.csv").write_text(LEDGER.splitlines()[0] + "\n" + row)
    take(place)
    listed = run("quarantine", "list")
    assert "bad_line_id" in listed.stdout
    assert "digits and _ . : -" in " ".join(listed.stdout.split())
    assert len(listed.stdout) < 1000
