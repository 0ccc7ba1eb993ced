"""The lines a person means: from the names on a command line to published outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from tieout.errors import RequestError
from tieout.match import grouped
from tieout.register.decisions import DecidedLine
from tieout.workplace import Workplace

Row = Mapping[str, Any]
"""One published outcome (tieout.matching.columns)."""
Place = tuple[str, str, str]
"""A line by side, feed and line_id."""


def decidable(workplace: Workplace, name: str | None) -> list[str]:
    """The reconciliation named, or all, without chains. Raises RequestError for another name."""
    known = {n: r for n, r in workplace.settings.reconciliations.items() if not r.chain}
    if name is None:
        return list(known)
    if name in known:
        return [name]
    if name in workplace.settings.reconciliations:
        links = workplace.settings.reconciliations[name].chain or ()
        raise RequestError(
            f"{name} is a chain, whose outcomes follow from its links",
            f"decide in {' or '.join(links)}",
        )
    raise RequestError(f"no reconciliation {name!r}", f"there are {', '.join(known)}")


def outcomes_where(workplace: Workplace, name: str, condition: pl.Expr) -> list[Row]:
    """Published outcomes of a reconciliation, of all days, for which a condition holds."""
    heads = workplace.register.heads(f"outcomes/{name}")
    paths = workplace.store.paths(head for head in heads.values() if head.rows)
    if not paths:
        return []
    rows = pl.scan_parquet(paths).filter(condition).collect(engine="streaming")
    return list(rows.sort("period", "side", "feed", "line_id", "received_on").iter_rows(named=True))


def outcomes_of(workplace: Workplace, name: str, text: str) -> list[Row]:
    """Every outcome of the one line that a text names: line_id, or feed:line_id; [] for none.

    Raises RequestError where several lines have that line_id.
    """
    rows = outcomes_where(workplace, name, _says(workplace, text))
    qualified = [row for row in rows if row["line_id"] != text]
    rows = qualified or rows
    if len({place(row) for row in rows}) > 1:
        raise RequestError(
            f"{text!r} is the name of several lines of {name}",
            f"write one of {', '.join(sorted({full_name(row) for row in rows}))}",
        )
    return rows


def one_line(workplace: Workplace, name: str, text: str) -> Row:
    """The outcome of the one delivery of a line that counts. Raises RequestError."""
    rows = [row for row in outcomes_of(workplace, name, text) if counts(row)]
    if not rows:
        raise RequestError(
            f"{name} has no line {text!r}",
            "write line_id or feed:line_id as `tieout line` shows it; only lines that take part in "
            "the reconciliation can be decided upon",
        )
    return rows[0]


def suggested(workplace: Workplace, names: Iterable[str], text: str) -> tuple[str, list[Row]]:
    """The reconciliation and all lines of the one suggested match that a text names.

    The text is the name of one of its lines, or a reference that one of them carries. Raises
    RequestError where nothing is suggested, or more than one match.
    """
    found: dict[tuple[str, frozenset[Place]], list[Row]] = {}
    for name in names:
        says = _says(workplace, text) | (pl.col("ref") == text) | (pl.col("match_ref") == text)
        for row in outcomes_where(workplace, name, says & _IS_SUGGESTED):
            lines = _whole(workplace, name, row)
            found[name, frozenset(map(place, lines))] = lines
    if not found:
        raise RequestError(
            f"no match is suggested for {text!r}",
            "see `tieout line`; to match lines that nothing suggests use `tieout decide match`",
        )
    if len(found) > 1:
        told = [f"{name}: {' + '.join(map(full_name, rows))}" for (name, _), rows in found.items()]
        raise RequestError(
            f"{text!r} is in {len(found)} suggested matches: {'; '.join(told)}",
            "name a line of only one of them, with --reconciliation where need be",
        )
    ((name, _),) = found
    return name, found[name, _]


_IS_SUGGESTED = (pl.col("outcome") == "open") & pl.col("pass").is_not_null()


def _whole(workplace: Workplace, name: str, row: Row) -> list[Row]:
    """All lines of the suggested match that an outcome belongs to."""
    same = [pl.col(c) == row[c] for c in ("pass", "match_ref", "entity", "currency")]
    rows = outcomes_where(workplace, name, pl.all_horizontal(_IS_SUGGESTED, *same))
    match = dict(grouped(rows))[row["feed"], row["line_id"]]
    return [one for one in rows if (one["feed"], one["line_id"]) in match.of(one["side"])]


def _says(workplace: Workplace, text: str) -> pl.Expr:
    meant = pl.col("line_id") == text
    for feed in workplace.settings.feeds:
        if text.startswith(f"{feed}:"):
            rest = text.removeprefix(f"{feed}:")
            meant |= (pl.col("feed") == feed) & (pl.col("line_id") == rest)
    return meant


def place(row: Row) -> Place:
    """Side, feed and line_id of an outcome."""
    return row["side"], row["feed"], row["line_id"]


def full_name(row: Row) -> str:
    """`feed:line_id`, which names one line."""
    return f"{row['feed']}:{row['line_id']}"


def counts(row: Row) -> bool:
    """Whether an outcome is of the delivery that counts: neither a repetition nor a contradiction,
    which name the line itself as their counterpart.
    """
    return not (
        row["outcome"] == "duplicate"
        or (
            row["outcome"] == "open"
            and (row["counterpart_feed"], row["counterpart"]) == (row["feed"], row["line_id"])
        )
    )


def as_decided(row: Row, *, with_class: bool = False) -> DecidedLine:
    """An outcome as the line that a decision is about."""
    return DecidedLine(
        side=row["side"],
        feed=row["feed"],
        line_id=row["line_id"],
        entity=row["entity"],
        currency=row["currency"],
        amount=row["amount"],
        period=row["period"],
        break_class=row["break_class"] if with_class else None,
    )


def statement_versions(workplace: Workplace, name: str, rows: Sequence[Row]) -> dict[str, int]:
    """The published version of the outcomes of each line's day."""
    days = sorted({row["period"].isoformat() for row in rows})
    heads = workplace.register.heads(f"outcomes/{name}", days)
    return {day: head.version for day, head in heads.items()}
