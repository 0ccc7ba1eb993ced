"""Rows -> lines: every row ends in exactly one place, and what it was worth is all there.

The oracle is written with Decimal, row by row, from the cells themselves.
"""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from functools import cache

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.formats.catalogue import formats
from tieout.formats.mapping import Plan, Surroundings
from tieout.formats.parsing import Dialect
from tieout.lines.columns import columns
from tieout.lines.convert import SOURCES, Converted, Converter

DAY = date(2026, 10, 5)
SOURCE = pl.DataFrame([(0, "psp", "a" * 64, DAY)], schema=SOURCES, orient="row")
START = date(2026, 10, 1)
NAMES = {"NL": "NL", "Acme": "NL"}

HUNDREDTHS = st.integers(-(10**7), 10**7).map(lambda n: f"{Decimal(n).scaleb(-2):f}")
AMOUNT = st.one_of(
    HUNDREDTHS, HUNDREDTHS, HUNDREDTHS, st.sampled_from(["", "x", "1e3", "0.00005", "9" * 15])
)
STRIPE_ROW = st.fixed_dictionaries(
    {
        "gross": AMOUNT,
        "fee": AMOUNT,
        "net": AMOUNT,
        "currency": st.sampled_from(["usd", "EUR", "XXQ", ""]),
        "reporting_category": st.sampled_from(["charge", "refund", "payout", "fee", "new_thing"]),
        "created_utc": st.sampled_from(
            ["2026-10-05 10:00:00", "2026-13-01 00:00:00", "0001-01-01"]
        ),
        "balance_transaction_id": st.sampled_from(["txn_1", "txn_2", "a b", "x" * 129]),
    }
)


@cache
def converter(name: str, entity: str | None = "NL") -> Converter:
    return Converter(Plan(formats()[name]), Surroundings(NAMES, entity), Dialect(), START)


def convert(name: str, rows: list[dict[str, str]], entity: str | None = "NL") -> Converted:
    layout = formats()[name]
    raw = pl.DataFrame(
        [{h: row.get(h) for h in layout.headers()} for row in rows],
        schema=dict.fromkeys(layout.headers(), pl.String()),
    ).select(
        pl.lit(0, pl.Int32).alias("extract"),
        pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias("source_row"),
        pl.all(),
    )
    return converter(name, entity).convert(raw, SOURCE)


@given(st.lists(STRIPE_ROW, max_size=12))
def test_every_row_is_accepted_or_refused_and_its_lines_foot_to_its_net(
    rows: list[dict[str, str]],
) -> None:
    made = convert("stripe_balance", rows)
    accepted = set(made.rows["source_row"])
    refused = set(made.refused["source_row"])
    assert accepted | refused == set(range(2, len(rows) + 2))
    assert not accepted & refused
    assert set(made.lines["row_number"]) == accepted
    assert made.lines.drop("extract", "source_row").schema == pl.Schema(columns("settlement"))
    for number in accepted:
        row = rows[number - 2]
        net = Decimal(row["net"])
        if row["reporting_category"] == "payout":
            net = -abs(net)
        lines = made.lines.filter(pl.col("row_number") == number)
        assert lines["amount"].sum() == net
        fee = lines.filter(pl.col("line_id").str.ends_with(":fee"))["amount"].sum()
        assert fee == -Decimal(row["fee"] or 0)


@given(st.lists(STRIPE_ROW, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_change_what_becomes_of_them(
    rows: list[dict[str, str]], chance: random.Random
) -> None:
    order = list(range(len(rows)))
    chance.shuffle(order)
    one = convert("stripe_balance", rows)
    other = convert("stripe_balance", [rows[n] for n in order])
    back = {new + 2: old + 2 for new, old in enumerate(order)}
    assert {(r, why) for r, why in one.refused.select("source_row", "reason").rows()} == {
        (back[r], why) for r, why in other.refused.select("source_row", "reason").rows()
    }
    assert sorted(one.lines["amount"]) == sorted(other.lines["amount"])


GOOD = {
    "posting_date": "2026-10-05",
    "journal_ref": "J1",
    "account": "1200",
    "currency": "EUR",
    "amount": "10.00",
    "entity": "Acme",
}


@pytest.mark.parametrize(
    ("changes", "reason", "column", "value"),
    [
        ({"currency": "USX"}, "unknown_currency", "currency", "USX"),
        ({"currency": ""}, "missing_value", "currency", None),
        ({"entity": "Nobody"}, "unknown_entity", "entity", "Nobody"),
        ({"posting_date": "2025-09-29"}, "date_out_of_range", "occurred_on", "2025-09-29"),
        ({"posting_date": "2027-10-07"}, "date_out_of_range", "period", "2027-10-07"),
        ({"posting_date": "9999-12-31"}, "date_out_of_range", "occurred_on", "9999-12-31"),
        ({"posting_date": "2026-02-30"}, "not_a_date", "posting_date", "2026-02-30"),
        ({"line_id": "a b"}, "bad_line_id", "line_id", "a b"),
        ({"line_id": "=1+1"}, "bad_line_id", "line_id", "=1+1"),
        ({"amount": ""}, "missing_value", "amount", None),
        ({"amount": "0.00001"}, "number_does_not_fit", "amount", "0.000010000000"),
        ({"amount": "123456789012345"}, "number_does_not_fit", "amount", "123456789012345.0"),
        ({"accounting_period": "Q4"}, "bad_period", "accounting_period", "Q4"),
        ({"status": "odd"}, "unknown_value", "status", "odd"),
    ],
)
def test_a_bad_row_is_refused_with_reason_column_value_and_remedy(
    changes: dict[str, str], reason: str, column: str, value: str | None
) -> None:
    made = convert("ledger_csv", [GOOD, GOOD | changes, GOOD])
    assert made.rows["source_row"].to_list() == [2, 4]
    row = made.refused.row(0, named=True)
    assert (row["source_row"], row["reason"], row["column"]) == (3, reason, column)
    assert (row["value"] or "").startswith(value or "")
    assert (row["value"] is None) == (value is None)
    assert row["message"]
    assert row["remedy"]


def test_of_several_reasons_the_first_is_shown_and_what_can_be_read_is_kept() -> None:
    bad = GOOD | {"entity": "Nobody", "currency": "USX", "amount": "1e3", "line_id": "a b"}
    made = convert("ledger_csv", [bad, GOOD | {"entity": "Nobody"}])
    assert made.refused.select("reason", "entity", "currency", "amount").rows() == [
        ("not_a_number", None, "XXX", Decimal(0)),
        ("unknown_entity", None, "EUR", Decimal(10)),
    ]


def test_a_row_that_names_no_entity_is_the_feeds() -> None:
    assert convert("ledger_csv", [GOOD | {"entity": ""}]).lines["entity"].to_list() == ["NL"]
    assert convert("ledger_csv", [GOOD | {"entity": ""}], None).refused["reason"].to_list() == [
        "unknown_entity"
    ]


def test_drafts_are_counted_and_no_lines_whatever_else_is_wrong_with_them() -> None:
    draft = GOOD | {"status": "draft", "entity": "Nobody", "currency": "USX"}
    made = convert("ledger_csv", [GOOD, draft])
    assert made.skipped.rows() == [(0, 3, "not_posted")]
    assert made.refused.height == 0
    assert made.lines.height == 1


def test_accounts_get_the_class_of_their_entity_then_of_all_then_unmapped() -> None:
    accounts = {("NL", "1200"): "clearing", ("*", "1200"): "bank", ("*", "4000"): "revenue"}
    around = Surroundings({"NL": "NL", "US": "US"}, None, accounts)
    layout = formats()["ledger_csv"]
    rows = [
        {**GOOD, "entity": e, "account": a}
        for e, a in (("NL", "1200"), ("US", "1200"), ("US", "4000"), ("NL", "0110"))
    ]
    raw = pl.DataFrame(
        [{h: row.get(h) for h in layout.headers()} for row in rows],
        schema=dict.fromkeys(layout.headers(), pl.String()),
    ).select(
        pl.lit(0, pl.Int32).alias("extract"),
        pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias("source_row"),
        pl.all(),
    )
    made = Converter(Plan(layout), around, Dialect(), START).convert(raw, SOURCE)
    assert made.lines["account_class"].to_list() == ["clearing", "bank", "revenue", "unmapped"]


def test_control_amounts_count_every_row_whatever_becomes_of_it() -> None:
    rows = [
        GOOD,
        GOOD | {"status": "draft"},
        GOOD | {"entity": "Nobody"},
        GOOD | {"amount": "-4.00"},
    ]
    made = convert("ledger_csv", rows)
    assert made.control.rows() == [
        (0, "", "EUR", 1, Decimal(10)),
        (0, "NL", "EUR", 3, Decimal(20)),
    ]
