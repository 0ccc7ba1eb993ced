"""`tieout backfill` killed at random moments and started again, until it comes through.

What must hold after each kill: all that is visible is whole. And at the end: the same as one run
that nobody disturbed, and nothing that was published before a kill has been worked again.
TIEOUT_FAULTS is the number of kills.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.backfill import backfill
from tests.small_company import SmallCompany, days_from, payments_of, small_company
from tieout.periods import Period
from tieout.statement import statements
from tieout.workplace import Workplace

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("TIEOUT_FAULTS", "1"))
ROOT = Path(__file__).resolve().parents[2]
DAYS = days_from(date(2026, 9, 28), 6)
"""The end of one month and the beginning of another: two parts."""
NAME = "card_to_ledger"
COMMAND = [sys.executable, "-c", "from pipelines.cli import main; main()", "backfill"]
COMMAND += ["--from", str(DAYS[0]), "--to", str(DAYS[-1]), "--reconciliation", NAME, "--json"]
Heads = dict[tuple[str, str], tuple[int, str, str]]


def books(folder: Path) -> SmallCompany:
    company = small_company(folder)
    text = company.config.read_text(encoding="utf-8")
    company.config.write_text(text.replace("start: 2026-10-01", f"start: {DAYS[0]}"), "utf-8")
    for day in DAYS:
        payments = payments_of(day, 40)
        company.settle(str(day), payments)
        company.post_payments(day, payments[day.day % 3 :])
    company.close_books(DAYS)
    return company


def start(company: SmallCompany) -> subprocess.Popen[str]:
    places = ["--config", str(company.config), "--home", str(company.home)]
    return subprocess.Popen(
        [*COMMAND, *places],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(company: SmallCompany) -> tuple[dict[str, Any], str]:
    out, told = (process := start(company)).communicate(timeout=300)
    assert process.returncode == 0, told
    return json.loads(out), told


def whole(company: SmallCompany) -> Heads:
    """Every head, once each file is seen to be what was published, to the byte."""
    found: Heads = {}
    with Workplace.open(company.config, company.home) as workplace:
        for table in workplace.register.tables():
            for key, head in workplace.register.heads(table).items():
                for path, file in zip(workplace.store.paths([head]), head.files, strict=True):
                    assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == file.sha256
                    assert pl.scan_parquet(path).select(pl.len()).collect().item() == file.rows
                content = ",".join(f.sha256 for f in head.files)
                found[table, key] = (head.version, head.run_id, content)
    for table, key in found:
        if table.startswith("lines/"):  # published in one stroke with what stands beside them
            runs = {found[table.replace("lines", t), key][1] for t in ("lines", "quarantine")}
            assert len(runs) == 1, (table, key, runs)
    return found


def said(company: SmallCompany) -> list[Any]:
    with Workplace.open(company.config, company.home) as workplace:
        return [
            one.as_json()
            for period in (*(Period(day, day) for day in DAYS), Period(DAYS[0], DAYS[-1]))
            for one in statements(workplace, NAME, period)
        ]


def kill(company: SmallCompany, after: float | None) -> None:
    """Kill a backfill some time after its start; without one, in the midst of its second part."""
    process = start(company)
    try:
        if after is None:
            until = time.monotonic() + 60
            with Workplace.open(company.config, company.home) as workplace:
                while str(DAYS[-1]) not in workplace.register.heads("lines/erp"):
                    assert time.monotonic() < until
                    assert process.poll() is None, process.communicate()
                    time.sleep(0.01)
        else:
            # Not a pause: the moment of the kill is what is drawn.
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=after)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)


def test_a_killed_backfill_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    alone, company = books(tmp_path / "alone"), books(tmp_path / "killed")
    began = time.monotonic()
    undisturbed = backfill(alone.config, alone.home, DAYS[0], DAYS[-1], reconciliation=NAME)
    assert undisturbed.success
    lasts = 3 + time.monotonic() - began  # a process has to start first
    kept: Heads = {}
    for number in range(KILLS):
        kill(company, draw.uniform(0.3, 1.0) * lasts if number else None)
        now = whole(company)
        for place, head in kept.items():
            if place[0].split("/")[0] in ("lines", "quarantine", "duplicates", "deliveries"):
                assert now[place] == head, f"{place} was published before a kill, and worked again"
        kept = now
    assert kept, "no kill came after a publication; the test shows nothing"
    told, words = finish(company)
    if KILLS == 1:  # else it may have come through before
        assert "going on: 1 of 2 parts were done before" in words
        assert "2026-10-01..2026-10-03: done, 2 of 2 parts" in words
        assert told["materialized"]["lines/erp"] == 3
    after = whole(company)
    assert {p: h for p, h in kept.items() if p[0].startswith("lines/")}.items() <= after.items()
    expected = whole(alone)
    assert {p: h[2] for p, h in after.items()} == {p: h[2] for p, h in expected.items()}
    assert said(company) == said(alone)
    assert told["holds"]
    with Workplace.open(company.config, company.home) as workplace:
        [note] = workplace.register.notes("backfill").values()
    assert note == {"done": []}, "finished: asked for again, it is another backfill"
    print(f"{KILLS} kills of a backfill of {lasts:.1f} s; 0 bad, 0 lost")
