"""Outcomes of a reconciliation on their way to the store, a day at a time, fenced as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tieout.audit.configuration import record
from tieout.lines.columns import Columns
from tieout.register.records import NewPublication
from tieout.store import TableWriter
from tieout.workplace import Workplace

RUN = "run"
"""The one partition of reconciled/<name>: whoever holds its epoch alone may publish outcomes."""


@dataclass
class Publisher:
    """Writes the outcomes of one run and publishes them, with what was worked in, in one stroke."""

    workplace: Workplace
    name: str
    fingerprint: str
    run_id: str
    epoch: int
    _made: list[NewPublication] = field(default_factory=list)

    @classmethod
    def start(cls, workplace: Workplace, name: str, fingerprint: str, run_id: str) -> Publisher:
        """Take the reconciliation over; from here on an older run of it publishes nothing.

        Where the configuration has changed since the last run, everything is worked anew.
        """
        record(workplace.register, workplace.settings)
        fence = f"reconciled/{name}"
        epoch = workplace.register.take_epochs(fence, [RUN], run_id)[RUN]
        publisher = cls(workplace, name, fingerprint, run_id, epoch)
        before = workplace.register.heads(fence).get(RUN)
        if before is not None and before.totals.get("fingerprint") != fingerprint:
            workplace.register.forget_consumed(publisher.consumer)
        return publisher

    @property
    def consumer(self) -> str:
        """The name under which the register keeps what was worked in."""
        return f"reconcile.{self.name}"

    @property
    def table(self) -> str:
        """The table of the outcomes."""
        return f"outcomes/{self.name}"

    def write(
        self, frames: Iterable[pl.DataFrame], schema: Columns, stale: Sequence[str]
    ) -> Counter[str]:
        """Store outcomes that come in order of their day; days of `stale` without any become empty.

        Returns counts: lines, matched, open, duplicate.
        """
        totals: Counter[str] = Counter()
        with ExitStack() as stack:
            day: _Day | None = None
            for frame in frames:
                shaped = frame.select(pl.col(c).cast(t) for c, t in schema.items())
                for (key,), rows in shaped.partition_by(
                    "period", maintain_order=True, as_dict=True
                ).items():
                    if day is None or day.partition != str(key):
                        self._end(day, stack, totals)
                        day = _Day(str(key), self._writer(stack, str(key), schema))
                    day.add(rows)
            self._end(day, stack, totals)
        have = {one.partition for one in self._made}
        self._made += [
            NewPublication(self.table, partition, totals=_Day.nothing())
            for partition in stale
            if partition not in have
        ]
        return totals

    def publish(self, consumed: Mapping[tuple[str, str], int]) -> list[str]:
        """Publish everything written; the days, in order. Raises FencedError."""
        # Days have no epochs of their own: an older run, refused here a moment later, would have
        # taken them and so refused the newer one as well.
        fence = f"reconciled/{self.name}"
        seal = NewPublication(fence, RUN, totals={"fingerprint": self.fingerprint})
        self.workplace.register.publish(
            [seal, *self._made],
            {(fence, RUN): self.epoch},
            run_id=self.run_id,
            under=(fence, RUN),
            consumer=self.consumer,
            consumed=consumed,
        )
        return sorted(one.partition for one in self._made)

    def _writer(self, stack: ExitStack, partition: str, schema: Columns) -> TableWriter:
        return stack.enter_context(self.workplace.store.writer(self.table, partition, schema))

    def _end(self, day: _Day | None, stack: ExitStack, totals: Counter[str]) -> None:
        """Close a day's file and remember it for publishing."""
        if day is None:
            return
        stack.pop_all().close()
        assert day.writer.file is not None
        totals.update(day.counts)
        self._made.append(
            NewPublication(
                self.table, day.partition, (day.writer.file,), day.writer.file.rows, day.totals()
            )
        )


@dataclass
class _Day:
    """The outcomes of one day as they are written, and what readers prune by."""

    partition: str
    writer: TableWriter
    counts: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    cleared_through: str = ""

    def add(self, rows: pl.DataFrame) -> None:
        self.writer.write(rows)
        self.counts["lines"] += rows.height
        self.counts.update(dict(rows["outcome"].value_counts().iter_rows()))
        self.accepted += rows.filter(pl.col("outcome") == "open")["decision"].count()
        latest = rows["cleared_on"].max()
        self.cleared_through = max(self.cleared_through, str(latest) if latest else "")

    def totals(self) -> dict[str, Any]:
        return {
            "lines": self.counts["lines"],
            "matched": self.counts["matched"],
            "open": self.counts["open"],
            "duplicate": self.counts["duplicate"],
            "accepted": self.accepted,
            "cleared_through": self.cleared_through,
        }

    @staticmethod
    def nothing() -> dict[str, Any]:
        """The totals of a day without outcomes."""
        counts = dict.fromkeys(("lines", "matched", "open", "duplicate", "accepted"), 0)
        return counts | {"cleared_through": ""}
