"""What events let one expect of the batch, met by the lines and the matches that are published.

Only expectations that are open are looked at, and of those only the ones that are new, or whose
lines or matches have changed since: a run costs what has happened since the last one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa
from duckdb import ColumnExpression, ConstantExpression, DuckDBPyRelation

from tieout.engine.duck import Engine, session
from tieout.formats.catalogue import format_of
from tieout.lines.columns import columns
from tieout.matching.columns import OUTCOMES
from tieout.register.eventtables import expectation, subject
from tieout.register.records import Publication
from tieout.register.statements import chunks
from tieout.settings import Expected, Kind, Settings
from tieout.workplace import Workplace

CONSUMER = "events.settle"
_CARRIED: Mapping[str, tuple[str, ...]] = {
    "invoice": ("invoice_ref", "document_ref"),
    "payment": ("payment_ref", "document_ref"),
    "payout": ("settlement_batch", "batch_ref"),
    "usage": ("line_id",),
}
"""Kind of subject -> the columns in which a line names one, as far as its kind has them."""
_EARLIER = timedelta(days=31)
"""How long before its first event a line of a subject may count."""
_AWAITED = {"entity": pl.String(), "kind": pl.String(), "ref": pl.String()}
Place = tuple[str, str]
_Key = tuple[str, str, str]


@dataclass(frozen=True)
class _Open:
    """An open expectation; `since` is the day from which on a line of it may count."""

    key: _Key
    what: str
    since: date
    searched: bool
    feed: str


@dataclass(frozen=True)
class _Group:
    """Expectations that are met by the same feeds and the same reconciliation."""

    expected: Expected
    kinds: frozenset[str]
    open: tuple[_Open, ...]

    @property
    def tables(self) -> list[str]:
        """The published tables that can meet them."""
        lines = [f"lines/{feed}" for feed in self.expected.feeds]
        by = self.expected.posted_by
        return lines if by is None else [*lines, f"outcomes/{by}"]


def settle(workplace: Workplace, *, run_id: str = "settle") -> int:
    """Meet the open expectations that published lines and matches meet; how many were met.

    `extract_line` is met by the first line with the reference in one of the feeds; `ledger_posting`
    when every such line that takes part in the reconciliation is matched there. What is met stays
    met. Reads what is published when it begins, so it may run beside anything else.
    """
    register = workplace.register
    groups = _groups(workplace.settings, _still_open(workplace))
    tables = sorted({table for group in groups for table in group.tables})
    heads = {(t, key): head for t in tables for key, head in register.heads(t).items()}
    consumed = register.consumed(CONSUMER)
    met: list[dict[str, Any]] = []
    with session(workplace.store.root, workplace.settings.limits) as engine:
        for group in groups:
            own = {place: head for place, head in heads.items() if place[0] in group.tables}
            dirty = {p: h for p, h in own.items() if consumed.get(p) != h.version}
            met += _met(engine, workplace, group, own, dirty)
    _write(workplace, met, [one for group in groups for one in group.open])
    seen = {place: head.version for place, head in heads.items()}
    changed = {p: version for p, version in seen.items() if consumed.get(p) != version}
    register.publish([], {}, run_id=run_id, consumer=CONSUMER, consumed=changed)
    return len(met)


def _still_open(workplace: Workplace) -> list[_Open]:
    e, s = expectation.c, subject.c
    same = sa.and_(e.entity == s.entity, e.kind == s.kind, e.ref == s.ref)
    query = (
        sa.select(e.entity, e.kind, e.ref, e.what, e.searched, s.first_at, s.feed)
        .select_from(sa.join(expectation, subject, same))
        .where(e.state == "open")
    )
    with workplace.register.reading() as connection:
        return [
            _Open((entity, kind, ref), what, first_at.date() - _EARLIER, searched, feed)
            for entity, kind, ref, what, searched, first_at, feed in connection.execute(query)
        ]


def _groups(settings: Settings, still: Sequence[_Open]) -> list[_Group]:
    """Open expectations by what can meet them; those of a feed that expects nothing now are left
    as they are."""
    found: dict[tuple[tuple[str, ...], str | None], list[_Open]] = defaultdict(list)
    about: dict[tuple[tuple[str, ...], str | None], Expected] = {}
    for one in still:
        feed = settings.feeds.get(one.feed)
        expects = feed.inbox.expects if feed and feed.inbox else {}
        expected = expects.get(one.key[1])  # type: ignore[call-overload]
        if expected is not None:
            place = (expected.feeds, expected.posted_by)
            found[place].append(one)
            about[place] = expected
    return [
        _Group(about[place], frozenset(one.key[1] for one in members), tuple(members))
        for place, members in sorted(found.items(), key=str)
    ]


def _met(
    engine: Engine,
    workplace: Workplace,
    group: _Group,
    heads: Mapping[Place, Publication],
    dirty: Mapping[Place, Publication],
) -> list[dict[str, Any]]:
    """Rows for the table of expectations: those of a group that are met by now."""
    chosen = _candidates(engine, workplace, group, heads, dirty)
    if not chosen:
        return []
    since = min(one.since for one in chosen).isoformat()
    later = [head for head in heads.values() if _may_count(head, since, "9999")]
    _show(engine, workplace, group, chosen, later)
    by = group.expected.posted_by
    outcomes = [h for h in later if h.table == f"outcomes/{by}" and h.partition >= since]
    engine.view("outcome", workplace.store.paths(outcomes), OUTCOMES)
    whats: dict[_Key, set[str]] = defaultdict(set)
    for one in chosen:
        whats[one.key].add(one.what)
    found = []
    for row in engine.table("expected_lines").iter_rows(named=True):
        key: _Key = (row["entity"], row["kind"], row["ref"])
        if "extract_line" in whats[key]:
            found.append(
                _row(key, "extract_line", row["period"], f"{row['feed']}/{row['line_id']}")
            )
        if "ledger_posting" in whats[key] and 0 < row["taking_part"] == row["matched"]:
            told = f"{by}/{row['pass']}"
            found.append(_row(key, "ledger_posting", row["cleared_on"], told))
    return found


def _row(key: _Key, what: str, on: date, by: str) -> dict[str, Any]:
    entity, kind, ref = key
    return {"entity_": entity, "kind_": kind, "ref_": ref, "what_": what, "on": on, "by": by}


def _candidates(
    engine: Engine,
    workplace: Workplace,
    group: _Group,
    heads: Mapping[Place, Publication],
    dirty: Mapping[Place, Publication],
) -> list[_Open]:
    """New expectations, and those with a line in what has changed."""
    days = {key for table, key in dirty if table.startswith("outcomes/")}
    touched = [
        head
        for place, head in heads.items()
        if place in dirty or any(_may_count(head, day, day) for day in days)
    ]
    if not touched:
        return [one for one in group.open if not one.searched]
    _show(engine, workplace, group, group.open, touched)
    known = set(engine.table("expected_touched").iter_rows())
    return [one for one in group.open if not one.searched or one.key in known]


def _may_count(head: Publication, first: str, last: str) -> bool:
    """Whether a window's rows may count in a range of days, by the days its totals name."""
    begins = head.totals.get("first_period", head.partition[:10])
    ends = head.totals.get("last_period", head.partition[:10])
    return bool(begins <= last and ends >= first)


def _show(
    engine: Engine,
    workplace: Workplace,
    group: _Group,
    awaited: Iterable[_Open],
    heads: Iterable[Publication],
) -> None:
    """Views awaited (one row a subject) and carried_line (one row a line and column that may name
    a subject)."""
    keys = sorted({one.key for one in awaited})
    engine.frame("awaited", pl.DataFrame(keys, schema=_AWAITED, orient="row"))
    parts: list[DuckDBPyRelation] = []
    given = list(heads)
    for feed in group.expected.feeds:
        kind = format_of(workplace.settings, feed).kind
        paths = workplace.store.paths(h for h in given if h.table == f"lines/{feed}" and h.rows)
        relation = engine.relation(paths, columns(kind))
        parts += [_named(relation, word, name) for word, name in _names(kind, group.kinds)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.union(part)
    whole.distinct().create_view("carried_line", replace=True)


def _names(kind: Kind, wanted: Iterable[str]) -> list[tuple[str, str]]:
    """Kind of subject and column, for every column of a kind of line that names one."""
    known = columns(kind)
    found = [(word, name) for word in sorted(wanted) for name in _CARRIED[word] if name in known]
    return found or [(word, "correlation_id") for word in sorted(wanted)]


def _named(relation: DuckDBPyRelation, kind: str, column: str) -> DuckDBPyRelation:
    plain = ("feed", "line_id", "extract_sha256", "row_number", "entity", "period")
    return relation.select(
        *map(ColumnExpression, plain),
        ConstantExpression(kind).alias("kind"),
        ColumnExpression(column).alias("ref"),
    )


def _write(workplace: Workplace, met: Sequence[dict[str, Any]], looked: Sequence[_Open]) -> None:
    e = expectation.c
    names = ("entity", "kind", "ref", "what")
    same = [e[name] == sa.bindparam(f"{name}_") for name in names]
    gone = {(row["entity_"], row["kind_"], row["ref_"], row["what_"]) for row in met}
    fresh = [
        dict(zip((f"{n}_" for n in names), (*one.key, one.what), strict=True))
        for one in looked
        if not one.searched and (*one.key, one.what) not in gone
    ]
    if not met and not fresh:
        return
    with workplace.register.writing() as connection:
        searched = sa.update(expectation).where(*same).values(searched=True)
        for some in chunks(fresh):
            connection.execute(searched, some)
        now_met = sa.update(expectation).where(*same, e.state == "open")
        now_met = now_met.values(state="met", met_on=sa.bindparam("on"), met_by=sa.bindparam("by"))
        for some in chunks(met):
            connection.execute(now_met, some)
