"""What changed in a statement between two moments, line by line, and the proof that it is all.

The rows are those of the statements as they are at either moment; the lines are compared with each
other, and what the changed ones add up to must be what each row changed by.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl
from duckdb import ColumnExpression, ConstantExpression

from tieout.changes.causes import Causes, Row
from tieout.changes.model import (
    ChangeKind,
    DeliveryChange,
    Diff,
    Happened,
    LineChange,
    RowChange,
)
from tieout.changes.touched import touched_days
from tieout.changes.versions import Version, versions
from tieout.engine.duck import Engine, session
from tieout.formats.catalogue import format_of
from tieout.lines.columns import columns
from tieout.locks import locks
from tieout.model import ANSWERS, OPEN_ITEM_ROWS, STATEMENT_ROWS, Figure, Statement
from tieout.periods import Period
from tieout.register.records import Publication
from tieout.stale import feeds_of
from tieout.statement import statements
from tieout.statement_inputs import base_of, delivered_through, show
from tieout.workplace import Workplace

MOST_LINES = 200
"""Changed lines given one by one, the largest; all are counted and add up."""

Key = tuple[str, str, str]
"""Entity, currency, side."""
Rows = dict[tuple[Key, str], Figure]
_EXPLAINED = ("matched", "matched_in_transit", "timing", "breaks")
_OPEN = {
    "carried": ("opening", "closing"),
    "cleared": ("opening", "cleared"),
    "new": ("new", "closing"),
}
_BESIDE = {"repeated": "duplicates", "refused": "quarantined", "not_in_file": "not_in_file"}
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
    throughs = (delivered_through(then, name), delivered_through(now, name))
    with session(workplace.store.root, workplace.settings.limits) as engine:
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
                _add_effects(sums, row)
                if len(lines) < most:
                    lines.append(one)
    made = [
        _rows([one for one in statements(place, name, period) if one.entity not in locked])
        for place in (then, now)
    ]
    return Diff(
        name,
        period,
        before,
        after,
        tuple(_row_changes(made[0], made[1], sums)),
        tuple(lines),
        tuple(_deliveries(failing_then, failing_now, causes)),
        dict(counted.most_common()),
        tuple(locked),
    )


def _locked(workplace: Workplace, period: Period) -> list[str]:
    """Entities for which the period is locked: nothing of it changes, see tieout.restatement."""
    held = locks(workplace.register)
    inside = (o for o in held if o.month.first <= period.first and period.last <= o.month.last)
    return sorted({one.entity for one in inside})


def last_change(
    workplace: Workplace, name: str, period: Period
) -> tuple[Version, Diff | None] | None:
    """The last version of the statements of a period, and what changed since the one before.

    None where nothing has been published; no Diff where there is no version before.
    """
    found = versions(workplace, name, period)
    if not found:
        return None
    if len(found) == 1:
        return found[0], None
    return found[-1], diff(workplace, name, period, found[-2], found[-1], most=0)


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


def _add_effects(sums: Rows, row: Row) -> None:
    """Take a line out of the rows it counted in, and into those that it counts in now."""
    for when, sign in (("was", -1), ("is", 1)):
        if row[f"{when}_there"]:
            key = (row[f"{when}_entity"], row[f"{when}_currency"], row["side"])
            lines, amount = row[f"{when}_lines"], row[f"{when}_amount"]
            for name, way in _places(row, when):
                sums[key, name] += Figure(sign * way * lines, Decimal(sign * way) * amount)


def _places(row: Row, when: str) -> Iterator[tuple[str, int]]:
    """The rows of the statement that a line counts in, and whether it adds or takes away."""
    kind = row["kind"]
    if kind != "line":
        yield "received", 1
        yield _BESIDE[kind], 1
        return
    if row[f"{when}_filed"]:
        yield from (("received", 1), ("accepted", 1), ("unexplained", 1))
    figure = row[f"{when}_figure"]
    if figure == "duplicates":
        yield from (("duplicates", 1), ("accepted", -1), ("unexplained", -1))
    elif figure in _EXPLAINED:
        yield figure, 1
        yield "unexplained", -1
    if figure == "breaks":
        yield f"breaks: {row[f'{when}_break_class']}", 1
    if row[f"{when}_answer"] is not None:
        yield f"answer: {row[f'{when}_answer']}", 1
    for name in _OPEN.get(row[f"{when}_open_item"], ()):
        yield name, 1


def _rows(found: Sequence[Statement]) -> Rows:
    """Every row of statements, by the names that the changes have."""
    rows: Rows = {}
    for one in found:
        key = (one.entity, one.currency, one.side)
        named: dict[str, Figure] = {
            **one.rows,
            **{f"breaks: {name}": figure for name, figure in one.breaks_by_class.items()},
            **{f"answer: {name}": figure for name, figure in (one.answers or {}).items()},
            **one.open_items,
        }
        rows |= {(key, name): figure for name, figure in named.items()}
    return rows


def _row_changes(was: Rows, now: Rows, sums: Mapping[Any, Figure]) -> Iterator[RowChange]:
    """Rows that differ, and rows that the lines say differ, in the order of a statement."""
    for key, name in sorted({*was, *now, *sums}, key=_in_order):
        place = (key, name)
        entity, currency, side = key
        figures = [rows.get(place, Figure()) for rows in (was, now, sums)]
        one = RowChange(entity, currency, side, name, *figures)
        if one.change != Figure() or one.rest != Figure():
            yield one


_ORDER = {name: n for n, name in enumerate((*STATEMENT_ROWS, *ANSWERS, *OPEN_ITEM_ROWS))}


def _in_order(place: tuple[Key, str]) -> tuple[object, ...]:
    (entity, currency, side), name = place
    first, _, rest = name.partition(": ")
    return entity, currency, side, _ORDER[rest if first == "answer" else first], rest


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
