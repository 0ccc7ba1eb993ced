"""Precision and recall of every class of break, on samples that the engine has no labels of.

    python -m tests.proof.sample --seeds 5

Each seed makes the sample company anew (41 days over a month's end, about 100,000 rows), takes its
extracts in, reconciles them, and holds every break against labels.csv, which nothing of that reads.
Prints a table of reconciliations and classes over all seeds, and ends with 1 where any class of any
seed is not at precision and recall 1.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal
from pathlib import Path

import polars as pl

from tieout.breaks import breaks
from tieout.extracts import take_in
from tieout.lines.ingest import refresh_lines
from tieout.matching.reconcile import reconcile
from tieout.model import Break
from tieout.periods import Period, windows_between
from tieout.sample.deliver import deliver
from tieout.sample.make import SampleReport, make_sample
from tieout.sample.score import ClassScore, score
from tieout.statement import statements
from tieout.waterfall import of_period
from tieout.workplace import Workplace

CONFIGURATION = Path(__file__).parents[2] / "tieout.yaml"
FIRST, LAST = date(2026, 10, 1), date(2026, 11, 10)
INVOICES_PER_DAY = 100


@dataclass(frozen=True)
class Proof:
    """What one sample came to. `rows` of extracts by fate, `events` alike; `lines` accepted, of all
    feeds; `matched_by` lines by reconciliation and pass; `residuals` what matches leave, as their
    labels, by reconciliation and line; `unexplained` what should hold and does not."""

    report: SampleReport
    rows: Counter[str]
    events: Counter[str]
    lines: int
    matched_by: Counter[tuple[str, str]]
    residuals: dict[tuple[str, str], str]
    scores: list[ClassScore]
    unexplained: list[str]


def prove(folder: Path, seed: int, period: Period, invoices_per_day: int) -> Proof:
    """Make a sample in a folder of its own, work it from extract to breaks, and score it."""
    shutil.copy(CONFIGURATION, folder)
    report = make_sample(
        folder / "sample",
        seed=seed,
        first=period.first,
        last=period.last,
        invoices_per_day=invoices_per_day,
    )
    rows: Counter[str] = Counter()
    events: Counter[str] = Counter()
    found: list[Break] = []
    unexplained: list[str] = []
    matched_by: Counter[tuple[str, str]] = Counter()
    residuals: dict[tuple[str, str], str] = {}
    with Workplace.open(folder / "tieout.yaml", folder / "home") as workplace:
        deliver(workplace, folder / "sample")
        for name, feed in workplace.settings.feeds.items():
            windows = windows_between(period.first, period.last, feed.every)
            take_in(workplace, name, windows)
            for window in refresh_lines(workplace, name, windows, run_id="proof"):
                assert window.error is None, window
                (rows if feed.inbox is None else events).update(window.rows)
        for name, reconciliation in workplace.settings.reconciliations.items():
            reconcile(workplace, name, run_id="proof")
            found += breaks(workplace, name, period)
            matched_by.update({(name, rule): n for rule, n in _matched(workplace, name)})
            residuals |= {(name, line): label for line, label in _left(workplace, name)}
            unexplained += [
                f"statement of {name}: {one.entity} {one.currency} {one.side}"
                for one in statements(workplace, name, period)
                if not one.holds
            ]
            if not reconciliation.chain:
                unexplained += [
                    f"waterfall of {name}: {one.entity} {one.currency} {one.unexplained}"
                    for one in of_period(workplace, name, period)
                    if one.unexplained
                ]
        heads = [
            head
            for name in workplace.settings.feeds
            for head in workplace.register.heads(f"lines/{name}").values()
        ]
    lines = sum(head.rows for head in heads)
    scores = score(folder / "sample" / "labels.csv", found)
    return Proof(report, rows, events, lines, matched_by, residuals, scores, unexplained)


def _matched(workplace: Workplace, name: str) -> list[tuple[str, int]]:
    """Lines matched, by pass."""
    return _matches(workplace, name).group_by("pass").len().collect().rows()


def _left(workplace: Workplace, name: str) -> list[tuple[str, str]]:
    """Lines on which a match has left something, and what that is."""
    left = _matches(workplace, name).filter(pl.col("residual") != 0)
    return left.select("line_id", "label").collect().rows()


def _matches(workplace: Workplace, name: str) -> pl.LazyFrame:
    paths = workplace.store.paths(workplace.register.heads(f"outcomes/{name}").values())
    return pl.scan_parquet(paths).filter(outcome="matched")


def added(scores: Iterable[ClassScore]) -> list[ClassScore]:
    """Scores of several samples as one, by reconciliation and class."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in scores:
        counts = (one.labelled, one.found, one.true_positives)
        of = sums[one.reconciliation, one.break_class]
        of[:] = [a + b for a, b in zip(of, counts, strict=True)]
    return [ClassScore(*of, *counts) for of, counts in sorted(sums.items())]


def table(scores: Sequence[ClassScore]) -> str:
    """The scores as a table for a page."""
    rows = ["| reconciliation | class | labelled | found | precision | recall |"]
    rows.append("| --- | --- | ---: | ---: | ---: | ---: |")
    rows += [
        f"| {s.reconciliation} | `{s.break_class}` | {s.labelled:,} | {s.found:,} |"
        f" {_shown(s.precision)} | {_shown(s.recall)} |"
        for s in scores
    ]
    return "\n".join(rows)


def _shown(ratio: Decimal | None) -> str:
    """Rounded down, so that only what is perfect reads as 1.000."""
    return "-" if ratio is None else str(ratio.quantize(Decimal("0.001"), rounding=ROUND_DOWN))


def wrong(scores: Iterable[ClassScore]) -> list[ClassScore]:
    """The classes that are not perfect."""
    return [s for s in scores if not s.labelled == s.found == s.true_positives]


def main() -> int:
    """Prove the seeds 1 to --seeds; 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--invoices-per-day", type=int, default=INVOICES_PER_DAY)
    parser.add_argument("--keep", type=Path, help="a folder for the samples, left there")
    asked = parser.parse_args()
    scores: list[ClassScore] = []
    failed = False
    for seed in range(1, asked.seeds + 1):
        started = time.monotonic()
        folder = asked.keep / str(seed) if asked.keep else Path(tempfile.mkdtemp(prefix="proof-"))
        folder.mkdir(parents=True, exist_ok=True)
        proof = prove(folder, seed, Period(FIRST, LAST), asked.invoices_per_day)
        if not asked.keep:
            shutil.rmtree(folder)
        scores += proof.scores
        faults = [*map(str, wrong(proof.scores)), *proof.unexplained]
        failed = failed or bool(faults)
        print(
            f"seed {seed}: {proof.report.total_rows:,} rows, {proof.lines:,} lines,"
            f" {proof.report.labels:,} labels, {len(faults)} faults,"
            f" {time.monotonic() - started:.0f} s",
            file=sys.stderr,
        )
        print("\n".join(faults), file=sys.stderr)
    print(table(added(scores)))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
