"""`tieout statement`, `breaks` and `line` on a small world whose answers an accountant can check.

Two charges and a fee on the source side; the ledger has the first charge, the fee a cent off, and a
posting that nothing is behind.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner, Result

from pipelines.cli import tieout
from tests.worlds import Row, World, extract_sha256, world
from tieout.register.records import TakenExtract

DAY = date(2026, 10, 5)
RECONCILIATIONS = {
    "settlement_to_ledger": {
        "source": {"feeds": ["psp"]},
        "target": {"feeds": ["erp"], "where": {"account_class": ["clearing"]}},
        "timing_days": [-1, 2],
        "passes": [
            {
                "name": "by_line",
                "shape": "one_to_one",
                "key": {"source": ["line_id"], "target": ["line_ref"]},
            }
        ],
    }
}


def settlement(line_id: str, amount: str, category: str = "charge", **more: Any) -> dict[str, Any]:
    return {
        "line_id": line_id,
        "extract_sha256": extract_sha256("psp"),
        "row_number": 1,
        "entity": "A",
        "currency": "USD",
        "amount": Decimal(amount),
        "period": DAY,
        "category": category,
        "settlement_batch": "batch_7",
        **more,
    }


def posting(line_id: str, amount: str, line_ref: str, **more: Any) -> dict[str, Any]:
    return {
        "line_id": line_id,
        "extract_sha256": extract_sha256("erp"),
        "row_number": 1,
        "entity": "A",
        "currency": "USD",
        "amount": Decimal(amount),
        "period": DAY,
        "account": "1090",
        "account_class": "clearing",
        "line_ref": line_ref,
        "journal_ref": "JE-1",
        **more,
    }


def deliver(small: World) -> None:
    settled = [
        settlement("ch_1", "100.00", payment_ref="pay_1"),
        settlement("ch_1:fee", "-3.00", "fee", payment_ref="pay_1"),
        settlement("=ch_2", "50.00", payment_ref="pay_2"),
    ]
    posted = [
        posting("je_1", "100.00", "ch_1"),
        posting("je_2", "-3.01", "ch_1:fee"),
        posting("je_3", "7.00", "ch_9"),
    ]
    # The other side is delivered past the window, so that nothing is still on its way.
    later: dict[tuple[str, str], list[Row]] = {(f, "2026-10-09"): [] for f in ("psp", "erp")}
    small.deliver({("psp", str(DAY)): settled, ("erp", str(DAY)): posted, **later})
    small.beside(
        "quarantine",
        "psp",
        str(DAY),
        [
            {
                "extract_sha256": extract_sha256("psp"),
                "row_number": 4,
                "file": "psp.csv",
                "line_id": "ch_3",
                "currency": "USD",
                "entity": "A",
                "amount": Decimal("12.00"),
                "period": DAY,
                "reason": "not_a_number",
                "column": "gross",
                "value": "NaN",
                "message": "gross is 'NaN'",
                "remedy": "ask for the row again",
                "row": json.dumps({"id": "ch_3", "payment": "pay_3", "gross": "NaN"}),
            }
        ],
    )
    small.workplace.register.record_extract(
        TakenExtract(
            "psp", str(DAY), "psp_1005.csv", extract_sha256("psp"), 10, "x",
            small.workplace.register.heads("lines/psp")[str(DAY)].published_at,
        )
    )  # fmt: skip


Run = Callable[..., Result]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs a command line against the small world."""
    with world(RECONCILIATIONS) as small:
        deliver(small)
        small.reconcile("settlement_to_ledger")
        home = small.workplace.home
        config = home / "tieout.yaml"
        config.write_text(
            small.workplace.settings.model_dump_json(exclude_none=True, exclude_defaults=True)
        )

        def invoke(*arguments: str, environment: dict[str, str] | None = None) -> Result:
            places = {"TIEOUT_CONFIG": str(config), "TIEOUT_HOME": str(home)}
            return CliRunner().invoke(tieout, arguments, env=places | (environment or {}))

        yield invoke


def test_json_is_one_array_of_statements_that_add_up(run: Run) -> None:
    result = run("statement", "--period", "2026-10", "--format", "json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert [(s["reconciliation"], s["side"]) for s in found] == [
        ("settlement_to_ledger", "source"),
        ("settlement_to_ledger", "target"),
    ]
    rows = found[0]["rows"]
    assert rows["received"] == {"count": 4, "amount": "159.00"}
    assert rows["quarantined"] == {"count": 1, "amount": "12.00"}
    assert rows["matched"] == {"count": 1, "amount": "100.00"}
    assert rows["breaks"] == {"count": 2, "amount": "47.00"}
    assert rows["unexplained"] == {"count": 0, "amount": "0.00"}
    assert set(found[0]) >= {"period", "entity", "currency", "breaks_by_class", "open_items"}


def test_text_is_the_statement_as_people_read_it(run: Run) -> None:
    result = run("statement", "settlement_to_ledger", "--period", "2026-10-05")
    lines = result.stdout.splitlines()
    assert lines[0] == "settlement_to_ledger, 2026-10-05, A, USD"
    assert max(map(len, lines)) <= 100
    received = next(line for line in lines if line.startswith("received"))
    assert received.split()[-4:] == ["4", "159.00", "3", "103.99"]
    assert "! " not in result.stdout


def test_breaks_come_with_a_sentence_and_their_figures(run: Run) -> None:
    found = json.loads(run("breaks", "--period", "2026-10", "--format", "json").stdout)
    by_line = {one["line_id"]: one for one in found}
    assert by_line["=ch_2"]["class"] == "missing_in_target"
    assert "50.00 USD" in by_line["=ch_2"]["explanation"]
    assert by_line["ch_1:fee"]["class"] == "fee_variance"
    assert by_line["ch_1:fee"]["counterpart"] == "je_2"
    assert by_line["je_3"]["class"] == "missing_in_source"
    only = run("breaks", "--period", "2026-10", "--class", "fee_variance", "--format", "json")
    assert {one["line_id"] for one in json.loads(only.stdout)} == {"ch_1:fee", "je_2"}


def test_the_csv_of_breaks_is_safe_and_complete(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "breaks.csv"
    result = run("breaks", "--period", "2026-10", "--output", str(path))
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    assert len(rows) == 4
    assert "'=ch_2" in {row["line_id"] for row in rows}


@pytest.mark.parametrize("name", ["s.html", "s.md", "s.xlsx", "s.json", "s.txt"])
def test_a_file_s_name_says_the_format(run: Run, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    result = run("statement", "--period", "2026-10", "--output", str(path))
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    starts = {".html": b"<!DOCTYPE html>", ".md": b"**", ".xlsx": b"PK", ".json": b"["}
    assert path.read_bytes().startswith(starts.get(path.suffix, b"settlement_to_ledger"))
    if path.suffix == ".xlsx":
        sheet = openpyxl.load_workbook(path)["Breaks"]
        assert "=ch_2" in {row[4] for row in sheet.iter_rows(values_only=True)}
    if path.suffix == ".html":
        assert "<svg" in path.read_text()


def test_a_file_without_a_known_ending_asks_for_the_format(run: Run, tmp_path: Path) -> None:
    result = run("statement", "--period", "2026-10", "--output", str(tmp_path / "s.pdf"))
    assert result.exit_code == 2
    assert "--format" in result.stderr


def test_an_empty_period_says_so_and_what_to_do(run: Run) -> None:
    result = run("statement", "--period", "2026-09")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "No lines are known for 2026-09." in result.stderr
    assert "`tieout run --from 2026-09-01 --to 2026-09-30`" in result.stderr
    as_json = run("statement", "--period", "2026-09", "--format", "json")
    assert json.loads(as_json.stdout) == []
    none = run("breaks", "--period", "2026-10", "--class", "ambiguous")
    assert none.stderr == "No ambiguous breaks in 2026-10, among 6 accepted lines.\n"


def test_unknown_names_are_answered_with_near_ones(run: Run) -> None:
    wrong = run("statement", "settlement_to_leger", "--period", "2026-10")
    assert wrong.exit_code == 2
    assert "did you mean 'settlement_to_ledger'?" in wrong.stderr
    wrong = run("breaks", "--period", "2026-10", "--class", "fee_varience")
    assert "did you mean 'fee_variance'?" in wrong.stderr
    wrong = run("statement", "--period", "2026-10", "--entity", "Z")
    assert "there are A, B" in wrong.stderr
    wrong = run("statement", "--period", "October")
    assert wrong.exit_code == 2
    assert "write a month (2026-10) or a day (2026-10-15)" in wrong.stderr


def test_filters_leave_only_what_was_asked_for(run: Run) -> None:
    assert (
        json.loads(
            run("statement", "--period", "2026-10", "--entity", "B", "--format", "json").stdout
        )
        == []
    )
    kept = run("statement", "--period", "2026-10", "--entity", "A", "--currency", "USD",
               "--format", "json")  # fmt: skip
    assert len(json.loads(kept.stdout)) == 2


def test_a_home_nobody_ran_in_is_not_made(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    result = run("statement", "--period", "2026-10", "--home", str(missing))
    assert result.exit_code == 1
    assert "nothing has been run in" in result.stderr
    assert not missing.exists()


def test_line_finds_a_payment_across_the_systems(run: Run) -> None:
    found = json.loads(run("line", "pay_1", "--json").stdout)
    asked = [one["line_id"] for one in found["lines"] if one["found_as"] == "asked"]
    assert asked == ["ch_1", "ch_1:fee"]
    joined = [one for one in found["lines"] if one["found_as"] == "matched"]
    assert [(one["feed"], one["line_id"]) for one in joined] == [("erp", "je_1")]
    charge = found["lines"][0]
    assert charge["file"] == "psp_1005.csv"
    assert charge["amount"] == "100.00"
    (outcome,) = charge["outcomes"]
    assert (outcome["outcome"], outcome["rule"]) == ("matched", "by_line")
    assert outcome["explanation"] == "Matched by by_line with je_1 (erp), complete on 2026-10-05."
    (fee,) = found["lines"][1]["outcomes"]
    assert (fee["outcome"], fee["break_class"]) == ("break", "fee_variance")


def test_line_finds_a_batch_a_journal_and_a_row_s_own_lines(run: Run) -> None:
    def asked(ref: str) -> set[str]:
        found = json.loads(run("line", ref, "--json").stdout)
        return {one["line_id"] for one in found["lines"] if one["found_as"] == "asked"}

    assert asked("batch_7") == {"ch_1", "ch_1:fee", "=ch_2"}
    assert asked("JE-1") == {"je_1", "je_2", "je_3"}
    assert asked("ch_1") == {"ch_1", "ch_1:fee", "je_1"}


@pytest.mark.parametrize("ref", ["ch_3", "pay_3"])
def test_line_finds_what_was_refused(run: Run, ref: str) -> None:
    found = json.loads(run("line", ref, "--json").stdout)
    assert found["lines"] == []
    (refused,) = found["refused"]
    assert (refused["reason"], refused["row_number"]) == ("not_a_number", 4)
    text = run("line", ref).stdout
    assert "gross is 'NaN'" in text
    assert "-> ask for the row again" in text


def test_line_reads_well_and_says_when_nothing_is_known(run: Run) -> None:
    text = run("line", "pay_1").stdout
    assert text.startswith("2 lines with pay_1\n------------------\npsp  ch_1  A  100.00 USD")
    assert "row 1 of psp_1005.csv" in text
    assert "settlement_to_ledger: fee_variance: " in text
    nothing = run("line", "pay_404")
    assert nothing.exit_code == 1
    assert nothing.stdout == ""
    assert "Nothing is known of 'pay_404'. Lines are known from 2026-10-05" in nothing.stderr
    assert json.loads(run("line", "pay_404", "--json").stdout)["lines"] == []


def test_a_batch_is_explained_to_zero_line_by_line(run: Run) -> None:
    whole = run("explain", "settlement_to_ledger", "--period", "2026-10")
    assert whole.exit_code == 0, whole.output
    lines = [line.rsplit(maxsplit=2) for line in whole.stdout.splitlines()]
    assert ["source", "3", "147.00"] in lines
    assert ["  fee_variance", "2", "-0.01"] in lines
    assert ["  missing_in_source", "1", "7.00"] in lines
    assert ["target", "3", "103.99"] in lines
    assert lines[-1] == ["unexplained", "0.00"]

    batch = json.loads(run("explain", "batch_7", "--json").stdout)
    (one,) = batch
    assert (one["source"], one["unexplained"]) == ({"count": 3, "amount": "147.00"}, "0.00")
    # The postings that answer the batch, and the fee's: not the one that nothing is behind.
    assert one["target"] == {"count": 2, "amount": "96.99"}
    kinds = {(step["kind"], step["label"]): step["amount"] for step in one["steps"]}
    assert kinds["open_source", "missing_in_target"] == "-50.00"
    payment = json.loads(run("explain", "pay_2", "--json").stdout)
    assert payment[0]["source"] == {"count": 1, "amount": "50.00"}


@pytest.mark.parametrize("asked", ["ch_1:fee", "je_2"])
def test_a_line_is_explained_with_the_one_it_differs_from(run: Run, asked: str) -> None:
    """The step is the difference of the two, a cent, and not the whole of the line asked for."""
    (one,) = json.loads(run("explain", asked, "--json").stdout)
    assert (one["source"]["amount"], one["target"]["amount"]) == ("-3.00", "-3.01")
    assert {step["label"] for step in one["steps"] if "open" in step["kind"]} == {"fee_variance"}
    shown = [line.rsplit(maxsplit=2) for line in run("explain", asked).stdout.splitlines()]
    assert ["  fee_variance", "2", "-0.01"] in shown


def test_what_cannot_be_explained_is_said(run: Run) -> None:
    asked = run("explain", "settlement_to_ledger")
    assert asked.exit_code == 2
    assert "--period" in asked.output
    nobody = run("explain", "batch_8")
    assert (nobody.exit_code, nobody.stdout) == (0, "")
    assert "No reconciliation has a line of 'batch_8'" in nobody.stderr
    assert "a batch needs no --period" in run("explain", "batch_7", "--period", "2026-10").output
