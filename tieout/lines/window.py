"""One window of a feed while it is being worked: what its rows became, for four tables."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.formats.reading import StatedTotal
from tieout.formats.refusals import KEYS
from tieout.lines.columns import DELIVERIES, QUARANTINE, columns
from tieout.lines.delivery import Delivery
from tieout.lines.duplicates import DUPLICATE_OF, settle
from tieout.lines.manifest import INBOX
from tieout.lines.members import Member, placed
from tieout.lines.tally import Tally
from tieout.model import Figure
from tieout.money import NO_CURRENCY, known_currencies, plain_amount
from tieout.register.records import NewPublication, StoredFile, TakenExtract
from tieout.settings import Kind
from tieout.store import Store, TableWriter

TABLES = ("lines", "quarantine", "duplicates", "deliveries")


@dataclass(frozen=True)
class Part:
    """Rows of one window from one batch: canonical lines (with KEYS) and quarantine rows."""

    lines: pl.DataFrame
    quarantine: pl.DataFrame


@dataclass
class Window:
    """What is known of a window so far. `extracts` by their number in the run."""

    key: str
    feed: str
    kind: Kind
    received_on: date
    extracts: dict[int, TakenExtract]
    tallies: dict[int, Tally] = field(default_factory=dict)
    stated: dict[int, list[StatedTotal]] = field(default_factory=dict)
    members: dict[int, list[Member]] = field(default_factory=dict)
    """The files of extracts that are archives of several."""
    deliveries: list[Delivery] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    read: bool = False
    suspects: pl.Series | None = None
    """Hashes of ids that come twice, as a first reading found; None where there was none."""


class Sink:
    """Writes a window's tables as its parts come in, and gives the publications at the end."""

    def __init__(self, window: Window, store: Store) -> None:
        self.window, self.store = window, store
        self._stack = ExitStack()
        self._writer: TableWriter | None = None
        self._ids: list[pl.Series] = []
        self._held: list[pl.DataFrame] = []
        self._whole: pl.DataFrame | None = None
        self._quarantine: list[pl.DataFrame] = []
        self._duplicates: list[pl.DataFrame] = []
        self._accepted: dict[str, Figure] = {}
        self._rows = self._parts = 0
        self._conflicting: list[pl.DataFrame] = []
        self._periods: list[date] = []

    def take(self, part: Part, *, last: bool) -> bool:
        """Add a part. False when the window must be read again: ids come twice across its parts."""
        self._quarantine.append(part.quarantine)
        lines = part.lines
        self._parts += 1
        if last and self._parts == 1:
            lines = self._settled(lines)
        elif self.window.suspects is not None:
            suspect = lines.filter(lines["line_id"].hash().is_in(self.window.suspects.implode()))
            self._held.append(lines.join(suspect, on=KEYS, how="semi", maintain_order="left"))
            lines = lines.join(suspect, on=KEYS, how="anti", maintain_order="left")
            if last:
                lines = pl.concat([lines, self._settled(pl.concat(self._held, rechunk=True))])
        else:
            self._ids.append(lines["line_id"].hash())
            if last and self.twice().len():
                return False
        self._write(lines, last=last)
        return True

    def twice(self) -> pl.Series:
        """Hashes of ids that came twice."""
        # Sorted, not hashed: a few bytes a line however many lines there are.
        ids = pl.concat(self._ids).sort()
        return ids.filter((ids == ids.shift()).fill_null(False)).unique()

    def _settled(self, lines: pl.DataFrame) -> pl.DataFrame:
        if not lines["line_id"].is_duplicated().any():
            return lines
        files = {n: e.name for n, e in self.window.extracts.items()}
        kept, duplicates, conflicts = settle(lines, files)
        gone = pl.concat([kept, duplicates.select(kept.columns)]).select(KEYS).unique()
        self._conflicting.append(lines.join(gone, on=KEYS, how="anti"))
        self._duplicates.append(duplicates)
        self._quarantine.append(placed(conflicts, self.window.members))
        for extract, rows in conflicts.group_by("extract").len().iter_rows():
            tally = self.window.tallies[extract]
            tally.accepted, tally.refused = tally.accepted - rows, tally.refused + rows
        if self.window.kind == "settlement":
            self._take_out_of_batches(lines.join(kept, on=KEYS, how="anti"))
        return kept

    def _take_out_of_batches(self, again: pl.DataFrame) -> None:
        """A batch is held to the rows that count: one sent twice does not put it out of balance."""
        paid = pl.col("category") == "payout"
        sums = again.group_by("extract", "settlement_batch", "entity", "currency").agg(
            pl.struct(KEYS).n_unique().alias("rows"),
            pl.col("amount").sum(),
            paid.sum().alias("payouts"),
            pl.col("amount").filter(paid).sum().alias("payout"),
        )
        for extract, *key, rows, amount, payouts, payout in sums.iter_rows():
            batch = self.window.tallies[extract].batches.get((key[0], key[1], key[2]))
            if batch is not None:
                batch.rows -= rows
                batch.amount -= amount
                batch.payouts -= payouts
                batch.payout -= payout

    def _write(self, lines: pl.DataFrame, *, last: bool) -> None:
        for currency, count, amount in (
            lines.group_by("currency").agg(pl.len(), pl.col("amount").sum()).iter_rows()
        ):
            self._accepted[currency] = self._accepted.get(currency, Figure()) + Figure(
                count, amount
            )
        self._rows += lines.height
        self._periods += _ends(lines)
        wanted = columns(self.window.kind)
        if last and self._writer is None:
            self._whole = lines.select(*wanted)
            return
        if self._writer is None and lines.height:
            self._writer = self._stack.enter_context(
                self.store.writer(f"lines/{self.window.feed}", self.window.key, wanted)
            )
        if self._writer is not None:
            self._writer.write(lines.select(*wanted))
        if last:
            self._stack.close()

    def abandon(self) -> None:
        """Leave no file behind."""
        self._stack.__exit__(_AbandonedError, _AbandonedError(), None)

    def publications(self, fingerprint: str) -> list[NewPublication]:
        """Write the four tables of the window, ready to be published; once, in any thread."""
        feed, key, store = self.window.feed, self.window.key, self.store
        quarantine = (
            pl.concat(self._quarantine, rechunk=True) if self._quarantine else pl.DataFrame()
        )
        duplicates = (
            pl.concat(self._duplicates, rechunk=True) if self._duplicates else pl.DataFrame()
        )
        quarantine = quarantine.select(*QUARANTINE) if quarantine.height else quarantine
        wanted = {**columns(self.window.kind), DUPLICATE_OF: pl.Int64()}
        duplicates = duplicates.select(*wanted) if duplicates.height else duplicates
        deliveries = pl.DataFrame(self.window.deliveries, schema=DELIVERIES)
        totals = self._totals(quarantine, duplicates)
        self._assert_nothing_is_lost(duplicates)
        report = {
            "fingerprint": fingerprint,
            "extracts": [e.sha256 for e in self.window.extracts.values()],
            "rows": self._row_counts(duplicates),
            "totals": totals,
            "notes": self.window.notes,
            "failed": [delivery_json(d) for d in self.window.deliveries if d["break_class"]],
        }
        if numbers := self._numbers():
            report["numbers"] = numbers
        report |= self._of_inbox()
        lines = self._file()
        report |= _span(self._periods)
        made = [NewPublication(f"lines/{feed}", key, _files(lines), self._rows, report)]
        for table, frame in (
            ("quarantine", quarantine),
            ("duplicates", duplicates),
            ("deliveries", deliveries),
        ):
            file = store.write(f"{table}/{feed}", key, frame) if frame.height else None
            # A refused row whose date cannot be read counts on the day it was received.
            days = [self.window.received_on] if frame.height else []
            span = _span(days if table == "deliveries" else days + _ends(frame))
            made.append(NewPublication(f"{table}/{feed}", key, _files(file), frame.height, span))
        return made

    def _file(self) -> StoredFile | None:
        """The file of the lines; those of a window that came in one part are written now."""
        if self._whole is None:
            return self._writer.file if self._writer is not None else None
        if not self._whole.height:
            return None
        return self.store.write(f"lines/{self.window.feed}", self.window.key, self._whole)

    @property
    def rows(self) -> int:
        """Lines accepted so far."""
        return self._rows

    def _numbers(self) -> dict[str, list[list[object]]]:
        """Sequence numbers of the window's extracts: account -> [number, entity]."""
        seen: dict[str, dict[int, str]] = {}
        for tally in self.window.tallies.values():
            for account, numbers in tally.numbers.items():
                seen.setdefault(account, {}).update(numbers)
        return {
            a: [[n, e] for n, e in sorted(numbers.items())] for a, numbers in sorted(seen.items())
        }

    def _of_inbox(self) -> dict[str, Any]:
        """What the inbox says of the window, where the feed is one: numbers, and its watermark."""
        manifests = [e.manifest or {} for e in self.window.extracts.values()]
        told = next((dict(m[INBOX]) for m in manifests if INBOX in m), None)
        if told is None:
            return {}
        numbers = told.pop("numbers")
        return {"watermark": told, **({"numbers": numbers} if numbers else {})}

    def _row_counts(self, duplicates: pl.DataFrame) -> dict[str, int]:
        tallies = self.window.tallies.values()
        again = (
            duplicates.select("extract_sha256", "row_number").n_unique() if duplicates.height else 0
        )
        counts = {
            "received": sum(t.rows for t in tallies),
            "accepted": sum(t.accepted for t in tallies) - again,
            "quarantined": sum(t.refused for t in tallies),
            "duplicates": again,
        }
        for tally in tallies:
            for word, rows in tally.skipped.items():
                counts[word] = counts.get(word, 0) + rows
        lost = counts["received"] - sum(n for w, n in counts.items() if w != "received")
        # Conservation, before anything is published: every row of the file ended somewhere.
        assert lost == 0, (
            f"{self.window.feed} {self.window.key}: {lost} rows unaccounted for: {counts}"
        )
        return counts

    def _assert_nothing_is_lost(self, duplicates: pl.DataFrame) -> None:
        """Conservation, before anything is published: every line made of a row is somewhere."""
        made: dict[str, Figure] = {}
        for tally in self.window.tallies.values():
            for currency, figure in tally.lines.items():
                made[currency] = made.get(currency, Figure()) + figure
        ended = [self._accepted, _by_currency(duplicates), *map(_by_currency, self._conflicting)]
        for currency, figure in made.items():
            left = figure - sum((part.get(currency, Figure()) for part in ended), Figure())
            assert left == Figure(), (
                f"{self.window.feed} {self.window.key}: lost {left.count} lines of {currency}"
            )

    def _totals(
        self, quarantine: pl.DataFrame, duplicates: pl.DataFrame
    ) -> dict[str, dict[str, dict[str, Any]]]:
        figures = {
            "accepted": self._accepted,
            "quarantined": _by_currency(quarantine),
            "duplicates": _by_currency(duplicates),
        }
        totals: dict[str, dict[str, dict[str, Any]]] = {}
        for currency in sorted({c for part in figures.values() for c in part}):
            parts = {name: part.get(currency, Figure()) for name, part in figures.items()}
            received = sum(parts.values(), Figure())
            totals[currency] = {
                "received": received.as_json(currency),
                **{name: figure.as_json(currency) for name, figure in parts.items()},
            }
        return totals


class _AbandonedError(Exception):
    """Tells a writer to keep nothing."""


def _files(file: StoredFile | None) -> tuple[StoredFile, ...]:
    return () if file is None else (file,)


def _ends(frame: pl.DataFrame) -> list[date]:
    """First and last period of the rows, as far as they have one."""
    if not frame.height:
        return []
    first, last = frame["period"].min(), frame["period"].max()
    return [day for day in (first, last) if isinstance(day, date)]


def _span(periods: Sequence[date]) -> dict[str, str]:
    """The days a table's rows count in; readers of other days need not open it."""
    if not periods:
        return {}
    return {"first_period": min(periods).isoformat(), "last_period": max(periods).isoformat()}


def _by_currency(frame: pl.DataFrame) -> dict[str, Figure]:
    if not frame.height:
        return {}
    sums = frame.group_by("currency").agg(pl.len(), pl.col("amount").sum())
    return {currency: Figure(count, amount) for currency, count, amount in sums.iter_rows()}


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """A row of the deliveries table as JSON: amounts and days are text, NULL is left out."""
    stated = delivery["currency"]
    currency = stated if stated in known_currencies() else NO_CURRENCY
    return {
        key: plain_amount(value, currency)
        if isinstance(value, Decimal)
        else value.isoformat()
        if isinstance(value, date)
        else value
        for key, value in delivery.items()
        if value is not None
    }
