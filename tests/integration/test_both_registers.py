"""The whole way of the data with its register on SQLite and on PostgreSQL: the same statements.

A small world with a bit of everything: a batch posted by category, a fee off by a cent, a refund
that nobody posted, a row delivered twice, a refused row, a control total that disagrees, a posting
of the next month, a match by hand, and a ledger extract that is sent again with other content, so
that the match by hand is void.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tieout.decisions.making import Said, match
from tieout.decisions.standing import stated
from tieout.extracts import take_in
from tieout.lines.ingest import refresh_lines
from tieout.matching.reconcile import reconcile
from tieout.periods import parse_period, windows_between
from tieout.stale import mark_stated, stale_days
from tieout.statement import publish_statements, statements
from tieout.workplace import Workplace

NAME = "settlement_to_ledger"
DAYS = windows_between(date(2026, 10, 29), date(2026, 11, 4), "day")
CONFIGURATION = dedent("""\
    company: Example Inc.
    calendar: {start: 2026-10-01}
    register_url: "${REGISTER_URL}"
    entities: {US01: {name: Example Inc., currency: USD}}
    accounts: {"*": {"1090": clearing}}
    feeds:
      stripe: {format: stripe_balance, location: "stripe/{date}.csv", entity: US01}
      erp: {format: ledger_csv, location: "erp/{date}.csv", entity: US01}
    reconciliations:
      settlement_to_ledger:
        source: {feeds: [stripe]}
        target: {feeds: [erp], where: {account_class: [clearing]}}
        timing_days: [-1, 2]
        passes:
          - name: by_line
            shape: one_to_one
            key: {source: [payment_ref, component], target: [line_ref, component]}
          - name: by_batch
            shape: many_to_one
            key: {source: [settlement_batch, component], target: [batch_ref, component]}
    """)
STRIPE = (
    "balance_transaction_id,source_id,created_utc,currency,gross,fee,net,"
    "reporting_category,automatic_payout_id\n"
)
ERP = "line_id,posting_date,journal_ref,account,currency,amount,line_ref,batch_ref,category\n"


def moved(number: int, day: str, gross: str, fee: str, net: str, what: str, batch: str) -> str:
    return f"t{number},c{number},{day} 12:00:00,usd,{gross},{fee},{net},{what},{batch}\n"


FIRST = {
    "stripe/2026-10-29.csv": STRIPE
    + moved(1, "2026-10-29", "100.00", "3.20", "96.80", "charge", "po_1")
    + moved(2, "2026-10-29", "50.00", "1.75", "48.25", "charge", "po_1")
    + moved(2, "2026-10-29", "50.00", "1.75", "48.25", "charge", "po_1")
    + moved(3, "2026-10-29", "NaN", "0", "1.00", "charge", "po_1"),
    "stripe/2026-10-29.csv.manifest.json": '{"rows": 5, "totals": {"USD": "194.30"}}',
    "stripe/2026-10-30.csv": STRIPE
    + moved(4, "2026-10-30", "-20.00", "0", "-20.00", "refund", "po_1")
    + moved(5, "2026-10-31", "-125.05", "0", "-125.05", "payout", "po_1"),
    "stripe/2026-10-31.csv": STRIPE
    + moved(6, "2026-10-31", "70.00", "2.30", "67.70", "charge", "po_2"),
    "erp/2026-10-29.csv": ERP
    + "p1,2026-10-29,J1,1090,USD,100.00,c1,,charge\n"
    + "p2,2026-10-29,J1,1090,USD,51.00,c2,,charge\n",
    "erp/2026-10-30.csv": ERP + "p3,2026-10-30,J2,1090,USD,-4.94,,po_1,fee\n",
}
SECOND = {
    "erp/2026-10-29.csv": ERP
    + "p1,2026-10-29,J1,1090,USD,100.00,c1,,charge\n"
    + "p2,2026-10-29,J1,1090,USD,50.00,c2,,charge\n",
    "erp/2026-11-01.csv": ERP
    + "p4,2026-11-01,J3,1090,USD,-125.05,,po_1,payout\n"
    + "p5,2026-11-01,J3,1090,USD,70.00,c6,,charge\n"
    + "p6,2026-11-01,J3,1090,USD,-2.30,c6,,fee\n",
    **{f"stripe/2026-11-0{day}.csv": STRIPE for day in range(1, 5)},
    **{f"erp/2026-11-0{day}.csv": ERP for day in range(2, 5)},
}
Shown = dict[str, list[dict[str, Any]]]


def worked(workplace: Workplace, folder: Path, files: dict[str, str], run_id: str) -> Shown:
    """What the published statements and those of the two months say after a run."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    for feed in ("stripe", "erp"):
        take_in(workplace, feed, DAYS)
        refresh_lines(workplace, feed, DAYS, run_id=run_id)
    touched = reconcile(workplace, NAME, run_id=run_id).days
    stale = stale_days(workplace, NAME)
    days = {*touched, *stale.days, *map(date.fromisoformat, DAYS)}
    published = publish_statements(workplace, NAME, days, run_id=run_id)
    mark_stated(workplace, NAME, stale, run_id=run_id)
    shown = {day: [one.as_json() for one in found] for day, found in published.items()}
    for month in map(parse_period, ("2026-10", "2026-11")):
        shown[str(month)] = [one.as_json() for one in statements(workplace, NAME, month)]
    return shown


def decided(workplace: Workplace, folder: Path) -> Shown:
    """The same after somebody matched the second charge with its posting."""
    said = Said("anna", "posted too high", "write_off", "1090")
    match(workplace, NAME, ["t2", "erp:p2"], said)
    assert [one.state for one in stated(workplace)] == ["waiting"]
    shown = worked(workplace, folder, {}, "decided")
    assert [one.state for one in stated(workplace)] == ["standing"]
    return shown


def test_the_same_world_gives_the_same_statements(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {"sqlite": f"sqlite:///{tmp_path / 'register.db'}", "postgresql": postgres_url}
    shown: dict[str, list[Shown]] = {}
    for database, url in urls.items():
        folder = tmp_path / database
        folder.mkdir()
        (folder / "tieout.yaml").write_text(CONFIGURATION)
        monkeypatch.setenv("REGISTER_URL", url)
        with Workplace.open(folder / "tieout.yaml", folder / "home") as workplace:
            assert workplace.register.heads(f"statements/{NAME}") == {}
            shown[database] = [
                worked(workplace, folder, FIRST, "first"),
                decided(workplace, folder),
                worked(workplace, folder, SECOND, "second"),
            ]
            heads = workplace.register.heads(f"statements/{NAME}")
            assert {head.run_id for head in heads.values()} <= {"first", "decided", "second"}
            (one,) = stated(workplace)
            assert (one.state, one.why) == (
                "void",
                "erp:p2 changed its amount from 51.00 to 50.00 USD",
            )
    assert shown["postgresql"] == shown["sqlite"]
    assert json.dumps(shown["postgresql"]) == json.dumps(shown["sqlite"])
    first, by_hand, second = (
        {one["side"]: one for one in run["2026-10"]} for run in shown["sqlite"]
    )
    assert first["target"]["breaks_by_class"]["amount_mismatch"]["amount"] == "51.00"
    assert "amount_mismatch" not in by_hand["target"]["breaks_by_class"]
    assert by_hand["source"]["rows"]["matched"] == {"count": 2, "amount": "150.00"}
    assert by_hand["target"]["rows"]["matched"] == {"count": 2, "amount": "151.00"}
    october = {row: tuple(figure.values()) for row, figure in second["source"]["rows"].items()}
    assert october == {
        "received": (12, "116.95"),  # 11 lines of 6 rows, and a row stated that is not there
        "not_in_file": (1, "0.00"),
        "quarantined": (1, "1.00"),
        "duplicates": (2, "48.25"),
        "accepted": (8, "67.70"),
        "matched": (2, "150.00"),
        "matched_in_transit": (3, "-57.35"),  # the payout and c6 with its fee, posted in November
        "timing": (0, "0.00"),
        "breaks": (3, "-24.95"),  # both fees of the batch against -4.94, and the refund
        "unexplained": (0, "0.00"),
    }
