"""Breaks as CSV and JSON, and their totals."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.statement_values import HOSTILE, one_break
from tieout.render import breaks

DANGER = tuple("=+-@\t\r\n＝＋－＠")
WORDS = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.sampled_from("'=+-@\t\r\n,\"a＝ "), max_size=6)
)


def read(shown: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(shown, newline="")))


def without_mark(cell: str) -> str:
    """The rule as a reader applies it: one apostrophe off an escaped cell."""
    return cell[1:] if re.match("^'+[" + re.escape("".join(DANGER)) + "]", cell) else cell


@given(WORDS, WORDS)
def test_no_text_cell_of_the_csv_begins_a_formula_and_every_text_comes_back(
    word: str, other: str
) -> None:
    (row,) = read(breaks.as_csv([one_break(line_id=word, ref=other, explanation=word)]))
    for name, original in (("line_id", word), ("ref", other), ("explanation", word)):
        assert not row[name].startswith(DANGER)
        assert without_mark(row[name]) == original


def test_negative_amounts_are_figures_not_escaped_text() -> None:
    (row,) = read(breaks.as_csv([one_break(amount="-1234.5")]))
    assert row["amount"] == "-1234.50"
    assert row["counterpart"] == ""
    assert list(row) == list(breaks.COLUMNS)


def test_json_is_one_array_of_the_model_s_own_objects() -> None:
    given_breaks = [one_break(), one_break("late_usage", "0.00000008", line_id="ü")]
    assert json.loads(breaks.as_json(given_breaks)) == [b.as_json() for b in given_breaks]
    assert json.loads(breaks.as_json([])) == []


def test_totals_by_class_never_add_currencies_or_sides() -> None:
    given_breaks = [
        one_break("rounding", "0.01"),
        one_break("missing_in_target", "1"),
        one_break("missing_in_target", "2.50"),
        one_break("missing_in_target", "5", currency="EUR"),
        one_break("missing_in_target", "7", side="target"),
    ]
    found = [
        (t.break_class, t.side, t.currency, t.count, t.amount)
        for t in breaks.by_class(given_breaks)
    ]
    assert found == [
        ("missing_in_target", "source", "EUR", 1, Decimal(5)),
        ("missing_in_target", "source", "USD", 2, Decimal("3.50")),
        ("missing_in_target", "target", "USD", 1, Decimal(7)),
        ("rounding", "source", "USD", 1, Decimal("0.01")),
    ]


def test_an_extract_that_is_not_there_has_no_amount() -> None:
    nothing = one_break("missing_extract", "0", currency="XXX")
    shown = breaks.text([nothing])
    assert "XXX" not in shown
    assert " 0.00 " not in shown
    assert breaks.amounts_text([nothing]) == ""
    assert breaks.amounts_text([nothing, one_break(amount="2")]) == "2.00 USD"
    lost = one_break("control_total_mismatch", "3", currency="XXX")
    assert breaks.amounts_text([lost]) == "3.00 without a currency"


def test_the_largest_come_first_whatever_their_sign() -> None:
    given_breaks = [one_break(amount=a, line_id=a) for a in ("1", "-300", "20")]
    assert [b.line_id for b in breaks.largest(given_breaks, 2)] == ["-300", "20"]


def test_amounts_of_two_currencies_are_not_compared() -> None:
    yen = [one_break(amount=a, line_id=f"y{a}", currency="JPY") for a in ("9000", "8000", "7000")]
    dollars = [one_break(amount=a, line_id=f"d{a}") for a in ("90", "80")]
    shown = [b.line_id for b in breaks.largest([*yen, *dollars], 4)]
    assert shown == ["y9000", "d90", "y8000", "d80"]
