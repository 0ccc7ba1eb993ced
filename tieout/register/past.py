"""The register as it was known at a past moment: what was published, taken and decided by then.

Read only. What the register keeps without its time (notes, what a consumer has worked in, fences)
cannot be asked of the past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy.engine import Engine

from tieout.errors import TieoutError
from tieout.register import decisions, extracts, publications
from tieout.register.decisions import Decision
from tieout.register.heads import Heads
from tieout.register.records import Publication, TakenExtract
from tieout.register.register import Register


class PastRegister(Register):
    """Reads as of `moment` (UTC). It shares the connections of the register it was made from,
    and what that has read. The past stays what it was: what is asked of a whole table or feed
    is asked once.
    """

    def __init__(self, engine: Engine, moment: datetime, heads: Heads) -> None:
        super().__init__(engine)
        self._moment = moment
        self._heads = heads
        self._known: dict[str, dict[str, Publication]] = {}
        self._taken: dict[tuple[str, bool], list[TakenExtract]] = {}

    @property
    def moment(self) -> datetime:
        """The moment that reads are as of."""
        return self._moment

    def heads(
        self,
        table: str,
        partitions: Sequence[str] | None = None,
        *,
        as_of: datetime | None = None,
    ) -> dict[str, Publication]:
        """What readers got then; an earlier `as_of` is earlier still."""
        if as_of is not None and as_of < self.moment:
            return super().heads(table, partitions, as_of=as_of)
        if partitions is not None:
            return super().heads(table, partitions, as_of=self.moment)
        if table not in self._known:
            self._known[table] = super().heads(table, as_of=self.moment)
        return dict(self._known[table])

    def versions(self, wanted: Mapping[tuple[str, str], int]) -> list[Publication]:
        """Publications of given versions, as far as they were there."""
        return [one for one in super().versions(wanted) if one.published_at <= self.moment]

    def history(self, table: str, partitions: Sequence[str] | None = None) -> list[Publication]:
        """Every version published by then."""
        return [
            one for one in super().history(table, partitions) if one.published_at <= self.moment
        ]

    def tables(self, prefix: str = "") -> list[str]:
        """Names of the tables that had been published by then."""
        with self.reading() as connection:
            return publications.tables(connection, prefix, self.moment)

    def extracts(
        self, feed: str, windows: Sequence[str] | None = None, *, current: bool = True
    ) -> list[TakenExtract]:
        """Deliveries taken in by then; `current` gives those that nothing had replaced yet."""
        if windows is not None:
            with self.reading() as connection:
                return extracts.known(connection, feed, windows, current, self.moment)
        if (feed, current) not in self._taken:
            with self.reading() as connection:
                found = extracts.known(connection, feed, None, current, self.moment)
            self._taken[feed, current] = found
        return list(self._taken[feed, current])

    def decisions(self, reconciliation: str | None = None) -> list[Decision]:
        """Decisions made by then; one that was taken back later stood."""
        with self.reading() as connection:
            return decisions.recorded(connection, reconciliation, self.moment)

    def consumed(self, consumer: str) -> dict[tuple[str, str], int]:
        """Not kept by time. Raises TieoutError."""
        self._unknown(f"what {consumer} had worked in")

    def notes(self, kind: str) -> dict[str, dict[str, Any]]:
        """Not kept by time. Raises TieoutError."""
        self._unknown(f"notes of {kind}")

    def writing(self) -> NoReturn:
        """The past is not written to. Raises TieoutError."""
        raise TieoutError(
            f"the register as known at {self.moment:%Y-%m-%d %H:%M:%S} UTC cannot be changed",
            "leave the moment out to work on what is known now",
        )

    def _unknown(self, what: str) -> NoReturn:
        raise TieoutError(
            f"{what} is not kept by time: it cannot be said as known at "
            f"{self.moment:%Y-%m-%d %H:%M:%S} UTC",
            "ask without the moment",
        )
