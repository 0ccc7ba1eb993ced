"""Windows -> published tables: nothing lost, nothing twice, the last good state stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.inbox import LEDGER, Inbox, configure, inbox, ledger, posting
from tieout.errors import FencedError, TieoutError
from tieout.extracts import take_in
from tieout.lines.columns import DELIVERIES, QUARANTINE, columns
from tieout.lines.ingest import WindowReport, refresh_lines
from tieout.lines.quarantine import listing, readmit, show
from tieout.periods import Period
from tieout.statement import statements
from tieout.workplace import Workplace

DAY = "2026-10-05"
OCTOBER_5 = f"ledger/{DAY}.csv"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Inbox]:
    with inbox(tmp_path / "in", {"erp": LEDGER}) as opened:
        yield opened


def only(reports: list[WindowReport]) -> WindowReport:
    assert len(reports) == 1
    return reports[0]


def test_a_window_gets_its_four_tables_with_the_columns_agreed(box: Inbox) -> None:
    box.put(OCTOBER_5, ledger(posting(1), posting(2, account="9"), posting(3, currency="USX")))
    report = only(box.read("erp"))
    assert (report.status, report.lines) == ("published", 2)
    assert report.rows == {"received": 3, "accepted": 2, "quarantined": 1, "duplicates": 0}
    assert box.lines("erp").schema == pl.Schema(columns("ledger"))
    assert box.table("quarantine", "erp").schema == pl.Schema(QUARANTINE)
    assert box.table("deliveries", "erp").schema == pl.Schema(DELIVERIES)
    assert box.lines("erp").select("line_id", "amount", "account_class").rows() == [
        ("L1", Decimal(10), "clearing"),
        ("L2", Decimal(10), "unmapped"),
    ]
    refused = box.table("quarantine", "erp").row(0, named=True)
    assert (refused["file"], refused["row_number"]) == (f"{DAY}.csv", 4)
    assert json.loads(refused["row"])["currency"] == "USX"
    assert report.totals["EUR"]["accepted"] == {"count": 2, "amount": "20.00"}
    assert report.totals["XXX"]["received"] == {"count": 1, "amount": "10.00"}


def test_nothing_is_read_again_while_nothing_has_changed(box: Inbox) -> None:
    box.put(OCTOBER_5, ledger(posting(1)))
    first = only(box.read("erp"))
    again = only(box.read("erp"))
    assert again.status == "unchanged"
    assert (again.rows, again.totals, again.lines) == (first.rows, first.totals, first.lines)
    assert box.workplace.register.heads("lines/erp")[DAY].version == 1


def test_a_changed_file_is_a_new_version_and_is_worked_again(box: Inbox) -> None:
    box.put(OCTOBER_5, ledger(posting(1)))
    box.read("erp")
    box.put(OCTOBER_5, ledger(posting(1, "11.00"), posting(2)))
    assert only(box.read("erp")).status == "published"
    assert box.lines("erp")["amount"].to_list() == [Decimal(11), Decimal(10)]
    assert box.workplace.register.heads("lines/erp")[DAY].version == 2


def test_lines_that_a_new_version_lacks_are_told(box: Inbox) -> None:
    box.put(OCTOBER_5, ledger(*(posting(n) for n in range(1, 6))))
    assert only(box.read("erp")).notes == ()
    box.put(OCTOBER_5, ledger(posting(6)))
    assert only(box.read("erp")).notes == (
        "a new version of the extract gives 1 instead of 5 lines; 5 of before are gone: "
        "L1, L2, L3 ...",
    )
    assert only(box.read("erp")).notes == (), "said once"
    box.put(OCTOBER_5, ledger(posting(6), posting(7)))
    assert only(box.read("erp")).notes == ()
    header = ledger(posting(1)).splitlines()[0]
    box.put(OCTOBER_5, f"{header}\n")
    assert "0 instead of 2 lines" in only(box.read("erp")).notes[-1]


def test_a_changed_account_map_entity_or_format_is_worked_again(box: Inbox) -> None:
    box.put(OCTOBER_5, ledger(posting(1, account="4000")))
    assert box.read("erp")
    assert box.lines("erp")["account_class"].to_list() == ["revenue"]
    config = box.folder / "tieout.yaml"
    config.write_text(config.read_text().replace('"4000": revenue', '"4000": fee'))
    with Workplace.open(config, box.folder / ".tieout") as changed:
        assert only(refresh_lines(changed, "erp", [DAY], run_id="r")).status == "published"
    assert box.lines("erp")["account_class"].to_list() == ["fee"]


def test_a_window_without_an_extract_says_so_and_heals_when_it_comes(box: Inbox) -> None:
    report = only(box.read("erp", [DAY]))
    assert report.status == "missing"
    assert [d["break_class"] for d in report.deliveries] == ["missing_extract"]
    assert box.failed("erp") == [("arrival", "missing_extract")]
    box.put(OCTOBER_5, ledger(posting(1)))
    assert only(box.read("erp", [DAY])).status == "published"
    assert box.failed("erp") == []


def test_a_torn_extract_leaves_the_last_good_lines_and_the_other_windows_alone(box: Inbox) -> None:
    box.put(OCTOBER_5, ledger(posting(1)))
    box.read("erp")
    box.put(OCTOBER_5, "posting_date,journal_ref\n2026-10-05,J1\n")
    box.put("ledger/2026-10-06.csv", ledger(posting(2)))
    failed, good = box.read("erp")
    assert (failed.status, good.status) == ("failed", "published")
    assert failed.error is not None
    assert "missing column(s) account, currency" in failed.error
    assert f"{DAY}.csv" in failed.error
    assert sorted(box.lines("erp")["line_id"]) == ["L1", "L2"]
    box.put(OCTOBER_5, ledger(posting(3)))
    assert [r.status for r in box.read("erp")] == ["published", "unchanged"]
    assert sorted(box.lines("erp")["line_id"]) == ["L2", "L3"]


def test_the_same_row_again_is_a_duplicate_and_another_one_with_its_id_a_conflict(
    box: Inbox,
) -> None:
    rows = [posting(1), posting(2), posting(1), posting(2, "12.00"), posting(2)]
    box.put(OCTOBER_5, ledger(*rows))
    report = only(box.read("erp"))
    assert report.rows == {"received": 5, "accepted": 2, "quarantined": 1, "duplicates": 2}
    assert box.table("duplicates", "erp").select("row_number", "first_row").rows() == [
        (4, 2),
        (6, 3),
    ]
    assert box.reasons("erp") == [(5, "conflicting_duplicate")]
    conflict = box.table("quarantine", "erp").row(0, named=True)
    assert "row 5 has the id of row 3 of 2026-10-05.csv" in conflict["message"]
    assert conflict["amount"] == 12
    assert report.totals["EUR"]["duplicates"] == {"count": 2, "amount": "20.00"}


def test_two_files_of_a_window_are_read_together(tmp_path: Path) -> None:
    feed = '{format: ledger_csv, location: "ledger/{date}_*.csv", entity: NL}'
    with inbox(tmp_path, {"erp": feed}) as box:
        box.put(f"ledger/{DAY}_a.csv", ledger(posting(1), posting(2)))
        box.put(f"ledger/{DAY}_b.csv", ledger(posting(2), posting(3)))
        report = only(box.read("erp"))
        assert report.rows["duplicates"] == 1
        assert sorted(box.lines("erp")["line_id"]) == ["L1", "L2", "L3"]
        assert len(report.extracts) == 2


ROW = st.tuples(st.integers(0, 30), st.sampled_from(["10.00", "11.00", "x"]))


EDGES = [
    [(0, "10.00")] * 150,
    [(0, "x")] * 150,
    [(1, "10.00")] * 100,
    [(0, "x")] * 100 + [(1, "10.00")],
    [(1, "10.00")] * 100 + [(0, "x")] * 5,
    [(1, "10.00"), *[(0, "x")] * 120, (1, "11.00")],
    [(n, "10.00") for n in range(150)],
]


def check_cuts(folder: Path, rows: list[tuple[int, str]]) -> None:
    """Batches of 100 rows against one batch, and both against an oracle row by row."""
    text = ledger(*(posting(n, amount) for n, amount in rows))
    seen = []
    for size in (100, 100_000):
        more = f"limits: {{batch_rows: {size}}}"
        with inbox(folder / str(size), {"erp": LEDGER}, more=more) as box:
            box.put(OCTOBER_5, text)
            report = only(box.read("erp"))
            lines = sorted(box.lines("erp").rows()) if report.lines else []
            seen.append((report.rows, report.totals, lines, box.reasons("erp")))
    assert seen[0] == seen[1]
    assert seen[0][0] == oracle(rows)


@pytest.mark.parametrize("rows", EDGES)
def test_how_rows_are_cut_into_batches_changes_nothing(
    tmp_path: Path, rows: list[tuple[int, str]]
) -> None:
    check_cuts(tmp_path, rows)


@settings(max_examples=8, phases=[Phase.explicit, Phase.generate])  # each opens two workplaces
@given(st.lists(ROW, min_size=90, max_size=260))
def test_how_any_rows_are_cut_into_batches_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]]
) -> None:
    check_cuts(tmp_path_factory.mktemp("cut"), rows)


def oracle(rows: list[tuple[int, str]]) -> dict[str, int]:
    first: dict[int, str] = {}
    counts = {"received": len(rows), "accepted": 0, "quarantined": 0, "duplicates": 0}
    for number, amount in rows:
        if amount == "x":
            counts["quarantined"] += 1
        elif number not in first:
            first[number] = amount
            counts["accepted"] += 1
        else:
            counts["duplicates" if first[number] == amount else "quarantined"] += 1
    return counts


@pytest.mark.parametrize(
    ("manifest", "failed"),
    [
        ({"rows": 3, "totals": {"EUR": "30.00"}}, []),
        ({"rows": 3, "totals": {"EUR": "30"}, "by_entity": {"NL": {"EUR": "30.00"}}}, []),
        ({"rows": 4}, [("count", "count_mismatch")]),
        ({"totals": {"EUR": "30.01"}}, [("control_total", "control_total_mismatch")]),
        ({"totals": {"EUR": 30.00, "USD": "1"}}, [("control_total", "control_total_mismatch")]),
        ({"totals": {"USD": "1"}}, [("control_total", "control_total_mismatch")] * 2),
        ({"by_entity": {"AcmeUS": {"EUR": "1"}}}, [("control_total", "control_total_mismatch")]),
    ],
)
def test_an_extract_is_held_to_what_its_sender_states(
    box: Inbox, manifest: dict[str, object], failed: list[tuple[str, str]]
) -> None:
    box.put(OCTOBER_5, ledger(posting(1), posting(2), posting(3)), manifest)
    report = only(box.read("erp"))
    assert report.status == "published"
    assert box.failed("erp") == failed
    assert len(report.deliveries) == len(failed)
    for delivery in report.deliveries:
        assert f"{DAY}.csv has" in delivery["explanation"]


def test_refused_and_draft_rows_count_in_the_control_total(box: Inbox) -> None:
    rows = (posting(1), posting(2, currency="EUR", account=""), posting(3, status="draft"))
    box.put(OCTOBER_5, ledger(*rows), {"rows": 3, "totals": {"EUR": "30.00"}})
    report = only(box.read("erp"))
    assert box.failed("erp") == []
    assert report.rows == {
        "received": 3,
        "accepted": 1,
        "quarantined": 1,
        "duplicates": 0,
        "not_posted": 1,
    }


def test_a_corrected_manifest_heals_without_a_new_file(box: Inbox) -> None:
    box.put(OCTOBER_5, ledger(posting(1)), {"rows": 2})
    box.read("erp")
    assert box.failed("erp") == [("count", "count_mismatch")]
    box.put(OCTOBER_5, ledger(posting(1)), {"rows": 1})
    assert only(box.read("erp")).status == "published"
    assert box.failed("erp") == []
    assert only(box.read("erp")).status == "unchanged"


@pytest.mark.parametrize(
    ("beside", "problem"),
    [
        ("{not json", "the manifest is not JSON"),
        ("[1]", "no JSON object"),
        ('{"rows": -1}', "rows is -1"),
        ('{"rows": "3"}', "rows is '3'"),
        ('{"totals": {"EUR": "1e400"}}', "not a plain decimal"),
        ('{"totals": {"EUR": NaN}}', "not a plain decimal"),
        ('{"totals": [1]}', "totals is no object"),
        ('{"by_entity": {"Acme": {"EUR": "1"}}}', "unknown entity of by_entity 'Acme'"),
        ('{"by_entity": {"NL": [1]}}', "by_entity.NL is no object"),
        ('{"total": {"EUR": "10.00"}}', "unknown key 'total' -> did you mean 'totals'?"),
        (f'{{"sha256": "{"0" * 64}"}}', "manifest says 000"),
    ],
)
def test_a_manifest_that_cannot_be_used_stops_its_extract_only(
    box: Inbox, beside: str, problem: str
) -> None:
    path = box.put(OCTOBER_5, ledger(posting(1)))
    path.with_name(path.name + ".manifest.json").write_text(beside)
    box.put("ledger/2026-10-06.csv", ledger(posting(2)))
    failed, good = box.read("erp")
    assert (failed.status, good.status) == ("failed", "published")
    assert problem in (failed.error or "")
    assert f"{DAY}.csv.manifest.json: " in (failed.error or "")


def test_rows_in_no_currency_there_is_leave_the_statement_readable(box: Inbox) -> None:
    """What is stated is compared with such rows too, and counts in no currency."""
    totals = {"EUR": "10.00", "ABC": "30.00"}
    stated = {"rows": 3, "totals": totals, "by_entity": {"Acme, Inc.": {"EUR": "10.00"}}}
    box.put(OCTOBER_5, ledger(posting(1), posting(2, currency="USX")), stated)
    box.read("erp")
    currencies = box.table("deliveries", "erp")["currency"].drop_nulls().unique()
    assert sorted(currencies) == ["EUR", "XXX"]
    made = statements(box.workplace, "any", Period(date(2026, 10, 5), date(2026, 10, 5)))
    assert {one.currency for one in made} == {"EUR", "XXX"}
    told = box.table("deliveries", "erp")["explanation"].to_list()
    assert any(
        "manifest states 30.00 ABC" in words and "30.00 ABC are missing" in words for words in told
    )


def test_a_feed_that_must_state_control_totals_is_told_when_it_does_not(tmp_path: Path) -> None:
    feed = LEDGER.replace("entity: NL", "entity: NL, control_totals: required")
    with inbox(tmp_path, {"erp": feed}) as box:
        box.put(OCTOBER_5, ledger(posting(1)))
        box.put("ledger/2026-10-06.csv", ledger(posting(2)), {"rows": 1})
        box.read("erp")
        assert box.failed("erp") == [("control_total", "control_total_mismatch")]


def test_readmitting_reads_again_under_the_configuration_of_now(box: Inbox) -> None:
    box.put(OCTOBER_5, ledger(posting(1), posting(2, account="")))
    box.put("ledger/2026-10-06.csv", ledger(posting(3)))
    box.read("erp")
    assert listing(box.workplace)["row_number"].to_list() == [3]
    again = readmit(box.workplace, "erp", run_id="again")
    assert [(r.window, r.status, r.rows["quarantined"]) for r in again] == [(DAY, "published", 1)]
    assert box.workplace.register.heads("lines/erp")["2026-10-06"].version == 1


def test_readmitting_lets_in_what_a_new_entity_explains(tmp_path: Path) -> None:
    feed = '{format: ledger_csv, location: "ledger/{date}.csv"}'
    header = "line_id,posting_date,journal_ref,account,currency,amount,entity\n"
    with inbox(tmp_path, {"erp": feed}) as box:
        box.put(OCTOBER_5, f"{header}L1,{DAY},J1,1200,EUR,5,Acme Ltd\n")
        box.read("erp")
        shown = show(box.workplace, "erp", listing(box.workplace)["extract_sha256"][0][:8], 2)
        assert (shown["reason"], shown["value"]) == ("unknown_entity", "Acme Ltd")
    configure(tmp_path, {"erp": feed})
    config = tmp_path / "tieout.yaml"
    config.write_text(config.read_text().replace('"Acme, Inc."', '"Acme Ltd"'))
    with Workplace.open(config, tmp_path / ".tieout") as workplace:
        assert [r.rows["quarantined"] for r in readmit(workplace, run_id="r2")] == [0]
        assert listing(workplace).height == 0
        assert readmit(workplace, run_id="r3") == []


def test_the_quarantine_says_what_it_does_not_have(box: Inbox) -> None:
    box.put(OCTOBER_5, ledger(posting(1, account="")))
    box.read("erp")
    with pytest.raises(TieoutError, match="no feed 'nope'"):
        listing(box.workplace, "nope")
    with pytest.raises(TieoutError, match="row 9 of extract"):
        show(box.workplace, "erp", "", 9)


def test_a_newer_run_fences_an_older_one(box: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    box.put(OCTOBER_5, ledger(posting(1)))
    take_in(box.workplace, "erp", None)
    register = box.workplace.register
    take_epochs = register.take_epochs_of

    def overtaken(
        tables: list[str], partitions: list[str], run_id: str
    ) -> dict[tuple[str, str], int]:
        mine = take_epochs(tables, partitions, run_id)
        take_epochs(tables, partitions, "a-newer-run")
        return mine

    monkeypatch.setattr(register, "take_epochs_of", overtaken)
    with pytest.raises(FencedError):
        refresh_lines(box.workplace, "erp", [DAY], run_id="older")
    assert box.workplace.register.heads("lines/erp") == {}
    assert list((box.folder / ".tieout" / "store").rglob("*.part")) == []


ADYEN = (
    "Merchant Account,Psp Reference,Merchant Reference,Creation Date,TimeZone,Type,"
    "Modification Reference,Gross Currency,Gross Debit (GC),Gross Credit (GC),Exchange Rate,"
    "Net Currency,Net Debit (NC),Net Credit (NC),Commission (NC),Batch Number\n"
)


def adyen_batch(number: int, day: str, payout: str = "9.00") -> str:
    paid = (
        f"M,P{number},O,{day} 10:00:00,UTC,Settled,R{number},EUR,,10.00,1,EUR,,9.00,1.00,{number}"
    )
    out = f"M,,,{day} 11:00:00,UTC,MerchantPayout,TX{number},,,,,EUR,{payout},,,{number}"
    return (
        ADYEN
        + paid.replace("M,", "YOURCOMPANY_ACCOUNT,", 1)
        + "\n"
        + out.replace("M,", "YOURCOMPANY_ACCOUNT,", 1)
        + "\n"
    )


PSP = '{format: adyen_settlement_detail, location: "psp/{date}.csv"}'


@pytest.mark.parametrize("order", [(5, 6, 8), (8, 6, 5), (6, 8, 5)])
def test_a_gap_in_numbered_extracts_is_found_in_any_order_and_closes(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    with inbox(tmp_path, {"psp": PSP}) as box:
        for day in order:
            box.put(f"psp/2026-10-0{day}.csv", adyen_batch(100 + day, f"2026-10-0{day}"))
            box.read("psp", [f"2026-10-0{day}"])
        assert box.failed("psp") == [("sequence", "sequence_gap")]
        gap = box.table("deliveries", "psp").filter(pl.col("check") == "sequence")
        assert gap["received_on"][0].day == 8
        assert gap["explanation"][0] == "YOURCOMPANY_ACCOUNT: number 107 never came, 108 did"
        box.put("psp/2026-10-07.csv", adyen_batch(107, "2026-10-07"))
        box.read("psp", ["2026-10-07"])
        assert box.failed("psp") == []


def test_a_batch_that_does_not_foot_is_told_with_what_is_left_over(tmp_path: Path) -> None:
    with inbox(tmp_path, {"psp": PSP}) as box:
        box.put(f"psp/{DAY}.csv", adyen_batch(7, DAY, payout="8.99"))
        report = only(box.read("psp"))
        assert box.failed("psp") == [("batch_balance", "batch_out_of_balance")]
        assert "0.01 EUR are left over" in report.deliveries[0]["explanation"]


@pytest.mark.parametrize("again", [1, 2], ids=["charge", "payout"])
def test_a_row_sent_twice_does_not_put_its_batch_out_of_balance(tmp_path: Path, again: int) -> None:
    with inbox(tmp_path, {"psp": PSP}) as box:
        batch = adyen_batch(7, DAY)
        box.put(f"psp/{DAY}.csv", batch + batch.splitlines()[again] + "\n")
        report = only(box.read("psp"))
        assert report.rows["duplicates"] == 1
        assert box.failed("psp") == []


def test_fee_columns_that_do_not_foot_are_told_row_by_row(tmp_path: Path) -> None:
    with inbox(tmp_path, {"psp": PSP}) as box:
        box.put(f"psp/{DAY}.csv", adyen_batch(7, DAY).replace(",1.00,7", ",0.98,7"))
        report = only(box.read("psp"))
        assert box.failed("psp") == [("fee_columns", "line_out_of_balance")]
        assert "difference -0.02" in report.deliveries[0]["explanation"]


def test_many_small_windows_are_published_together(tmp_path: Path) -> None:
    feed = '{format: ledger_csv, location: "k/{hour}.csv", every: hour, entity: NL}'
    with inbox(tmp_path, {"erp": feed}) as box:
        for hour in range(24):
            box.put(f"k/2026-10-05T{hour:02d}.csv", ledger(posting(hour), posting(hour + 100)))
        reports = box.read("erp")
        assert [r.status for r in reports] == ["published"] * 24
        assert box.lines("erp").height == 48
        assert len({r.window for r in reports}) == 24
        versions = {h.epoch for h in box.workplace.register.heads("lines/erp").values()}
        assert versions == {1}
