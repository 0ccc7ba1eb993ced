"""Markdown as Dagster shows it."""

from __future__ import annotations

import re

from hypothesis import given

from tests.unit.statement_values import HOSTILE, one_break, statement, statements
from tieout.model import Statement
from tieout.render import markdown


def cells(line: str) -> list[str]:
    """The cells of a table row: separated by bars that are not escaped."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_figures_are_right_aligned_and_both_sides_stand_beside_each_other() -> None:
    lines = markdown.statements([statement(), statement("target")]).splitlines()
    assert lines[0] == "**settlement_to_ledger, 2026-10, US01, USD**"
    assert cells(lines[2]) == ["", "source count", "source amount", "target count", "target amount"]
    assert cells(lines[3]) == [":--", "--:", "--:", "--:", "--:"]
    assert cells(lines[4])[1:3] == ["**12,031**", "**1,203,311.20**"]
    quarantined = next(line for line in lines if "quarantined" in line)
    assert cells(quarantined)[1:] == ["3", "-120.00", "3", "-120.00"]


@given(statements("source"), statements("target"))
def test_every_row_of_a_table_has_as_many_cells_as_its_heading(
    one: Statement, other: Statement
) -> None:
    table = markdown.statements([one, other]).splitlines()[2:]
    assert {len(cells(line)) for line in table} == {5}


def test_words_from_data_stay_words() -> None:
    shown = markdown.breaks([one_break(line_id=w, explanation=w) for w in HOSTILE])
    rows = shown.splitlines()
    assert len(rows) == 2 + len(HOSTILE)
    assert {len(cells(row)) for row in rows} == {7}
    assert not re.search(r"(?<!\\)[<`\[]", shown)
    assert "\x1b" not in shown


def test_only_the_largest_breaks_are_listed_and_the_rest_are_counted() -> None:
    given_breaks = [one_break(amount=str(n), line_id=f"txn_{n}") for n in range(1, 26)]
    shown = markdown.breaks(given_breaks, most=20)
    assert "txn_25" in shown
    assert "txn_5 " not in shown
    assert shown.endswith("\nand 5 smaller breaks\n")


def test_the_summary_has_one_row_a_statement() -> None:
    lines = markdown.summary([statement(), statement("target")]).splitlines()
    assert len([line for line in lines if line.startswith("| settlement_to_ledger")]) == 2
    assert cells(lines[2])[4:] == [
        "12,031 / 1,203,311.20",
        "5 / 208.10",
        "12,010 / 1,202,000.00",
        "4 / 500.00",
        "6 / 403.10",
        "6 / 200.00",
        "0 / 0.00",
        "99.83% / 99.89%",
    ]


def test_breaks_by_class_are_counted() -> None:
    shown = markdown.breaks_by_class([one_break(), one_break(amount="-50")])
    assert cells(shown.splitlines()[2]) == ["missing_in_target", "source", "USD", "2", "100.00"]
    assert markdown.breaks_by_class([]) == "No breaks.\n"
