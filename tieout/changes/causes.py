"""Why a line counts otherwise than at an earlier moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tieout.changes.model import Cause, CauseKind, taken_text
from tieout.locks import locks
from tieout.matching.inputs import is_configured_alike
from tieout.matching.publish import RUN
from tieout.periods import DAY_FORMAT
from tieout.register.decisions import Decision
from tieout.register.records import TakenExtract
from tieout.stale import feeds_of
from tieout.statement_inputs import Through
from tieout.workplace import Workplace

Row = Mapping[str, Any]
"""A row of sql/changed_outcome.sql."""
_BY_TIME = ("timing", "breaks")


@dataclass(frozen=True)
class Causes:
    """What happened between two moments: extracts, decisions, deliveries, reopened months,
    configuration."""

    extracts: Mapping[tuple[str, str], TakenExtract]
    """By feed and sha256, the last one taken; all that were known at the later moment."""
    earlier: frozenset[tuple[str, str, str, str]]
    """Feed, window, name and sha256 of what had been taken by the earlier moment."""
    decisions: Mapping[int, Decision]
    taken_back: Mapping[int, Decision]
    before: Through
    after: Through
    reopened: Mapping[str, str]
    """The months of an entity that were reopened, as text."""
    configured: bool
    """Whether the configuration is another one."""
    _found: dict[tuple[str, str, str | None], Cause | None] = field(default_factory=dict)
    """Causes by extract: one brings many lines."""

    @classmethod
    def between(
        cls, before: Workplace, after: Workplace, name: str, throughs: tuple[Through, Through]
    ) -> Causes:
        """Read from the register as known at two moments."""
        feeds = feeds_of(after.settings, name)
        decided = list(_decisions(after, name))
        known = {one.id for one in _decisions(before, name)}
        return cls(
            extracts={
                (feed, one.sha256): one
                for feed in feeds
                for one in after.register.extracts(feed, current=False)
            },
            earlier=frozenset(
                (feed, one.window, one.name, one.sha256)
                for feed in feeds
                for one in before.register.extracts(feed, current=False)
            ),
            decisions={one.id: one for one in decided},
            taken_back={
                one.new.takes_back: one
                for one in decided
                if one.new.takes_back is not None and one.id not in known
            },
            before=throughs[0],
            after=throughs[1],
            reopened=_reopened(before, after),
            configured=not is_configured_alike(
                _fingerprint(before, name), _fingerprint(after, name)
            ),
        )

    def of_line(self, row: Row) -> Cause:
        """Why a line came, went or changed."""
        feed = row["feed"]
        if not row["is_there"]:
            return self.successor(feed, row["was_extract_sha256"]) or self._otherwise(row)
        return self.extract(feed, row["is_extract_sha256"]) or self._otherwise(row)

    def of_outcome(self, row: Row) -> Cause:
        """Why something else became of a line that is what it was."""
        return (
            self._decided(row)
            or self._of_time(row)
            or self._of_counterpart(row)
            or self._redelivered(row)
            or self._otherwise(row)
        )

    def extract(self, feed: str, sha256: str | None) -> Cause | None:
        """The extract that brought something, None for one that the register does not know."""
        key = ("brought", feed, sha256)
        if key not in self._found:
            self._found[key] = self._brought(feed, sha256)
        return self._found[key]

    def successor(self, feed: str, sha256: str | None) -> Cause | None:
        """The extract that took the place of another one."""
        key = ("replaced", feed, sha256)
        if key not in self._found:
            self._found[key] = self._replaced(feed, sha256)
        return self._found[key]

    def _brought(self, feed: str, sha256: str | None) -> Cause | None:
        one = self.extracts.get((feed, sha256 or ""))
        if one is None:
            return None
        corrected = any(
            known[:3] == (feed, one.window, one.name) and known[3] != sha256
            for known in self.earlier
        )
        return _of_extract("correction" if corrected else "extract", one)

    def _replaced(self, feed: str, sha256: str | None) -> Cause | None:
        old = self.extracts.get((feed, sha256 or ""))
        if old is None:
            return None
        later = [
            one
            for one in self.extracts.values()
            if (one.feed, one.window, one.name) == (feed, old.window, old.name)
            and one.taken_at > old.taken_at
        ]
        newest = max(later, key=lambda one: one.taken_at, default=None)
        return None if newest is None else _of_extract("correction", newest)

    def of_window(self, feed: str, day: str) -> Cause:
        """The newest extract of a feed for a day that came since; else whatever else there is."""
        since = [
            one
            for one in self.extracts.values()
            if one.feed == feed
            and one.window[: len(day)] == day
            and (feed, one.window, one.name, one.sha256) not in self.earlier
        ]
        newest = max(since, key=lambda one: one.taken_at, default=None)
        found = None if newest is None else self.extract(feed, newest.sha256)
        return found or self._otherwise()

    def _decided(self, row: Row) -> Cause | None:
        was, now = row["was_decision"], row["is_decision"]
        if was == now:
            return None
        if now is not None:
            return self._by_person("decision", self.decisions.get(now), f"decision {now}")
        return self._by_person("taken_back", self.taken_back.get(was), f"decision {was} taken back")

    @staticmethod
    def _by_person(kind: CauseKind, one: Decision | None, said: str) -> Cause | None:
        if one is None:
            return None
        return Cause(kind, f"{said} by {one.new.who}", decision=one.id, by=one.new.who)

    def _of_time(self, row: Row) -> Cause | None:
        if (row["was_figure"], row["is_figure"]) not in (_BY_TIME, _BY_TIME[::-1]):
            return None
        source = row["side"] == "source"
        was = self.before.target if source else self.before.source
        now = self.after.target if source else self.after.source
        if was == now:
            return None
        other = "target" if source else "source"
        return Cause("time", f"the {other} side is delivered through {now:{DAY_FORMAT}}")

    def _of_counterpart(self, row: Row) -> Cause | None:
        if row["is_counterpart_came_with"] is not None:
            feed, line = row["is_counterpart_feed"], row["is_counterpart"]
            return _beside(line, "with", self.extract(feed, row["is_counterpart_came_with"]))
        feed, line = row["was_counterpart_feed"], row["was_counterpart"]
        if row["was_counterpart_came_with"] is not None:
            return _beside(line, "with", self.extract(feed, row["was_counterpart_came_with"]))
        return _beside(line, "without", self.successor(feed, row["was_counterpart_went_from"]))

    def _redelivered(self, row: Row) -> Cause | None:
        """The extract that brought the line again, if it came since."""
        feed, sha256 = row["feed"], row["is_extract_sha256"]
        one = self.extracts.get((feed, sha256 or ""))
        if one is None or (feed, one.window, one.name, one.sha256) in self.earlier:
            return None
        return self.extract(feed, sha256) if row["was_extract_sha256"] != sha256 else None

    def _otherwise(self, row: Row | None = None) -> Cause:
        entity = "" if row is None else str(row["is_entity"] or row["was_entity"])
        if entity in self.reopened:
            return Cause("reopened", f"{self.reopened[entity]} of {entity} was reopened")
        if self.configured:
            return Cause("configuration", "the configuration changed")
        return Cause("other", "other lines that it can be matched with")


def _beside(line: str, word: str, by: Cause | None) -> Cause | None:
    """The extract that brought the counterpart of a line, or left it out."""
    if by is None:
        return None
    text = f"{by.text}, {word} its counterpart"
    return Cause("counterpart", text, by.file, by.sha256, by.taken_at, counterpart=line)


def _of_extract(kind: CauseKind, one: TakenExtract) -> Cause:
    again = "a new version of " if kind == "correction" else ""
    text = f"{again}{one.name} ({one.sha256[:8]}, {taken_text(one.taken_at)})"
    return Cause(kind, text, one.name, one.sha256, one.taken_at)


def _decisions(workplace: Workplace, name: str) -> Iterable[Decision]:
    for link in workplace.settings.reconciliations[name].chain or (name,):
        yield from workplace.register.decisions(link)


def _reopened(before: Workplace, after: Workplace) -> dict[str, str]:
    """Months that were locked at the earlier moment and are not at the later one, by entity."""
    still = {(one.entity, one.month) for one in locks(after.register)}
    months: dict[str, list[str]] = defaultdict(list)
    for one in locks(before.register):
        if (one.entity, one.month) not in still:
            months[one.entity].append(str(one.month))
    return {entity: " and ".join(some) for entity, some in months.items()}


def _fingerprint(workplace: Workplace, name: str) -> str | None:
    head = workplace.register.heads(f"reconciled/{name}", [RUN]).get(RUN)
    return None if head is None else head.totals.get("fingerprint")
