"""What changed in a statement between two moments, line by line, and the proof that it is all.

The rows are those of the statements as they are at either moment; the lines are compared with each
other, and what the changed ones add up to must be what each row changed by.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace

import polars as pl
from duckdb import ColumnExpression, ConstantExpression

from tieout.changes.causes import Causes, Row
from tieout.changes.model import (
    ChangeKind,
    Changes,
    DeliveryChange,
    Diff,
    Happened,
    LineChange,
)
from tieout.changes.proof import Rows, add_effects, row_changes, rows_of
from tieout.changes.touched import touched_days
from tieout.changes.versions import Version, versions
from tieout.engine.duck import Engine, session
from tieout.formats.catalogue import format_of
from tieout.lines.columns import columns
from tieout.locks import locks
from tieout.model import Figure
from tieout.periods import Period
from tieout.register.records import Publication
from tieout.stale import feeds_of
from tieout.statement import statements
from tieout.statement_inputs import base_of, delivered_through, show
from tieout.workplace import Workplace

MOST_LINES = 200
"""Changed lines given one by one, the largest; all are counted and add up."""

_BATCH = 50_000


def diff(
    workplace: Workplace,
    name: str,
    period: Period,
    before: Version,
    after: Version,
    *,
    most: int = MOST_LINES,
) -> Diff:
    """Compare the statements of a period as known at two moments, the earlier one first.

    Both are made with the configuration of now. Raises RequestError for a moment that has not been.
    """
    then, now = (workplace.known_at(one.moment) for one in (before, after))
    found, sums = _compare(then, now, name, period, before, after, most)
    was, is_ = (
        rows_of([one for one in statements(place, name, period) if one.entity not in found.locked])
        for place in (then, now)
    )
    told = {one.name: getattr(found, one.name) for one in fields(found)}
    return Diff(**told, rows=tuple(row_changes(was, is_, sums)))


def changes(
    then: Workplace, now: Workplace, name: str, period: Period, before: Version, after: Version
) -> Changes:
    """What happened between two versions, without the lines one by one and without the proof.

    `then` and `now`: the workplace as known at their moments.
    """
    return _compare(then, now, name, period, before, after, most=0)[0]


def _compare(
    then: Workplace,
    now: Workplace,
    name: str,
    period: Period,
    before: Version,
    after: Version,
    most: int,
) -> tuple[Changes, Rows]:
    """The changes, and what they add up to in each row of the statements."""
    throughs = (delivered_through(then, name), delivered_through(now, name))
    with session(now.store.root, now.settings.limits) as engine:
        locked = _locked(now, period)
        touched = touched_days(then, now, name, period, throughs)
        engine.frame("day_compared", pl.DataFrame({"period": touched}, {"period": pl.Date}))
        failing_then = _show(engine, then, name, period, "counted_before", locked)
        failing_now = _show(engine, now, name, period, "counted_after", locked)
        _show_moved(engine, then, now, name)
        causes = Causes.between(then, now, name, throughs)
        sums: Rows = defaultdict(Figure)
        counted: Counter[Happened] = Counter()
        kinds = {feed: format_of(now.settings, feed).kind for feed in now.settings.feeds}
        lines: list[LineChange] = []
        for batch in engine.batches("changed_outcome", _BATCH):
            for row in batch.iter_rows(named=True):
                one = _line(row, causes)
                counted[_happened(row, one, kinds)] += 1
                add_effects(sums, row)
                if len(lines) < most:
                    lines.append(one)
    deliveries = tuple(_deliveries(failing_then, failing_now, causes))
    told = dict(counted.most_common())
    found = Changes(name, period, before, after, tuple(lines), deliveries, told, tuple(locked))
    return found, sums


def _locked(workplace: Workplace, period: Period) -> list[str]:
    """Entities for which the period is locked: nothing of it changes, see tieout.restatement."""
    held = locks(workplace.register)
    inside = (o for o in held if o.month.first <= period.first and period.last <= o.month.last)
    return sorted({one.entity for one in inside})


def last_change(
    workplace: Workplace, name: str, period: Period
) -> tuple[Version, Changes | None] | None:
    """The last version of the statements of a period, and what changed since the one before.

    None where nothing has been published; no Changes where there is no version before.
    """
    found = versions(workplace, name, period)
    if not found:
        return None
    if len(found) == 1:
        return found[0], None
    before, after = found[-2:]
    then, now = workplace.known_at(before.moment), workplace.known_at(after.moment)
    return after, changes(then, now, name, period, before, after)


def _show(
    engine: Engine,
    workplace: Workplace,
    name: str,
    period: Period,
    table: str,
    locked: Sequence[str],
) -> pl.DataFrame:
    """Keep what counts at a moment as a table; gives the comparisons that fail then."""
    through = show(engine, workplace, name, [period])
    engine.run("counted_line", **through.parameters())
    counted = engine.connection.table("counted_line")
    if locked:
        counted = counted.filter(~ColumnExpression("entity").isin(*map(ConstantExpression, locked)))
    counted.create(table)
    return engine.table("delivery_breaks")


def _show_moved(engine: Engine, before: Workplace, after: Workplace, name: str) -> None:
    """Make table moved_line of what the windows with another version at the later moment hold."""
    empty = pl.DataFrame(schema=dict.fromkeys(_HELD, pl.String()))
    views = {}
    for view in ("line_before", "line_after"):
        engine.frame(f"no_{view}", empty)
        views[view] = engine.connection.view(f"no_{view}")
    for feed in feeds_of(after.settings, base_of(after, name)) + feeds_of(after.settings, name):
        was = before.register.heads(f"lines/{feed}")
        now = after.register.heads(f"lines/{feed}")
        other = [key for key in now if key not in was or was[key].version != now[key].version]
        schema = columns(format_of(after.settings, feed).kind)
        for view, place, heads in (("line_before", before, was), ("line_after", after, now)):
            changed: list[Publication] = [heads[key] for key in other if key in heads]
            held = engine.relation(place.store.paths(changed), schema)
            views[view] = views[view].union(held.select(*map(ColumnExpression, _HELD)))
    for view, relation in views.items():
        relation.create_view(view, replace=True)
    engine.run("moved_line")


_HELD = ("feed", "line_id", "extract_sha256")


def _line(row: Row, causes: Causes) -> LineChange:
    was, now = row["was_there"], row["is_there"]
    change = _change(row)
    own = "is" if now else "was"
    return LineChange(
        change=change,
        what=row["kind"],
        side=row["side"],
        feed=row["feed"],
        line_id=row["line_id"],
        entity=row[f"{own}_entity"],
        currency=row[f"{own}_currency"],
        was_amount=row["was_amount"],
        amount=row["is_amount"],
        was=_became(row, "was") if was else "not open" if change == "outcome" else None,
        now=_became(row, "is") if now else "not open" if change == "outcome" else None,
        counterpart=row[f"{own}_counterpart"],
        cause=causes.of_outcome(row) if change == "outcome" else causes.of_line(row),
    )


def _change(row: Row) -> ChangeKind:
    """What happened to a line. One of an earlier day is there as long as it is open: it comes and
    goes with what became of it, unless an extract brought or took the line itself.
    """
    if row["was_there"] and row["is_there"]:
        return "changed" if any(row[f"was_{c}"] != row[f"is_{c}"] for c in _CONTENT) else "outcome"
    own = "is" if row["is_there"] else "was"
    came, went = row["own_came_with"], row["own_went_from"]
    earlier = row[f"{own}_open_item"] in ("carried", "cleared")
    if row["is_there"]:
        return "outcome" if earlier and (came is None or went is not None) else "came"
    return "outcome" if earlier and (went is None or came is not None) else "went"


_CONTENT = ("entity", "currency", "amount", "lines", "filed")


def _became(row: Row, when: str) -> str:
    """What a line is counted as, in the words of the statement."""
    if row["kind"] != "line":
        return str(row["kind"])
    figure, open_item = row[f"{when}_figure"], row[f"{when}_open_item"]
    if figure == "breaks":
        return str(row[f"{when}_break_class"])
    if figure is not None:
        return str(figure)
    return {"carried": "open", "cleared": "cleared", None: "not reconciled"}[open_item]


def _happened(row: Row, one: LineChange, kinds: Mapping[str, str]) -> Happened:
    """What happened to a line, to be counted together with others of the same cause."""
    noun = _NOUNS.get(one.what) or f"{kinds.get(one.feed, '')} line".strip()
    cause = replace(one.cause, counterpart=None)
    if one.change != "outcome":
        return Happened(noun, one.change, cause)
    if one.was == one.now:
        moved = row["was_decision"] != row["is_decision"]
        return Happened(noun, "decided upon" if moved else "compared with another line", cause)
    return Happened(noun, str(one.now), cause)


_NOUNS = {
    "repeated": "repeated row",
    "refused": "refused row",
    "not_in_file": "difference to a sender's total",
}


def _deliveries(was: pl.DataFrame, now: pl.DataFrame, causes: Causes) -> Iterator[DeliveryChange]:
    """Comparisons that fail at one of the moments only."""
    for one, other, came in ((was, now, False), (now, was, True)):
        for row in one.join(other, on=_CHECKED, how="anti", nulls_equal=True).iter_rows(named=True):
            day = str(row["received_on"])
            by = causes.extract(row["feed"], row["extract_sha256"]) if came else None
            yield DeliveryChange(
                came=came,
                side=row["side"],
                feed=row["feed"],
                received_on=day,
                ref=row["ref"],
                break_class=row["break_class"],
                explanation=row["explanation"],
                cause=by or causes.of_window(row["feed"], day),
            )


_CHECKED = [
    "side",
    "feed",
    "received_on",
    "check",
    "ref",
    "entity",
    "currency",
    "stated_count",
    "found_count",
    "stated_amount",
    "found_amount",
    "break_class",
]
