"""Everything known of one line, invoice, payment, batch or journal, across all systems.

What is asked for is a reference as a sender writes it. Lines that carry it are found first, then
the lines that a match joins to them, then what was refused or proven of it on the way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import polars as pl

from tieout.events.export import line_id as line_of_event
from tieout.explanation import answer_text, explain, suggested
from tieout.formats.catalogue import format_of
from tieout.found import DeliveryCheck, FoundLine, LineOutcome, LookupResult, RefusedRow
from tieout.lines.columns import COMMON, columns
from tieout.match import Match, Name, matches
from tieout.matching.columns import RATE_DIFFERENCE
from tieout.money import LINE_AMOUNT, plain_amount
from tieout.render.layout import count_of
from tieout.settings import Kind
from tieout.statement_inputs import delivered_through
from tieout.workplace import Workplace

MOST_LINES = 200
"""Lines shown of one kind of answer; a batch may have a hundred thousand. The rest is counted."""

MOST_MATCHED = 20
"""Lines shown of one match."""

Place = tuple[str, str, int, str]
"""Where a line came from: feed, sha256 of the extract, row, line_id."""
Condition = Callable[[Kind], pl.Expr]
_OWN_REFS = frozenset({"line_id", "correlation_id", "settlement_batch", "reversal_of", "event_id"})


def find(workplace: Workplace, ref: str) -> LookupResult:
    """Look a reference up in the lines, outcomes, quarantine and delivery checks of every feed.

    A line carries it when its line_id or any of its references is equal to it, or when it was made
    from the row of that id (`<id>:fee`). Sorted by day, feed and line; at most MOST_LINES of each,
    and MOST_MATCHED of one match.
    """
    asked, count = _lines(workplace, carries(ref), "asked")
    outcomes, joined_to = _outcomes(workplace, asked)
    known = {(one.feed, one.line_id) for one in asked}
    others: set[Name] = set()
    in_all: set[Name] = set()
    for name, side, match in joined_to:
        others.update(match.others(side, name, MOST_MATCHED))
        in_all.update(match.source, match.target)
    shown = sorted(others - known)[:MOST_LINES]
    joined = _named_lines(workplace, shown)
    outcomes |= _outcomes(workplace, joined)[0]
    lines = [
        replace(one, outcomes=tuple(outcomes.get(_place(one), ()))) for one in [*asked, *joined]
    ]
    return LookupResult(
        ref,
        tuple(lines),
        tuple(_refused(workplace, ref)),
        tuple(_deliveries(workplace, ref)),
        left_out=count - len(asked),
        matched_left_out=len(in_all - known) - len(shown),
    )


def carriers_of(workplace: Workplace, ref: str) -> list[tuple[str, str, date]]:
    """Feed, line_id and day of every line that carries a reference, however many there are."""
    found: list[tuple[str, str, date]] = []
    for feed in workplace.settings.feeds:
        if paths := _paths(workplace, f"lines/{feed}"):
            condition = carries(ref)(format_of(workplace.settings, feed).kind)
            rows = pl.scan_parquet(paths).filter(condition).select("feed", "line_id", "period")
            found += rows.unique().sort(pl.all()).collect(engine="streaming").rows()
    return found


def _place(one: FoundLine) -> Place:
    return one.feed, one.extract_sha256, one.row_number, one.line_id


def carries(ref: str) -> Condition:
    """Whether a line of a kind carries a reference: its id, one of its references, its row's id."""

    def condition(kind: Kind) -> pl.Expr:
        names = [c for c in columns(kind) if c in _OWN_REFS or c.endswith("_ref")]
        same = pl.any_horizontal(pl.col(c) == ref for c in names)
        if kind == "event":
            same |= pl.col("line_id") == line_of_event(ref)
        return same | pl.col("line_id").str.starts_with(f"{ref}:")

    return condition


def _lines(
    workplace: Workplace, condition: Condition, found_as: Literal["asked", "matched"]
) -> tuple[list[FoundLine], int]:
    """The first lines that a condition holds for, over all feeds, and how many there are."""
    found: list[FoundLine] = []
    count = 0
    for feed in workplace.settings.feeds:
        paths = _paths(workplace, f"lines/{feed}")
        if not paths:
            continue
        kind = format_of(workplace.settings, feed).kind
        rows = pl.scan_parquet(paths).filter(condition(kind)).collect(engine="streaming")
        count += rows.height
        files = _file_names(workplace, feed) if rows.height else {}
        first = rows.sort("period", "line_id", "row_number", "extract_sha256").head(MOST_LINES)
        found += [_found(row, kind, files, found_as) for row in first.iter_rows(named=True)]
    found.sort(key=lambda one: (one.period, one.feed, one.line_id, one.row_number))
    return found[:MOST_LINES], count


def _named_lines(workplace: Workplace, names: Sequence[Name]) -> list[FoundLine]:
    """The lines of given feeds and ids."""
    if not names:
        return []
    feeds: dict[str, list[str]] = {}
    for feed, line_id in names:
        feeds.setdefault(feed, []).append(line_id)
    wanted = pl.any_horizontal(
        (pl.col("feed") == feed) & pl.col("line_id").is_in(ids) for feed, ids in feeds.items()
    )
    return _lines(workplace, lambda _kind: wanted, "matched")[0]


def _paths(workplace: Workplace, table: str, partitions: Sequence[str] | None = None) -> list[str]:
    heads = workplace.register.heads(table, partitions)
    return workplace.store.paths(head for head in heads.values() if head.rows)


def _file_names(workplace: Workplace, feed: str) -> dict[str, str]:
    """Names of the feed's extracts by sha256."""
    return {e.sha256: e.name for e in workplace.register.extracts(feed, current=False)}


def _found(
    row: Mapping[str, Any],
    kind: Kind,
    files: Mapping[str, str],
    found_as: Literal["asked", "matched"],
) -> FoundLine:
    own = [c for c in columns(kind) if c not in COMMON] + ["correlation_id"]
    return FoundLine(
        found_as=found_as,
        kind=kind,
        feed=row["feed"],
        line_id=row["line_id"],
        file=files.get(row["extract_sha256"], ""),
        extract_sha256=row["extract_sha256"],
        row_number=row["row_number"],
        received_on=row["received_on"],
        entity=row["entity"],
        currency=row["currency"],
        amount=row["amount"],
        occurred_on=row["occurred_on"],
        period=row["period"],
        details={n: _text(row[n], row, kind, n) for n in own if row[n] is not None},
    )


def _text(value: object, row: Mapping[str, Any], kind: Kind, name: str) -> str:
    """A value as text: money to the minor unit, other decimals without zeros that only fill up."""
    if not isinstance(value, Decimal):
        return str(value)
    if columns(kind)[name] == LINE_AMOUNT:
        own = "presentment_currency" if name.startswith("presentment_") else "currency"
        return plain_amount(value, row[own] or row["currency"])
    shown = f"{value:f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _outcomes(
    workplace: Workplace, lines: Sequence[FoundLine]
) -> tuple[dict[Place, list[LineOutcome]], list[tuple[Name, str, Match]]]:
    """What became of lines, in every reconciliation that their feed takes part in.

    Also the matches that they are in, with the line and its side.
    """
    found: dict[Place, list[LineOutcome]] = {}
    joined_to: list[tuple[Name, str, Match]] = []
    wanted = {_place(one) for one in lines}
    ids = sorted({one.line_id for one in lines})
    days = sorted({one.period.isoformat() for one in lines})
    for name in workplace.settings.reconciliations if lines else ():
        paths = _paths(workplace, f"outcomes/{name}", days)
        if not paths:
            continue
        scan = pl.scan_parquet(paths).filter(pl.col("line_id").is_in(ids)).collect()
        rows = [
            row | {"left_in": _left_in(workplace, row)}
            for row in scan.iter_rows(named=True)
            if _row_place(row) in wanted
        ]
        known = matches(workplace, name, rows)
        ends = delivered_through(workplace, name)
        for row in rows:
            one = (row["feed"], row["line_id"])
            match = known.get(one) if row["outcome"] == "matched" else None
            if match is not None:
                joined_to.append((one, row["side"], match))
            through = ends.target if row["side"] == "source" else ends.source
            found.setdefault(_row_place(row), []).append(_outcome(name, row, through, match))
    return found, joined_to


def _left_in(workplace: Workplace, row: Mapping[str, Any]) -> str:
    """The currency of a residual: a difference of rates is in that of the entity's books."""
    entity = workplace.settings.entities.get(row["entity"])
    if entity is None or row["label"] != RATE_DIFFERENCE:
        return str(row["currency"])
    return entity.currency


def _row_place(row: Mapping[str, Any]) -> Place:
    return row["feed"], row["extract_sha256"], row["row_number"], row["line_id"]


def _outcome(name: str, row: Mapping[str, Any], through: date, match: Match | None) -> LineOutcome:
    outcome = row["outcome"]
    if outcome == "open":
        outcome = "timing" if row["due_on"] > through else "break"
    return LineOutcome(
        reconciliation=name,
        side=row["side"],
        outcome=outcome,
        rule=row["pass"],
        break_class=row["break_class"] if outcome == "break" else None,
        counterpart_feed=row["counterpart_feed"],
        counterpart=row["counterpart"],
        match_ref=row["match_ref"],
        match_count=match.count if match is not None else None,
        cleared_on=row["cleared_on"],
        due_on=row["due_on"],
        residual=row["residual"],
        answer=row["answer"],
        explanation=answer_text(row) + _sentence(outcome, row, match),
    )


def _sentence(outcome: str, row: Mapping[str, Any], match: Match | None) -> str:
    if outcome == "break":
        accepted = row["decision"] is not None
        return explain(row) + (f" Accepted by decision {row['decision']}." if accepted else "")
    if outcome == "timing":
        waiting = f"Not matched yet; its counterpart may still come until {row['due_on']}."
        return waiting + suggested(row)
    if outcome == "duplicate":
        return "Delivered before with the same content; counted once, here as a duplicate."
    other = f"{row['counterpart']} ({row['counterpart_feed']})" if row["counterpart"] else "itself"
    how = f"hand (decision {row['decision']})" if row["decision"] is not None else row["pass"]
    sentence = f"Matched by {how} with {other}"
    if row["fee_rule"] is not None and row["decision"] is None:
        sentence = f"Charged as {row['fee_rule']} expects"
        sentence += f", by {other}" if row["side"] == "target" else ""
    if match is not None:
        sentence += _company(row, match)
    sentence += f", complete on {row['cleared_on']}"
    if row["residual"]:
        left = plain_amount(row["residual"], row["left_in"])
        sentence += f", leaving {left} {row['left_in']}"
        sentence += f" of {row['label']}" if row["label"] else ""
    return sentence + "."


def _company(row: Mapping[str, Any], match: Match) -> str:
    """The lines of a match that are neither the line nor its counterpart, counted by side."""
    named = {(row["feed"], row["line_id"]), (row["counterpart_feed"], row["counterpart"])}
    own = row["side"]
    across = len(set(match.of("target" if own == "source" else "source")) - named)
    beside = len(set(match.of(own)) - named)
    told = f" and {count_of(across, 'more line')}" if across else ""
    return told + (f", together with {count_of(beside, 'other line')}" if beside else "")


def _refused(workplace: Workplace, ref: str) -> Iterator[RefusedRow]:
    """Rows in quarantine whose id is the reference, or that hold it as one of their cells."""
    cell = json.dumps(ref, ensure_ascii=False)
    holds = (pl.col("line_id") == ref) | pl.col("row").str.contains(cell, literal=True)
    names = [f.name for f in fields(RefusedRow)]
    for row in _stage(workplace, "quarantine", holds):
        yield RefusedRow(**{name: row[name] for name in names})


def _deliveries(workplace: Workplace, ref: str) -> Iterator[DeliveryCheck]:
    names = [f.name for f in fields(DeliveryCheck)]
    for row in _stage(workplace, "deliveries", pl.col("ref") == ref):
        yield DeliveryCheck(**{name: row[name] for name in names})


def _stage(workplace: Workplace, stage: str, condition: pl.Expr) -> Iterable[dict[str, Any]]:
    for feed in workplace.settings.feeds:
        if paths := _paths(workplace, f"{stage}/{feed}"):
            rows = pl.scan_parquet(paths).filter(condition).head(MOST_LINES).collect()
            yield from rows.sort("received_on", "extract_sha256").iter_rows(named=True)
