"""The README's own data in five minutes: its configuration and its commands, word for word."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import fenced

PAYMENT = "8816194829190754"
"""The payment the README asks for."""

COLUMNS = (
    "Merchant Account,Psp Reference,Merchant Reference,Creation Date,TimeZone,Type,"
    "Modification Reference,Gross Currency,Gross Debit (GC),Gross Credit (GC),Exchange Rate,"
    "Net Currency,Net Debit (NC),Net Credit (NC),Commission (NC),Batch Number\n"
)
SETTLED = """\
ExampleEU,8816194829190754,INV-1,2026-10-05 09:00:00,CET,Settled,1,EUR,,100.00,1,EUR,,98.80,1.20,1
ExampleEU,8816194829190755,INV-2,2026-10-05 09:30:00,CET,Settled,2,EUR,,50.00,1,EUR,,49.40,0.60,1
ExampleEU,8816194829190755,INV-2,2026-10-05 12:00:00,CET,Refunded,3,EUR,20.00,,1,EUR,20.00,,0,1
ExampleEU,,,2026-10-05 23:00:00,CET,MerchantPayout,TX1,,,,,EUR,128.20,,,1
"""
"""One batch that sums to zero: two payments, a refund, and the payout."""


def posted(folder: Path, day: int, postings: list[tuple[str, str, str, str]]) -> None:
    """A day's ledger export: (category, reference of the line, amount, account)."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"2026-10-{day:02d}.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(
            "line_id posting_date journal_ref entity account currency amount"
            " line_ref batch_ref category".split()
        )
        for number, (category, line_ref, amount, account) in enumerate(postings):
            start = [f"{day}-{number}", f"2026-10-{day:02d}", "J1", "DE01", account, "EUR", amount]
            rows.writerow([*start, line_ref, "1", category])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the README's configuration, one Adyen report and a ledger through the 12th.

    The second payment's fee, 0.60, is posted nowhere; the refund is, by batch and category.
    """
    (example,) = fenced("yaml")
    (tmp_path / "tieout.yaml").write_text(example)
    (tmp_path / "extracts" / "adyen").mkdir(parents=True)
    (tmp_path / "extracts" / "adyen" / "settlement_detail_1.csv").write_text(COLUMNS + SETTLED)
    ledger = tmp_path / "extracts" / "ledger"
    main = f"{PAYMENT}.Settled.1"
    posted(
        ledger,
        5,
        [
            ("charge", main, "100.00", "1460"),
            ("fee", f"{main}:fee", "-1.20", "1460"),
            ("charge", "8816194829190755.Settled.2", "50.00", "1460"),
            ("refund", "", "-20.00", "1460"),
            ("payout", "", "-128.20", "1460"),
            ("payout", "", "128.20", "1200"),
        ],
    )
    for day in range(6, 13):
        posted(ledger, day, [])
    return tmp_path


def test_the_commands_of_the_readme_do_what_it_says(place: Path) -> None:
    (commands,) = (block for block in fenced("") if "tieout validate" in block)
    said = {}
    for line in commands.splitlines():
        command = line.partition("#")[0].strip()
        ran = subprocess.run(
            ["sh", "-c", command.replace(".venv/bin/tieout", '"$TIEOUT"', 1)],
            cwd=place,
            env=os.environ | {"TIEOUT": str(Path(sys.executable).parent / "tieout")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
        said[command.split()[1]] = ran.stdout
    named = ["validate", "inspect", "run", "backfill", "statement", "breaks", "explain", "line"]
    assert list(said) == [*named, "decide", "journals", "rollforward"]
    assert re.search(r"missing_in_target .*1 +-0\.60\n", said["rollforward"])
    assert "0.60" in said["journals"]
    assert re.search(
        r"missing_in_target +1 +0\.60\n.*unexplained +0\.00", said["explain"], re.DOTALL
    )
    assert "adyen_settlement_detail" in said["inspect"]
    assert re.search(r"unexplained +0 +0\.00", said["statement"])
    assert "missing_in_target" in said["breaks"]
    assert "8816194829190755.Settled.2:fee" in said["breaks"]
    assert "-0.60" in said["breaks"]
    # Once in the summary, once above the break itself.
    assert said["breaks"].count("missing_in_target, source: 1 break, -0.60 EUR") == 2
    assert PAYMENT in said["line"]
    assert "100.00" in said["line"]
