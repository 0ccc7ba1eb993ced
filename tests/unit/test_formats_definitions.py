"""Every declaration: loads, recognises its own files, is documented, and maps a row as it should.

The rows are written here by hand in each sender's way; what they must become is stated beside them.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tieout.errors import ConfigurationError
from tieout.formats import document
from tieout.formats.catalogue import OWN, format_of, formats, read, recognised
from tieout.inspection import inspect, read_once
from tieout.lines.columns import SETTLEMENT_CATEGORIES
from tieout.settings import Settings

NAMES = sorted(path.stem for path in OWN.glob("*.yaml"))
FILES = [name for name in NAMES if formats()[name].webhook is None]


@pytest.mark.parametrize("name", NAMES)
def test_a_declaration_is_named_like_its_file_and_says_where_it_is_documented(name: str) -> None:
    layout = formats()[name]
    assert layout.documentation.startswith(("https://", "docs/"))
    assert layout.notes
    assert all(column.description for column in layout.columns.values())


@pytest.mark.parametrize("name", FILES)
def test_a_file_with_a_formats_headers_is_recognised_as_that_format_first(name: str) -> None:
    layout = formats()[name]
    assert recognised(layout.headers(), formats())[0].name == name
    aliased = [c.aliases[0] if c.aliases else c.headers[0] for c in layout.columns.values()]
    assert name in [f.name for f in recognised([h.upper() for h in aliased], formats())]


def test_settlement_formats_map_to_the_categories_there_are() -> None:
    for layout in formats().values():
        if layout.kind == "settlement" and "category" in layout.columns:
            words = set(layout.columns["category"].values.values())
            assert words <= set(SETTLEMENT_CATEGORIES)


def test_the_page_about_formats_is_current() -> None:
    assert document.PAGE.read_text(encoding="utf-8") == document.page(), (
        "run `python -m tieout.formats.document` and commit docs/formats.md"
    )


def test_the_page_names_every_header_and_every_canonical_column() -> None:
    page = document.page()
    for layout in formats().values():
        assert f"## {layout.title}" in page
        for header in layout.headers():
            assert f"`{header}`" in page
        for name in layout.webhook.types if layout.webhook else ():
            assert f"| `{name}` |" in page


def lines_of(
    tmp_path: Path, content: str, name: str = "in.csv"
) -> tuple[str, pl.DataFrame, list[Any]]:
    """Format, lines by id and quarantined rows of a file that is only looked at."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    seen = inspect(path)
    assert seen.error is None, seen.error
    _, lines, _ = read_once(path, formats()[seen.formats[0]])
    return seen.formats[0], lines, list(seen.quarantined)


def figures(lines: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return lines.select("line_id", *columns).rows()


def test_stripe_balance_signs_payouts_and_fees(tmp_path: Path) -> None:
    text = (
        "balance_transaction_id,created_utc,available_on_utc,currency,gross,fee,net,"
        "reporting_category,source_id,automatic_payout_id,automatic_payout_effective_at_utc\n"
        "txn_1,2026-10-01 23:30:00,2026-10-03,usd,100.00,3.20,96.80,charge,ch_1,po_1,2026-10-05\n"
        "txn_2,2026-10-02 01:00:00,2026-10-03,USD,-20.00,0.00,-20.00,refund,re_1,po_1,2026-10-05\n"
        "txn_3,2026-10-05 00:00:00,2026-10-05,usd,76.80,0,76.80,payout,po_1,po_1,2026-10-05\n"
        "txn_4,2026-10-05 00:00:00,2026-10-05,usd,-5,0,-5,payout_reversal,po_0,po_0,2026-10-05\n"
    )
    name, lines, refused = lines_of(tmp_path, text)
    assert (name, refused) == ("stripe_balance", [])
    assert figures(lines, "category", "amount", "currency", "settlement_batch", "period") == [
        ("txn_1", "charge", Decimal(100), "USD", "po_1", date(2026, 10, 1)),
        ("txn_1:fee", "fee", Decimal("-3.2"), "USD", "po_1", date(2026, 10, 1)),
        ("txn_2", "refund", Decimal(-20), "USD", "po_1", date(2026, 10, 2)),
        ("txn_3", "payout", Decimal("-76.8"), "USD", "po_1", date(2026, 10, 5)),
        ("txn_4", "payout", Decimal(5), "USD", "po_0", date(2026, 10, 5)),
    ]


def test_adyen_in_two_currencies_takes_the_gross_from_net_and_fees(tmp_path: Path) -> None:
    header = (
        "Merchant Account,Psp Reference,Merchant Reference,Creation Date,TimeZone,Type,"
        "Modification Reference,Gross Currency,Gross Debit (GC),Gross Credit (GC),Exchange Rate,"
        "Net Currency,Net Debit (NC),Net Credit (NC),Commission (NC),Batch Number\n"
    )
    row = "M,P1,O1,2026-10-05 00:30:00,CET,Settled,R1,USD,,110.00,0.9,EUR,,98.00,1.00,7\n"
    _, lines, _ = lines_of(tmp_path, header + row)
    assert figures(lines, "amount", "currency", "presentment_currency", "presentment_amount") == [
        ("P1.Settled.R1", Decimal(99), "EUR", "USD", Decimal(110)),
        ("P1.Settled.R1:fee", Decimal(-1), "EUR", None, None),
    ]
    assert set(lines["period"]) == {date(2026, 10, 4)}


def test_zuora_takes_the_tax_apart_and_leaves_drafts_out(tmp_path: Path) -> None:
    header = (
        "Invoice Item: ID,Invoice: Invoice Number,Invoice: Invoice Date,Invoice: Status,"
        "Account: Account Number,Subscription: Name,Invoice Item: Charge Name,"
        "Product Rate Plan Charge: Charge Type,Invoice Item: Processing Type,"
        "Invoice Item: Quantity,Invoice Item: Unit Price,Invoice Item: Charge Amount,"
        "Invoice Item: Tax Amount,Invoice Item: Service Start Date,Account: Currency\n"
    )
    rows = (
        "i1,INV1,2026-10-05,Posted,A1,S1,Seats,Recurring,Charge,3,10,30.00,5.70,2026-10-01,EUR\n"
        "i2,INV1,2026-10-05,Posted,A1,S1,Calls,Usage,Charge,100,0.01,1.00,0,2026-09-01,EUR\n"
        "i3,INV1,2026-10-05,Posted,A1,S1,10% off,Recurring,Discount,,,-3.00,-0.57,,EUR\n"
        "i4,INV1,2026-10-05,Posted,A1,S1,Seats (proration),Recurring,Charge,1,5,-5.00,0,,EUR\n"
        "i5,INV2,2026-10-05,Draft,A1,S1,Seats,Recurring,Charge,3,10,30.00,5.70,,EUR\n"
    )
    name, lines, refused = lines_of(tmp_path, header + rows)
    assert (name, refused) == ("zuora_invoice_items", [])
    assert figures(lines, "line_type", "amount", "meter", "discount") == [
        ("i1", "charge", Decimal(30), None, None),
        ("i1:tax", "tax", Decimal("5.7"), None, None),
        ("i2", "usage", Decimal(1), "Calls", None),
        ("i3", "credit", Decimal(-3), None, Decimal(3)),
        ("i3:tax", "tax", Decimal("-0.57"), None, None),
        ("i4", "proration", Decimal(-5), None, None),
    ]


def test_stripe_invoice_lines_are_in_minor_units_and_may_include_their_tax(tmp_path: Path) -> None:
    text = (
        "id,invoice_id,invoice_number,invoice_date,customer_id,subscription_id,currency,amount,"
        "tax_amount,tax_behavior,discount_amount,quantity,proration,period_start,period_end\n"
        "il_1,in_1,N-1,2026-10-05 00:00:00,cus,sub,usd,1190,190,inclusive,,1,false,2026-10-01,\n"
        "il_2,in_1,N-1,2026-10-05 00:00:00,cus,sub,jpy,5000,500,exclusive,1000,2,true,2026-10-01,\n"
    )
    name, lines, refused = lines_of(tmp_path, text)
    assert (name, refused) == ("stripe_invoice_lines", [])
    assert figures(lines, "line_type", "amount", "tax") == [
        ("il_1", "charge", Decimal(10), Decimal("1.9")),
        ("il_1:tax", "tax", Decimal("1.9"), None),
        ("il_2", "proration", Decimal(4000), Decimal(500)),
        ("il_2:tax", "tax", Decimal(500), None),
    ]


def test_the_same_invoice_lines_as_ndjson(tmp_path: Path) -> None:
    text = (
        '{"id": "il_1", "invoice": "in_1", "created": "2026-10-05", "currency": "usd", '
        '"amount": 1190, "proration": false, "period": {"start": "2026-10-01", "end": null}}\n'
    )
    name, lines, refused = lines_of(tmp_path, text, "in.ndjson")
    assert (name, refused) == ("stripe_invoice_lines", [])
    assert figures(lines, "amount", "service_start") == [
        ("il_1", Decimal("11.9"), date(2026, 10, 1))
    ]


def test_netsuite_counts_posted_lines_of_the_primary_book(tmp_path: Path) -> None:
    text = (
        "Transaction ID,Line ID,Accounting Book,Document Number,Date,Posting Period,Posting,"
        "Subsidiary,Account Number,Currency,Debit (Foreign),Credit (Foreign),Exchange Rate,Amount,"
        "Memo,custbody_batch_ref,custcol_line_ref\n"
        "77,1,Primary,PAY1,2026-10-31,Nov 2026,T,ACME,1090,EUR,90.00,,1.1,99.00,memo,B1,txn_1\n"
        "77,2,Primary,PAY1,2026-10-31,Nov 2026,T,ACME,1200,EUR,,90.00,1.1,-99.00,memo,,\n"
        "77,1,Secondary,PAY1,2026-10-31,Nov 2026,T,ACME,1090,EUR,90.00,,1.1,99.00,memo,B1,txn_1\n"
        "78,1,Primary,PAY2,2026-10-31,Nov 2026,F,ACME,1090,EUR,90.00,,1.1,99.00,memo,B1,txn_1\n"
    )
    name, lines, refused = lines_of(tmp_path, text)
    assert (name, refused) == ("netsuite_transaction_lines", [])
    assert figures(lines, "amount", "functional_amount", "accounting_period", "batch_ref") == [
        ("77-1", Decimal(90), Decimal(99), "2026-11", "B1"),
        ("77-2", Decimal(-90), Decimal(-99), "2026-11", None),
    ]
    assert inspect(tmp_path / "in.csv").rows == {
        "received": 4,
        "accepted": 2,
        "quarantined": 0,
        "secondary_book": 1,
        "not_posted": 1,
    }


def test_plain_usage_is_rated_where_no_amount_is_stated(tmp_path: Path) -> None:
    text = (
        "record_id,customer,subscription,meter,quantity,unit_price,amount,currency,usage_start\n"
        "u1,c,s,calls,3,0.0000001,,USD,2026-10-05T13:00:00Z\n"
        "u2,c,s,calls,3,0.0000001,7,USD,2026-10-05 13:00:00\n"
        "u3,c,s,calls,99999999999,99999999999,,USD,2026-10-05 13:00:00\n"
    )
    name, lines, refused = lines_of(tmp_path, text)
    assert name == "usage_csv"
    assert figures(lines, "amount") == [("u1", Decimal("0.0000003")), ("u2", Decimal(7))]
    assert [(r["row_number"], r["reason"], r["column"]) for r in refused] == [
        (4, "missing_value", "amount")
    ]


def test_focus_records_without_an_id_get_a_digest_that_stays_the_same(tmp_path: Path) -> None:
    header = (
        "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
        "ChargePeriodEnd,ChargeCategory,PricingQuantity,SkuId\n"
    )
    moments = "2026-10-01T00:00:00Z,2026-10-05T13:00:00Z,2026-10-05T14:00:00Z"
    row = f"0.00000080000,acct,USD,{moments},Usage,2,SKU\n"
    other = row.replace("SKU", "SKU2").replace("80000", "80001")
    name, lines, refused = lines_of(tmp_path, header + row + other)
    assert (name, refused) == ("focus_1_0", [])
    assert lines["line_id"].n_unique() == 2
    again = lines_of(tmp_path, header + other + row)[1]
    assert set(lines["line_id"]) == set(again["line_id"])
    assert lines["amount"].to_list() == [Decimal("0.0000008"), Decimal("0.00000080001")]


MINE = """
name: mine
title: Mine
kind: settlement
documentation: https://example.test/mine
notes: [Unsigned cents with a flag.]
reader: {type: csv, delimiter: ";"}
recognise: [id, flag]
columns:
  id: {header: Ref, required: true, filled: true, description: id}
  cents: {header: Cents, type: decimal, minor_units: currency, required: true, description: cents}
  flag: {header: CRDR, required: true, values: {CR: plus, DR: minus}, description: direction}
  currency: {header: Cur, required: true, description: currency}
  day: {header: Day, type: date, format: "%Y%m%d", required: true, description: day}
derive: {net: "case when flag = 'DR' then -cents when flag = 'minus' then -cents else cents end"}
line_id: id
row: {currency: currency, occurred_on: day, period: day}
lines: [{columns: {category: "'charge'", amount: net}}]
foots_to: net
control_amount: net
"""


def test_a_format_of_ones_own_is_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "formats"
    folder.mkdir()
    (folder / "mine.yaml").write_text(MINE, encoding="utf-8")
    settings = Settings.model_validate(
        {
            "company": "x",
            "calendar": {"start": "2026-10-01"},
            "entities": {"NL": {"name": "N", "currency": "EUR"}},
            "feeds": {"own": {"format": "mine", "location": "x", "entity": "NL"}},
            "reconciliations": {"r": {"chain": ["a", "b"]}},
            "formats": "formats",
            "base": tmp_path,
        }
    )
    assert format_of(settings, "own").title == "Mine"
    path = tmp_path / "in.csv"
    path.write_text("Ref;Cents;CRDR;Cur;Day\na;1250;CR;EUR;20261005\nb;500;DR;JPY;20261005\n")
    seen = inspect(path, settings)
    assert seen.formats == ("mine",)
    assert seen.lines == (
        {"group": "charge", "currency": "EUR", "count": 1, "amount": "12.50"},
        {"group": "charge", "currency": "JPY", "count": 1, "amount": "-500"},
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("kind: settlement", "kind: settlements", 4, "kind: Input should be 'settlement', 'usage'"),
        ("line_id: id", "line_id: idd", 16, "line_id reads idd"),
        ("currency: currency, occ", "curency: currency, occ", 17, "curency: no such column"),
        ("period: day}", "}", 17, "nothing gives period"),
        ("line_id: id", "line_id: 'coalesce('", 16, "is not an expression"),
        ("period: day}", "period: id}", 17, "period is String"),
        ("recognise: [id, flag]", "recognise: [id, flags]", 8, "no column flags"),
        (
            "foots_to: net",
            "foots_to: net\nextra: 1",
            20,
            "extra is not a setting; allowed here: al",
        ),
        ('type: date, format: "%Y%m%d",', "type: date,", 14, "format is for dates"),
        ("name: mine", "name: [mine", 3, "not valid YAML"),
        ("  id: {header", "  On: {header", 10, "columns.On: String should match pattern"),
        ("type: csv,", "typ: csv,", 7, "reader.typ is not a setting (did you mean 'type'?)"),
        ("header: Day, type: date", "header: Day, type: day", 14, "'decimal', 'integer', 'date'"),
        (
            "header: Ref, required",
            "header: {a: b}, required",
            10,
            "columns.id.header: Input should",
        ),
        ("header: Ref, required", "haeder: Ref, required", 10, "did you mean 'header'?"),
        ('net: "case', 'net: "abs(flag) + case', 15, "derive.net"),
        ("minor_units: currency", "minor_units: curr", 11, "columns.cents.minor_units: no column"),
        ("foots_to", "controls: {batch: {ref: b, payout: 'true'}}\nfoots_to", 19, "no column b;"),
        ("amount: net", "amount: day", 18, "amount is Date, and must be Decimal"),
        ("name: mine\n", "name: mine\nname: other\n", 3, "'name' is given twice"),
        ("derive: {net", "skip: {void: idd = 'x'}\nderive: {net", 15, "skip.void reads idd"),
        ("recognise: [id, flag]", "recognise: id", 8, "a list is meant here"),
    ],
)
def test_a_wrong_declaration_names_its_file_and_line_and_what_is_wrong(
    tmp_path: Path, old: str, new: str, line: int, problem: str
) -> None:
    assert old in MINE
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as told:
        read(path)
    (found,) = [text for text in str(told.value).splitlines() if problem in text]
    assert found.startswith(f"{path}:{line}: ")


def test_a_column_may_have_a_name_that_yaml_takes_for_a_truth(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    values = "{Y: plus, no: minus}"
    text = MINE.replace("{CR: plus, DR: minus}", values).replace("notes:", "also: [on, no]\nnotes:")
    path.write_text(text.replace("  day: {", "  on: {header: Yes, description: x}\n  day: {"))
    layout = read(path)
    assert layout.columns["on"].header == "Yes"
    assert layout.columns["flag"].values == {"Y": "plus", "no": "minus"}
    assert layout.also == ("on", "no")


@pytest.mark.parametrize("name", NAMES)
def test_a_declaration_that_comes_with_tieout_is_read_fast_as_it_is_read_with_care(
    name: str,
) -> None:
    assert read(OWN / f"{name}.yaml") == formats()[name]


def test_a_second_format_of_a_name_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MINE)
    (tmp_path / "b.yaml").write_text(MINE)
    settings = Settings.model_construct(base=tmp_path, formats=".")
    with pytest.raises(ConfigurationError) as told:
        formats(settings)
    assert f"{tmp_path / 'b.yaml'}:2: name: a second format" in str(told.value)


def test_keys_of_declarations_are_text() -> None:
    """YAML reads N, Y, no and on as true and false: words of a sender must be quoted."""
    for path in OWN.glob("*.yaml"):
        document_ = yaml.safe_load(path.read_text(encoding="utf-8"))
        for column in document_.get("columns", {}).values():
            assert all(isinstance(k, str) for k in column.get("values", {}))
