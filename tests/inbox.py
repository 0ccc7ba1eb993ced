"""A workplace over a folder of files: what the tests of formats, extracts and lines share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tieout.extracts import current, take_in
from tieout.lines.ingest import WindowReport, refresh_lines
from tieout.workplace import Workplace

COMPANY = """
company: Tests
calendar: {{start: {start}}}
entities:
  NL: {{name: Netherlands, currency: EUR, known_as: [YOURCOMPANY_ACCOUNT, "Acme, Inc."]}}
  US: {{name: America, currency: USD, known_as: [AcmeUS]}}
accounts:
  NL: {{"1200": clearing}}
  "*": {{"1200": bank, "4000": revenue}}
feeds:
{feeds}
reconciliations:
  any:
    source: {{feeds: [{first}]}}
    target: {{feeds: [{first}]}}
    passes:
      - {{name: p, shape: one_to_one, key: {{source: [line_id], target: [line_id]}}}}
{more}
"""


@dataclass
class Inbox:
    """A folder with files, and the workplace that reads them."""

    folder: Path
    workplace: Workplace
    runs: int = 0

    def put(
        self, name: str, content: str | bytes, manifest: Mapping[str, Any] | None = None
    ) -> Path:
        """Put a file, and its manifest beside it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if manifest is not None:
            beside = path.with_name(path.name + ".manifest.json")
            beside.write_text(json.dumps(manifest), encoding="utf-8")
        return path

    def read(self, feed: str, windows: list[str] | None = None) -> list[WindowReport]:
        """Take in what is there and refresh; without windows, those there is an extract for."""
        take_in(self.workplace, feed, windows)
        return self.refresh(feed, windows)

    def refresh(self, feed: str, windows: list[str] | None = None) -> list[WindowReport]:
        """Refresh without taking in."""
        self.runs += 1
        taken = current(self.workplace, feed, windows)
        wanted = windows or sorted({e.window for e in taken})
        return refresh_lines(self.workplace, feed, wanted, run_id=f"run-{self.runs}")

    def table(self, table: str, feed: str) -> pl.DataFrame:
        """A published table, all windows of it; an empty frame when there is nothing."""
        heads = self.workplace.register.heads(f"{table}/{feed}").values()
        paths = self.workplace.store.paths(heads)
        return pl.read_parquet(paths) if paths else pl.DataFrame()

    def lines(self, feed: str) -> pl.DataFrame:
        """Published lines."""
        return self.table("lines", feed)

    def reasons(self, feed: str) -> list[tuple[int, str]]:
        """Row number and reason of what is in quarantine, sorted."""
        refused = self.table("quarantine", feed)
        return sorted(refused.select("row_number", "reason").rows()) if refused.height else []

    def failed(self, feed: str) -> list[tuple[str, str]]:
        """Check and break class of the deliveries that do not hold, sorted."""
        rows = self.table("deliveries", feed).filter(pl.col("break_class").is_not_null())
        return sorted(rows.select("check", "break_class").rows())


@contextmanager
def inbox(
    folder: Path, feeds: Mapping[str, str], *, start: str = "2026-10-01", more: str = ""
) -> Iterator[Inbox]:
    """An inbox with feeds: name -> the feed's YAML in one line."""
    folder.mkdir(parents=True, exist_ok=True)
    configure(folder, feeds, start=start, more=more)
    with Workplace.open(folder / "tieout.yaml", folder / ".tieout") as workplace:
        yield Inbox(folder, workplace)


def configure(
    folder: Path, feeds: Mapping[str, str], *, start: str = "2026-10-01", more: str = ""
) -> None:
    """Write the configuration."""
    shown = "\n".join(f"  {name}: {feed}" for name, feed in feeds.items())
    text = COMPANY.format(start=start, feeds=shown, first=next(iter(feeds)), more=more)
    (folder / "tieout.yaml").write_text(text, encoding="utf-8")


LEDGER = '{format: ledger_csv, location: "ledger/{date}.csv", entity: NL}'
LEDGER_HEADER = "line_id,posting_date,journal_ref,account,currency,debit,credit,status"


def ledger(*rows: str) -> str:
    """A ledger file with rows of LEDGER_HEADER."""
    return "\n".join([LEDGER_HEADER, *rows]) + "\n"


def posting(number: int, amount: str = "10.00", **changes: str) -> str:
    """One posting of the ledger: debit of an amount."""
    cells = {
        "line_id": f"L{number}",
        "posting_date": "2026-10-05",
        "journal_ref": f"J{number}",
        "account": "1200",
        "currency": "EUR",
        "debit": amount,
        "credit": "",
        "status": "posted",
    } | changes
    return ",".join(cells[name] for name in LEDGER_HEADER.split(","))
