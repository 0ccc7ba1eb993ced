"""Small worlds: canonical lines put straight into a workplace, as if feeds had delivered them.

What reads extracts is tested elsewhere; the engine starts from published lines, and so do its
tests. A row is a mapping of canonical columns (tieout.lines.columns); what is not given is NULL.
"""

from __future__ import annotations

import atexit
import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import hypothesis
import polars as pl

from tieout.lines.columns import DELIVERIES, QUARANTINE, Columns, columns
from tieout.matching.columns import OUTCOMES
from tieout.matching.reconcile import ReconcileReport, reconcile
from tieout.periods import window_day
from tieout.register.records import NewPublication
from tieout.register.register import Register
from tieout.settings import Kind, Settings
from tieout.store import Store
from tieout.workplace import Workplace

Row = Mapping[str, Any]
Config = Mapping[str, Any]

FEEDS: dict[str, Kind] = {
    "psp": "settlement",
    "psp_b": "settlement",
    "meter": "usage",
    "billing": "invoice",
    "erp": "ledger",
    "erp_b": "ledger",
}
FORMATS: dict[Kind, str] = {
    "settlement": "adyen_settlement_detail",
    "usage": "focus_1_0",
    "invoice": "zuora_invoice_items",
    "ledger": "ledger_csv",
}
ENTITIES = {"A": "USD", "B": "EUR"}


def settings(
    reconciliations: Mapping[str, Config], fees: Mapping[str, Sequence[Config]] | None = None
) -> Settings:
    """Settings with every feed of FEEDS, the reconciliations and fees as tieout.yaml has them."""
    return Settings.model_validate(
        {
            "company": "Small World",
            "calendar": {"start": "2026-01-01"},
            "entities": {
                code: {"name": f"Entity {code}", "currency": currency}
                for code, currency in ENTITIES.items()
            },
            "feeds": {
                feed: {
                    "format": FORMATS[kind],
                    "location": f"{feed}/{{date}}.csv",
                    "every": "hour" if kind == "usage" else "day",
                }
                for feed, kind in FEEDS.items()
            },
            "reconciliations": reconciliations,
            "fees": fees or {},
            "limits": {"memory_mb": 512, "threads": 2},
        }
    )


@dataclass(frozen=True)
class World:
    """A workplace, and what its feeds deliver into it."""

    workplace: Workplace

    def deliver(
        self, deliveries: Mapping[tuple[str, str], Sequence[Row]], *, extracts: int = 1
    ) -> None:
        """Publish the lines of windows of feeds, in the order given, all at once.

        `deliveries`: (feed, window) -> rows; `extracts` 0: nothing came for them.
        """
        register = self.workplace.register
        new = [
            self._stored(
                f"lines/{feed}",
                window,
                [{"feed": feed, "received_on": window_day(window), **row} for row in rows],
                columns(FEEDS[feed]),
                extracts,
            )
            for (feed, window), rows in deliveries.items()
        ]
        epochs = {
            (table, window): epoch
            for table, windows in _by_table(new).items()
            for window, epoch in register.take_epochs(table, windows, "deliver").items()
        }
        register.publish(new, epochs, run_id="deliver")

    def beside(self, stage: str, feed: str, window: str, rows: Sequence[Row]) -> None:
        """Publish what stands beside the lines of a window: quarantine, duplicates, deliveries."""
        schema = {
            "quarantine": QUARANTINE,
            "deliveries": DELIVERIES,
            "duplicates": columns(FEEDS[feed]) | {"first_row": pl.Int64()},
        }[stage]
        found = [{"feed": feed, "received_on": window_day(window), **row} for row in rows]
        new = self._stored(f"{stage}/{feed}", window, found, schema, 1)
        epochs = self.workplace.register.take_epochs(new.table, [window], "deliver")
        fences = {(new.table, window): epochs[window]}
        self.workplace.register.publish([new], fences, run_id="deliver")

    def reconcile(self, name: str, run_id: str = "run") -> ReconcileReport:
        """Bring a reconciliation up to date."""
        return reconcile(self.workplace, name, run_id=run_id)

    def outcomes(self, name: str) -> list[dict[str, Any]]:
        """Every outcome published, day by day, in the order of the files."""
        heads = self.workplace.register.heads(f"outcomes/{name}")
        found: list[dict[str, Any]] = []
        for path in self.workplace.store.paths(heads.values()):
            found += pl.read_parquet(path).to_dicts()
        return found

    def files(self, name: str, stage: str = "outcomes") -> dict[str, tuple[str, ...]]:
        """sha256 of the published files by day; a day without rows is as good as none."""
        heads = self.workplace.register.heads(f"{stage}/{name}")
        return {
            day: tuple(f.sha256 for f in head.files) for day, head in heads.items() if head.rows
        }

    def _stored(
        self, table: str, window: str, rows: Sequence[Row], schema: Columns, extracts: int
    ) -> NewPublication:
        frame = pl.DataFrame(rows, schema)
        files = (self.workplace.store.write(table, window, frame),) if rows else ()
        days = frame["period" if "period" in schema else "received_on"]
        ends = {"first_period": str(days.min()), "last_period": str(days.max())} if rows else {}
        totals = {"extracts": extracts, "first_period": None, "last_period": None} | ends
        return NewPublication(table, window, files, frame.height, totals)


@contextmanager
def world(
    reconciliations: Mapping[str, Config],
    url: str | None = None,
    fees: Mapping[str, Sequence[Config]] | None = None,
) -> Iterator[World]:
    """An empty world of its own, gone afterwards; its register is SQLite unless a URL is given."""
    with tempfile.TemporaryDirectory(prefix="tieout-world-") as folder:
        home = Path(folder)
        if url is None:
            shutil.copyfile(_empty_register(), home / "register.db")
            url = f"sqlite:///{home / 'register.db'}"
        with Register.open(url) as register:
            place = Workplace(
                settings(reconciliations, fees), register, Store(home / "store"), home
            )
            yield World(place)


@cache
def _empty_register() -> Path:
    """A register without content: bringing the schema up takes longer than a small world."""
    folder = tempfile.mkdtemp(prefix="tieout-register-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / f"{uuid4().hex}.db"
    Register.open(f"sqlite:///{path}").close()
    return path


def extract_sha256(*parts: object) -> str:
    """A fingerprint for the extract that is named by the parts."""
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


def _by_table(new: Sequence[NewPublication]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in new:
        found.setdefault(one.table, []).append(one.partition)
    return found


def examples(number: int, **more: Any) -> hypothesis.settings:
    """That many examples in the tests' own run, many more with the profile `fuzz`."""
    if hypothesis.settings.get_current_profile_name() == "fuzz":
        number *= 50
    return hypothesis.settings(max_examples=number, **more)


SAME_LINE = ("side", "feed", "line_id", "received_on", "extract_sha256", "row_number")
JUDGED = tuple(name for name in OUTCOMES if name != "ref")
"""Columns of an outcome that the oracle knows too."""


class Told(Protocol):
    """A random world, or many side by side."""

    def text(self, prefixes: Sequence[str] = ...) -> str:
        """The rows of those worlds whose lines have one of the prefixes."""


def assert_same(found: Sequence[Row], expected: Sequence[Row], told: Told) -> None:
    """Outcomes are those expected, in that order; else shows the first lines that are not."""
    there = {tuple(one[name] for name in SAME_LINE): one for one in expected}
    problems = []
    for one in found:
        wanted = there.pop(tuple(one[name] for name in SAME_LINE), None)
        if wanted is None:
            problems.append(f"{_line_text(one)}: not expected, or found twice")
            continue
        wrong = {c: (one[c], wanted.get(c)) for c in JUDGED if one[c] != wanted.get(c)}
        if wrong:
            shown = ", ".join(f"{c} {got} (expected {want})" for c, (got, want) in wrong.items())
            problems.append(f"{_line_text(one)}: {shown}")
    problems += [f"{_line_text(one)}: expected, not found" for one in there.values()]
    shown = "\n".join(problems[:8])
    prefixes = sorted(set(re.findall(r"w[0-9]{3}\.", shown)))[:3]
    text = told.text(prefixes or [""]) if problems else ""
    assert not problems, f"{len(problems)} differences\n{shown}\n{text}"
    order = [[tuple(one[name] for name in SAME_LINE) for one in some] for some in (found, expected)]
    assert order[0] == order[1], "published in another order"


def _line_text(one: Row) -> str:
    return f"{one['side']} {one['feed']} {one['line_id']} of {one['received_on']}"
