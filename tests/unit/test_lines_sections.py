"""A settlement file of record types in one YAML file: unsigned cents, flags, two trailers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.inbox import Inbox, inbox, ledger, posting
from tieout.inspection import inspect

FORMAT = """
name: wire_report
title: A settlement report of record types
kind: settlement
documentation: https://example.test/wire
notes: [Amounts are unsigned cents with CR or DR beside them.]
reader:
  type: sections
  records:
    body: [SB]
    header_row: CH
    ignore: [RH, SH]
    trailers:
      - {record: SF, scope: section, currency: 1, total: 2, flag: 3, minor_units: true}
      - {record: SC, scope: section, count: 1}
      - {record: RF, count: 1}
recognise: [id, net, net_flag]
columns:
  kind: {header: CH, required: true, description: Record type}
  id: {header: Transaction ID, required: true, filled: true, description: Id}
  at:
    {header: Time, type: timestamp, format: "%Y/%m/%d %H:%M:%S", required: true, description: At}
  gross: {header: Gross, type: decimal, minor_units: currency, required: true, description: Gross}
  gross_flag: {header: Gross CR/DR, required: true, values: {CR: CR, DR: DR}, description: Flag}
  currency: {header: Currency, required: true, filled: true, description: Currency}
  fee: {header: Fee, type: decimal, minor_units: currency, required: true, description: Fee}
  net: {header: Net, type: decimal, minor_units: currency, required: true, description: Net}
  net_flag: {header: Net CR/DR, required: true, values: {CR: CR, DR: DR}, description: Flag}
derive:
  signed_gross: case when gross_flag = 'DR' then -gross else gross end
  signed_net: case when net_flag = 'DR' then -net else net end
line_id: id
row: {currency: currency, occurred_on: cast(at as date), period: cast(at as date)}
lines:
  - columns:
      category: case when gross_flag = 'DR' then 'refund' else 'charge' end
      amount: signed_gross
  - {suffix: fee, when: fee <> 0, columns: {category: "'fee'", amount: -fee}}
foots_to: signed_net
control_amount: signed_net
""".replace("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M:%S")

FILE = """RH,2026/10/05,A
SH,1
CH,Transaction ID,Time,Gross,Gross CR/DR,Currency,Fee,Net,Net CR/DR
SB,T1,2026/10/05 10:00:00,1000,CR,EUR,30,970,CR
SB,T2,2026/10/05 11:00:00,400,DR,EUR,0,400,DR
SF,EUR,570,CR
SC,2
SH,2
CH,Transaction ID,Time,Gross,Gross CR/DR,Currency,Fee,Net,Net CR/DR
SB,T3,2026/10/05 12:00:00,500,DR,JPY,0,500,DR
SF,JPY,500,DR
SC,1
RF,3
"""
FEED = '{format: wire_report, location: "wire/{date}.csv", entity: NL}'


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Inbox]:
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "wire_report.yaml").write_text(FORMAT, encoding="utf-8")
    with inbox(tmp_path, {"wire": FEED}, more="formats: formats") as opened:
        yield opened


def read(box: Inbox, text: str) -> list[tuple[str, str]]:
    box.put("wire/2026-10-05.csv", text)
    report = box.read("wire")[0]
    if report.status == "failed":
        return [("failed", report.error or "")]
    return box.failed("wire")


def test_the_file_foots_in_every_section(box: Inbox) -> None:
    assert read(box, FILE) == []
    assert box.lines("wire").select("line_id", "amount", "currency").rows() == [
        ("T1", Decimal(10), "EUR"),
        ("T1:fee", Decimal("-0.3"), "EUR"),
        ("T2", Decimal(-4), "EUR"),
        ("T3", Decimal(-500), "JPY"),
    ]
    checks = box.table("deliveries", "wire")
    assert checks["check"].to_list().count("control_total") == 2
    assert checks["check"].to_list().count("count") == 3


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("SF,EUR,570,CR", "SF,EUR,571,CR", ("control_total", "control_total_mismatch")),
        ("SF,JPY,500,DR", "SF,JPY,500,CR", ("control_total", "control_total_mismatch")),
        ("SC,1\nRF", "SC,2\nRF", ("count", "count_mismatch")),
        ("RF,3", "RF,4", ("count", "count_mismatch")),
        (",30,970,CR", ",30,971,CR", ("line_balance", "line_out_of_balance")),
    ],
)
def test_a_trailer_or_a_row_that_disagrees_is_told(
    box: Inbox, old: str, new: str, told: tuple[str, str]
) -> None:
    assert old in FILE
    assert told in read(box, FILE.replace(old, new, 1))


def test_an_error_in_one_section_is_not_made_good_by_another(box: Inbox) -> None:
    swapped = FILE.replace("SC,2", "SC,1").replace("SC,1\nRF", "SC,2\nRF")
    assert read(box, swapped) == [("count", "count_mismatch")] * 2


def test_a_missing_trailer_or_a_lost_row_stops_or_tells(box: Inbox) -> None:
    assert "does not end with a RF record" in read(box, FILE.replace("RF,3\n", ""))[0][1]
    without = FILE.replace("SB,T2,2026/10/05 11:00:00,400,DR,EUR,0,400,DR\n", "")
    told = read(box, without)
    assert told.count(("count", "count_mismatch")) == 2
    assert ("control_total", "control_total_mismatch") in told


BARE = (
    FORMAT.replace("name: wire_report", "name: bare_report")
    .replace(
        "header_row: CH",
        "positions: [rec, Transaction ID, Time, Gross, Gross CR/DR, Currency, Fee, Net, Net CR/DR]",
    )
    .replace("{header: CH, ", "{header: rec, ")
    .replace("ignore: [RH, SH]", "ignore: [RH, SH, CH]")
)


def test_a_format_that_names_its_own_columns_is_known_by_its_record_types(tmp_path: Path) -> None:
    """Its columns are in every file, for they are the format's own."""
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "bare.yaml").write_text(BARE, encoding="utf-8")
    feed = FEED.replace("wire_report", "bare_report")
    with inbox(tmp_path, {"wire": feed}, more="formats: formats") as box:
        assert read(box, FILE) == []
        settings = box.workplace.settings
        seen = inspect(box.put("x.csv", FILE), settings)
        assert (seen.formats, seen.notes) == (("bare_report",), ())
        seen = inspect(box.put("y.csv", ledger(posting(1))), settings)
        assert seen.formats == ("ledger_csv",)
