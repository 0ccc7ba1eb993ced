"""What a reconciliation costs, as a ratio to a bare full outer join of the same Parquet files.

    python -m tests.bench.reconcile --lines 1000000

Both sides get that many lines over 30 days; one in 1,500 is missing, doubled or off by a cent on
the ledger side. The baseline joins the same files on key, entity, currency with sums and writes
nothing; the engine also finds repeats and reversals, diagnoses, and publishes every outcome to
disk. Each runs in a process of its own; the baseline runs before and after, the faster one counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl

from tieout.lines.columns import Columns, columns
from tieout.matching.reconcile import reconcile
from tieout.periods import Period
from tieout.register.records import NewPublication
from tieout.statement import statements
from tieout.workplace import Workplace

FIRST = date(2026, 10, 1)
DAYS = 30
CONFIGURATION = """
company: Benchmark
calendar: {start: 2026-10-01}
limits: {memory_mb: 8192}
entities: {US: {name: Benchmark Inc., currency: USD}}
accounts: {"*": {"1150": clearing}}
feeds:
  psp: {format: adyen_settlement_detail, location: "psp/{date}.csv"}
  erp: {format: ledger_csv, location: "erp/{date}.csv"}
reconciliations:
  settlement_to_ledger:
    source: {feeds: [psp]}
    target: {feeds: [erp], where: {account_class: [clearing]}}
    timing_days: [-1, 5]
    passes:
      - name: by_line
        shape: one_to_one
        key: {source: [payment_ref, component], target: [line_ref, component]}
      - name: by_batch
        shape: many_to_one
        key: {source: [settlement_batch, component], target: [batch_ref, component]}
"""


def main() -> None:
    """Print one JSON object with the ratio, the seconds and the peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--step", choices=("baseline", "engine"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        print(json.dumps(_measured(asked.folder, asked.step, asked.lines)))
        return
    folder = Path(tempfile.mkdtemp(prefix="tieout-bench-"))
    try:
        print(f"making {asked.lines:,} lines a side ...", file=sys.stderr)
        _make(folder, asked.lines)
        order = ("baseline", "engine", "baseline")
        runs = [_in_own_process(folder, step, asked.lines) for step in order]
        print(json.dumps(_summary(asked.lines, runs), indent=2))
    finally:
        shutil.rmtree(folder)


def _summary(lines: int, runs: list[dict[str, object]]) -> dict[str, object]:
    bare = min(float(str(r["seconds"])) for r in runs if r["step"] == "baseline")
    engine = next(r for r in runs if r["step"] == "engine")
    return {
        "lines_a_side": lines,
        "ratio": round(float(str(engine["seconds"])) / bare, 2),
        "aim": 3,
        "runs": runs,
    }


def _in_own_process(folder: Path, step: str, lines: int) -> dict[str, object]:
    command = [sys.executable, "-m", "tests.bench.reconcile", "--lines", str(lines)]
    command += ["--step", step, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3600)
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def _measured(folder: Path, step: str, lines: int) -> dict[str, object]:
    steps: dict[str, Callable[[Path], object]] = {"baseline": _bare_join, "engine": _engine}
    started = time.perf_counter()
    result = steps[step](folder)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "step": step,
        "seconds": round(seconds, 2),
        "lines_per_second": round(2 * lines / seconds),
        "peak_mb": round(peak),
        "result": result,
    }


def _workplace(folder: Path) -> Workplace:
    return Workplace.open(folder / "tieout.yaml", folder / "home")


def _engine(folder: Path) -> object:
    with _workplace(folder) as workplace:
        report = reconcile(workplace, "settlement_to_ledger", run_id="bench")
        month = statements(workplace, "settlement_to_ledger", Period(FIRST, date(2026, 10, 31)))
        assert all(s.holds for s in month)
        return {"matched": report.matched, "open": report.open}


def _bare_join(folder: Path) -> object:
    with _workplace(folder) as workplace:
        sides = {
            feed: workplace.store.paths(workplace.register.heads(f"lines/{feed}").values())
            for feed in ("psp", "erp")
        }
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "8GB"})
    return connection.execute(
        """
        SELECT count(*)
        FROM (
            SELECT payment_ref AS k, category AS c, entity, currency, sum(amount) AS a
            FROM read_parquet($psp) GROUP BY ALL
        ) AS s
        FULL OUTER JOIN (
            SELECT line_ref AS k, category AS c, entity, currency, sum(amount) AS a
            FROM read_parquet($erp) GROUP BY ALL
        ) AS t
        ON s.k = t.k AND s.c = t.c AND s.entity = t.entity AND s.currency = t.currency
        WHERE s.a IS DISTINCT FROM t.a
        """,
        sides,
    ).fetchone()


def _make(folder: Path, lines: int) -> None:
    """Publish the lines of both feeds, a day at a time."""
    (folder / "tieout.yaml").write_text(CONFIGURATION)
    each = lines // DAYS
    with _workplace(folder) as workplace:
        for number in range(DAYS):
            day = FIRST + timedelta(days=number)
            frame = _day(number * each, each)
            _publish(workplace, "psp", day, _settlements(frame), columns("settlement"))
            _publish(workplace, "erp", day, _postings(frame), columns("ledger"))


def _day(start: int, lines: int) -> pl.LazyFrame:
    n = pl.int_range(start, start + lines, eager=True).alias("n").to_frame().lazy()
    cents = (pl.col("n") * 7919 % 1_000_000 + 100).cast(pl.Decimal(18, 4))
    return n.with_columns(
        (cents / pl.lit("100").cast(pl.Decimal(18, 4))).cast(pl.Decimal(18, 4)).alias("amount"),
        pl.format("pay_{}", pl.col("n").cast(pl.String).str.zfill(12)).alias("payment"),
    )


def _settlements(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.with_columns(
        line_id=pl.col("payment"),
        payment_ref=pl.col("payment"),
        category=pl.lit("charge"),
        settlement_batch=pl.format("B{}", pl.col("n") // 1000),
    )


def _postings(frame: pl.LazyFrame) -> pl.LazyFrame:
    """One posting a line, but for every 1,500th: missing, doubled, or a cent off."""
    kind = pl.when(pl.col("n") % 1500 == 0).then(pl.col("n") // 1500 % 3).otherwise(-1)
    cent = pl.lit("0.01").cast(pl.Decimal(18, 4))
    once = frame.filter(kind != 0).with_columns(
        line_id=pl.format("{}-1", pl.col("n")),
        amount=pl.when(kind == 2).then(pl.col("amount") + cent).otherwise(pl.col("amount")),
    )
    again = frame.filter(kind == 1).with_columns(line_id=pl.format("{}-2", pl.col("n")))
    return pl.concat([once, again], how="diagonal").with_columns(
        line_ref=pl.col("payment"),
        category=pl.lit("charge"),
        account=pl.lit("1150"),
        account_class=pl.lit("clearing"),
        journal_ref=pl.format("J{}", pl.col("n")),
    )


def _publish(
    workplace: Workplace, feed: str, day: date, rows: pl.LazyFrame, schema: Columns
) -> None:
    fixed = {"feed": feed, "extract_sha256": "0" * 64, "entity": "US", "currency": "USD"}
    full = rows.with_columns(
        *(pl.lit(value).alias(name) for name, value in fixed.items()),
        *(pl.lit(day).alias(name) for name in ("received_on", "occurred_on", "period")),
        row_number=pl.int_range(pl.len()),
    ).collect()
    missing = [pl.lit(None).alias(c) for c in schema if c not in full.columns]
    frame = full.with_columns(missing).select(pl.col(c).cast(t) for c, t in schema.items())
    table, partition = f"lines/{feed}", str(day)
    epochs = workplace.register.take_epochs(table, [partition], "bench")
    file = workplace.store.write(table, partition, frame)
    totals = {"extracts": 1, "first_period": partition, "last_period": partition}
    workplace.register.publish(
        [NewPublication(table, partition, (file,), frame.height, totals)],
        {(table, partition): epochs[partition]},
        run_id="bench",
    )


if __name__ == "__main__":
    os.environ.setdefault("POLARS_MAX_THREADS", "2")
    main()
