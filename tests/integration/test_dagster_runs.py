"""Runs over a range: what is recorded, what a broken extract stops, and that it heals."""

from __future__ import annotations

import csv
import re
import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef

from pipelines.run import FailedCheck, RunOutcome, run_range
from tests.small_company import SmallCompany, days_from, payments_of, small_company
from tieout.errors import TieoutError
from tieout.periods import Period, windows_between
from tieout.statement import statements
from tieout.workplace import Workplace

DAYS = days_from(date(2026, 10, 1), 5)
HOURS = windows_between(DAYS[0], DAYS[-1], "hour")
MISSING, WRONG, TWICE = DAYS[1], DAYS[2], DAYS[3]
"""Days on which the ledger lacks a posting, has a fee a cent off, and has a posting twice."""


def _books(folder: Path) -> SmallCompany:
    company = small_company(folder)
    for day in DAYS:
        payments = payments_of(day, 6)
        company.settle(str(day), payments)
        if day == MISSING:
            company.post_payments(day, payments[1:])
        elif day == WRONG:
            company.post_payments(day, payments[1:])
            company.post(day, payments[0].line_id, payments[0].gross)
            company.post(day, f"{payments[0].line_id}:fee", -payments[0].fee - Decimal("0.01"))
        else:
            company.post_payments(day, payments)
        if day == TWICE:
            company.post(day, payments[0].line_id, payments[0].gross)
        for hour in range(24):
            paid = payments_of(day, 1, hour)
            company.settle(f"{day}T{hour:02d}", paid, "kiosk")
            company.post_payments(day, paid, "1020")
    company.close_books(DAYS)
    return company


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallCompany, RunOutcome]:
    """A company whose five days have been run."""
    company = _books(tmp_path_factory.mktemp("company"))
    return company, run_range(company.config, company.home, DAYS[0], DAYS[-1])


@pytest.fixture
def again(ran: tuple[SmallCompany, RunOutcome], tmp_path: Path) -> SmallCompany:
    """A copy of the company after its run, to be changed."""
    shutil.copytree(ran[0].folder, tmp_path / "copy")
    return SmallCompany(tmp_path / "copy")


@contextmanager
def history(company: SmallCompany) -> Iterator[dg.DagsterInstance]:
    """Dagster's history of a company, as `tieout dev` would read it."""
    home = company.home / "dagster"
    with (
        pytest.MonkeyPatch.context() as patch,
        dg.DagsterInstance.from_ref(_reference(home, patch)) as instance,
    ):
        yield instance


def _reference(home: Path, patch: pytest.MonkeyPatch) -> InstanceRef:
    patch.setenv("DAGSTER_HOME", str(home))
    return InstanceRef.from_dir(str(home))


def evaluations(company: SmallCompany, asset: str, check: str) -> dict[str, list[Any]]:
    """Everything recorded of a check, by partition, the newest first."""
    key = dg.AssetCheckKey(dg.AssetKey(asset.split("/")), check)
    found: defaultdict[str, list[Any]] = defaultdict(list)
    with history(company) as instance:
        log = instance.event_log_storage
        for record in log.get_asset_check_execution_history(key, limit=10_000):
            found[record.partition or ""].append(record)
    return found


def materialized(company: SmallCompany, asset: str) -> set[str]:
    """Partitions of an asset that Dagster knows as materialized."""
    with history(company) as instance:
        return instance.get_materialized_partitions(dg.AssetKey(asset.split("/")))


def failed(outcome: RunOutcome, check: str) -> list[FailedCheck]:
    return [one for one in outcome.failed_checks if one.check == check]


HOURLY_ASSETS = ("extracts/kiosk", "lines/kiosk")
DAILY_ASSETS = (
    *("extracts/card", "extracts/erp", "lines/card", "lines/erp"),
    *("matches/card_to_ledger", "matches/kiosk_to_ledger"),
    *("statements/card_to_ledger", "statements/kiosk_to_ledger"),
    "report/completeness",
)
ASSETS = dict.fromkeys(HOURLY_ASSETS, HOURS) | {
    asset: [str(day) for day in DAYS] for asset in DAILY_ASSETS
}
CHECKS = {
    "extracts": ["taken_in"],
    "lines": ["schema", "arrival", "control_totals", "conservation"],
    "matches": ["consumption", "one_match"],
    "statements": ["conservation", "rolls_forward", "completeness", "waterfall_explains_to_zero"],
}


def test_a_range_materializes_every_partition_of_every_asset(
    ran: tuple[SmallCompany, RunOutcome],
) -> None:
    company, outcome = ran
    assert (outcome.success, outcome.failed) == (True, ())
    assert outcome.materialized == {asset: len(keys) for asset, keys in ASSETS.items()}
    for asset, keys in ASSETS.items():
        assert materialized(company, asset) == set(keys), asset


def test_every_check_is_recorded_once_in_every_partition(
    ran: tuple[SmallCompany, RunOutcome],
) -> None:
    company, outcome = ran
    count = 0
    for asset, keys in ASSETS.items():
        for check in CHECKS.get(asset.split("/")[0], []):
            found = evaluations(company, asset, check)
            assert set(found) == set(keys), (asset, check)
            for records in found.values():
                assert len(records) == 1, (asset, check)
                assert records[0].status.value in ("SUCCEEDED", "FAILED")
                assert records[0].run_id in outcome.run_ids
                assert records[0].evaluation.target_materialization_data.run_id in outcome.run_ids
                count += 1
    assert count == outcome.checks


def test_only_the_breaks_put_into_the_books_fail_a_check(
    ran: tuple[SmallCompany, RunOutcome],
) -> None:
    _, outcome = ran
    found = {(c.asset, c.check, c.partition, c.severity) for c in outcome.failed_checks}
    card = "statements/card_to_ledger"
    assert found == {(card, "completeness", str(day), "WARN") for day in (MISSING, WRONG, TWICE)}


def test_statements_say_what_the_files_say(ran: tuple[SmallCompany, RunOutcome]) -> None:
    company, _ = ran
    with Workplace.open(company.config, company.home) as workplace:
        for day in DAYS:
            found = {s.side: s for s in statements(workplace, "card_to_ledger", Period(day, day))}
            sides = _from_files(company.folder, day)
            for side, expected in sides.items():
                rows = found[side].rows  # type: ignore[index]
                shown = {
                    name: (rows[name].count, rows[name].amount)
                    for name in ("received", "accepted", "matched", "breaks", "unexplained")
                }
                assert shown == expected, (day, side)


def _from_files(folder: Path, day: date) -> dict[str, dict[str, tuple[int, Decimal]]]:
    """The figures of a day, counted from the two CSV files alone."""
    source: Counter[tuple[str, Decimal]] = Counter()
    with (folder / "card" / f"{day}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["Type"] != "Settled":
                continue
            line = f"{row['Psp Reference']}.Settled.{row['Modification Reference']}"
            gross, net = Decimal(row["Gross Credit (GC)"]), Decimal(row["Net Credit (NC)"])
            source[line, gross] += 1
            source[f"{line}:fee", net - gross] += 1
    target: Counter[tuple[str, Decimal]] = Counter()
    with (folder / "erp" / f"{day}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["account"] == "1010":
                target[row["line_ref"], Decimal(row["amount"])] += 1
    both = source & target
    return {"source": _figures(source, both), "target": _figures(target, both)}


def _figures(
    lines: Counter[tuple[str, Decimal]], matched: Counter[tuple[str, Decimal]]
) -> dict[str, tuple[int, Decimal]]:
    def figure(some: Counter[tuple[str, Decimal]]) -> tuple[int, Decimal]:
        return some.total(), sum((a * n for (_, a), n in some.items()), Decimal(0))

    return {
        "received": figure(lines),
        "accepted": figure(lines),
        "matched": figure(matched),
        "breaks": figure(lines - matched),
        "unexplained": (0, Decimal(0)),
    }


def test_a_second_run_over_the_range_publishes_nothing_new(again: SmallCompany) -> None:
    before = _versions(again)
    outcome = run_range(again.config, again.home, DAYS[0], DAYS[-1])
    assert outcome.success
    assert _versions(again) == before
    assert outcome.materialized == {asset: len(keys) for asset, keys in ASSETS.items()}


def _versions(company: SmallCompany) -> dict[tuple[str, str], tuple[int, str]]:
    """Version and content of every published partition."""
    with Workplace.open(company.config, company.home) as workplace:
        return {
            (table, key): (head.version, ",".join(f.sha256 for f in head.files))
            for table in workplace.register.tables()
            for key, head in workplace.register.heads(table).items()
            if not table.startswith("reconciled/")
        }


def test_an_extract_that_cannot_be_read_fails_its_own_partition_only(
    again: SmallCompany,
) -> None:
    extract = again.folder / "card" / f"{DAYS[2]}.csv"
    good = extract.read_bytes()
    before = _versions(again)
    extract.write_bytes(good.replace(b"Net Currency", b"Currency of the net"))
    outcome = run_range(again.config, again.home, DAYS[0], DAYS[-1])

    assert not outcome.success
    assert [one.asset for one in outcome.failed] == ["lines/card"]
    assert str(DAYS[2]) in outcome.failed[0].message
    assert [(c.asset, c.partition) for c in failed(outcome, "schema")] == [
        ("lines/card", str(DAYS[2]))
    ]
    assert "Net Currency" in failed(outcome, "schema")[0].description
    moved = {place for place, version in _versions(again).items() if before[place] != version}
    day = str(DAYS[2])
    assert moved == {("deliveries/card", day), ("statements/card_to_ledger", day)}, (
        "the last good lines stand, and the day's statement says that they are not the newest"
    )
    assert outcome.materialized["matches/card_to_ledger"] == len(DAYS), "the chain went on"
    newest = evaluations(again, "lines/card", "schema")
    assert {key: records[0].status.value for key, records in newest.items()} == {
        str(day): "FAILED" if day == DAYS[2] else "SUCCEEDED" for day in DAYS
    }

    extract.write_bytes(good)
    healed = run_range(again.config, again.home, DAYS[0], DAYS[-1])
    assert (healed.success, failed(healed, "schema")) == (True, [])
    assert {k: v[1] for k, v in _versions(again).items()} == {k: v[1] for k, v in before.items()}


def test_a_single_partition_that_cannot_be_read_is_not_materialized(
    again: SmallCompany,
) -> None:
    extract = again.folder / "card" / f"{DAYS[2]}.csv"
    extract.write_bytes(extract.read_bytes().replace(b"Net Currency", b"Currency of the net"))
    outcome = run_range(again.config, again.home, DAYS[2], DAYS[2])
    assert [one.asset for one in outcome.failed] == ["lines/card"]
    assert "Net Currency" in outcome.failed[0].message
    assert "lines/card" not in outcome.materialized
    assert outcome.materialized["lines/erp"] == 1


def test_a_file_that_cannot_be_taken_in_fails_its_own_window_only(again: SmallCompany) -> None:
    """One hour's file is larger than allowed; the hours before and after it go on."""
    config = again.config.read_text(encoding="utf-8")
    again.config.write_text(config + "limits: {extract_mb: 1}\n", encoding="utf-8")
    huge, other = (again.folder / "kiosk" / f"{DAYS[1]}T{hour}.csv" for hour in ("07", "08"))
    good = huge.read_bytes()
    huge.write_bytes(good + b"\n" * (2 << 20))
    other.write_bytes(other.read_bytes().replace(b"visa", b"mc"))
    window = f"{DAYS[1]}-07:00"
    outcome = run_range(again.config, again.home, DAYS[0], DAYS[-1])

    assert [one.asset for one in outcome.failed] == ["extracts/kiosk"]
    assert "extract_mb" in outcome.failed[0].message
    assert [(c.asset, c.partition) for c in failed(outcome, "taken_in")] == [
        ("extracts/kiosk", window)
    ]
    with Workplace.open(again.config, again.home) as workplace:
        heads = workplace.register.heads("lines/kiosk")
        assert heads[window].version == 1
        assert heads[f"{DAYS[1]}-08:00"].version == 2, "the changed file beside it was worked in"

    huge.write_bytes(good)
    healed = run_range(again.config, again.home, DAYS[1], DAYS[1])
    assert (healed.success, failed(healed, "taken_in")) == (True, [])


def test_a_late_line_restates_the_day_it_belongs_to(again: SmallCompany) -> None:
    """A posting for the missing line comes with the next day's books."""
    late = payments_of(MISSING, 1)[0]
    books = again.folder / "erp" / f"{DAYS[4]}.csv"
    with books.open("a", encoding="utf-8", newline="") as file:
        for number, (ref, amount) in enumerate(
            [(late.line_id, late.gross), (f"{late.line_id}:fee", -late.fee)]
        ):
            row = [f"late-{number}", MISSING, f"J-late-{number}", ref, "1010", "USD", amount]
            csv.writer(file).writerow(row)
    outcome = run_range(again.config, again.home, DAYS[4], DAYS[4])

    assert outcome.success
    assert outcome.materialized["lines/erp"] == 1
    assert outcome.materialized["matches/card_to_ledger"] > 1
    with history(again) as instance:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(
                asset_key=dg.AssetKey(["statements", "card_to_ledger"]),
                asset_partitions=[str(MISSING)],
            ),
            limit=1,
        ).records
    newest = records[0].event_log_entry
    assert newest.run_id in outcome.run_ids, "the earlier day's page is not stale"
    shown = newest.asset_materialization
    assert shown is not None
    assert shown.metadata["breaks"].value == 0
    assert shown.metadata["completeness"].value == 1.0
    version = str(shown.metadata["version"].value)
    assert re.search(r"^version \d+ \(.* UTC\); since version \d+: ", version), version
    assert "2 ledger lines came with a new version of " in version


def test_a_run_that_was_taken_over_publishes_nothing(again: SmallCompany) -> None:
    """Whenever the run takes an epoch, another one takes the next: a trigger in the register."""
    extract = again.folder / "card" / f"{DAYS[2]}.csv"
    extract.write_bytes(extract.read_bytes().replace(b"visa", b"mc"))
    before = _versions(again)
    with sqlite3.connect(again.home / "register.db") as register:
        register.execute(
            "CREATE TRIGGER usurp AFTER UPDATE ON fence "
            "WHEN new.run_id <> 'usurper' AND new.table_name = 'lines/card' BEGIN "
            "UPDATE fence SET epoch = new.epoch + 1, run_id = 'usurper' "
            "WHERE table_name = new.table_name AND partition = new.partition; END"
        )
    outcome = run_range(again.config, again.home, DAYS[2], DAYS[2])

    assert [one.asset for one in outcome.failed] == ["lines/card"]
    assert "usurper" in outcome.failed[0].message or "taken over" in outcome.failed[0].message
    assert "lines/card" not in outcome.materialized
    assert _versions(again) == before


def test_one_reconciliation_runs_with_its_feeds_only(tmp_path: Path) -> None:
    company = _books(tmp_path / "company")
    outcome = run_range(
        company.config, company.home, DAYS[0], DAYS[1], reconciliation="card_to_ledger"
    )
    assert outcome.success
    assert set(outcome.materialized) == {
        *("extracts/card", "extracts/erp", "lines/card", "lines/erp"),
        *("matches/card_to_ledger", "statements/card_to_ledger", "report/completeness"),
    }
    assert "kiosk_to_ledger" not in (company.home / "reports/completeness-2026-10.html").read_text(
        encoding="utf-8"
    )


def test_progress_counts_every_step_to_the_end(again: SmallCompany) -> None:
    told: list[tuple[str, int, int]] = []
    run_range(
        again.config,
        again.home,
        DAYS[0],
        DAYS[0],
        progress=lambda what, done, steps: told.append((what, done, steps)),
    )
    done = [number for _, number, _ in told]
    assert done == sorted(done)
    assert {steps for _, _, steps in told} == {max(done)}
    assert {what for what, _, _ in told} == set(ASSETS)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 9, 30), date(2026, 10, 1)),
        (date(2026, 10, 2), date(2026, 10, 1)),
        (date(2026, 10, 1), date(9999, 1, 1)),
    ],
)
def test_a_range_outside_the_calendar_is_refused(
    again: SmallCompany, first: date, last: date
) -> None:
    with pytest.raises(TieoutError, match="calendar's start"):
        run_range(again.config, again.home, first, last)


def test_an_unknown_reconciliation_is_refused(again: SmallCompany) -> None:
    with pytest.raises(TieoutError, match="card_to_ledger, kiosk_to_ledger"):
        run_range(again.config, again.home, DAYS[0], DAYS[0], reconciliation="cash")
