"""The lines of a match, all of them: an outcome names only the first line of its other side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

import polars as pl

from tieout.workplace import Workplace

Name = tuple[str, str]
"""A line by feed and line_id."""
_KEY: Final = ["pass", "match_ref", "cleared_on", "entity", "currency"]
"""What all lines of a match have in common; a line_id of another feed may still be the same."""


@dataclass(frozen=True, slots=True)
class Match:
    """The lines that explain each other, by side, in order of day, feed and line."""

    source: tuple[Name, ...]
    target: tuple[Name, ...]

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self.source) + len(self.target)

    def of(self, side: str) -> tuple[Name, ...]:
        """The lines of one side."""
        return self.source if side == "source" else self.target

    def others(self, side: str, own: Name, most: int) -> list[Name]:
        """The lines besides a side's own one, at most so many: the other side's first."""
        other = "target" if side == "source" else "source"
        lines = (one for one in chain(self.of(other), self.of(side)) if one != own)
        return list(islice(lines, most))


def matches(
    workplace: Workplace, name: str, rows: Iterable[Mapping[str, Any]]
) -> dict[Name, Match]:
    """The matches of a reconciliation that outcomes belong to, by each of their lines.

    Empty for a chain, whose outcomes are told from those of its links.
    """
    matched = [{c: row[c] for c in _KEY} for row in rows if row["outcome"] == "matched"]
    if not matched or workplace.settings.reconciliations[name].chain:
        return {}
    heads = workplace.register.heads(f"outcomes/{name}")
    paths = workplace.store.paths(head for head in heads.values() if head.rows)
    wanted = pl.DataFrame(matched, schema=pl.scan_parquet(paths).select(_KEY).collect_schema())
    refs = wanted["match_ref"].unique().to_list()
    found = (
        pl.scan_parquet(paths)
        .filter(pl.col("outcome") == "matched", pl.col("match_ref").is_in(refs))
        .join(wanted.lazy().unique(), on=_KEY, how="semi")
        .select("side", "period", "feed", "line_id", "counterpart_feed", "counterpart")
        .sort("period", "feed", "line_id")
        .collect(engine="streaming")
    )
    return dict(grouped(list(found.iter_rows(named=True))))


def grouped(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Name, Match]]:
    """Each line with its match: those that lead to each other by their counterparts."""
    above: dict[Name, Name] = {}

    def root(one: Name) -> Name:
        while (up := above.setdefault(one, one)) != one:
            above[one] = above[up]
            one = up
        return one

    for row in rows:
        if row["counterpart"] is not None:
            above[root((row["feed"], row["line_id"]))] = root(
                (row["counterpart_feed"], row["counterpart"])
            )
    sides: dict[Name, dict[str, dict[Name, None]]] = {}
    for row in rows:
        one = (row["feed"], row["line_id"])
        sides.setdefault(root(one), {}).setdefault(row["side"], {})[one] = None
    for lines in sides.values():
        match = Match(tuple(lines.get("source", ())), tuple(lines.get("target", ())))
        for one in chain(match.source, match.target):
            yield one, match
