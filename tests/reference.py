"""The oracle: reconciliation in plain loops over plain values, slow and easy to read.

Written from the rules, not from the statements in sql/, and sharing no code with Tieout: names of
canonical columns are all the two have in common. A reconciliation is what tieout.yaml would say, a
line is a mapping of canonical columns, amounts are Decimal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.reference_alike import suggest
from tests.reference_diagnosis import diagnose
from tests.reference_line import (
    CURRENCIES,
    Config,
    Key,
    Line,
    Row,
    Rule,
    amount_of,
    as_decided,
    rules_of,
)
from tests.reference_passes import run


def reconcile(
    reconciliation: Config,
    kinds: Mapping[str, str],
    rows: Iterable[Row],
    currencies: Mapping[str, str] | None = None,
    decisions: Sequence[Row] = (),
) -> list[dict[str, Any]]:
    """The outcome of every line in scope, in the order of day, side, feed, line and delivery.

    `currencies`: entity -> its own currency. `decisions`: what persons decided, in order; each with
    its number, its kind, its label, and its lines by side, feed, line_id, entity, currency, amount
    and break class.
    """
    rows = list(rows)
    lines = [
        line
        for side in ("source", "target")
        for row in rows
        if row["feed"] in reconciliation[side]["feeds"]
        for line in [_line(reconciliation, side, kinds[row["feed"]], row)]
        if line.in_scope or (side == "target" and not _is_source(reconciliation, kinds, row))
    ]
    set_repeats_aside(lines)
    net_reversals(lines)
    gone = {one.get("takes_back") for one in decisions}
    standing = [one for one in decisions if one["id"] not in gone]
    for decision in standing:
        if decision["kind"] in ("match", "accept_suggestion"):
            match_by_hand(decision, lines)
    rejected = [d["lines"] for d in standing if d["kind"] == "reject_suggestion"]
    rules = [replace(rule, rejected=rejected) for rule in rules_of(reconciliation)]
    for rule in rules:
        run(rule, lines, currencies or CURRENCIES)
    source_kinds = {kinds[feed] for feed in reconciliation["source"]["feeds"]}
    usage = source_kinds == {"usage"}
    diagnose(rules, lines, usage, currencies or CURRENCIES)
    open_suggested(rules, lines, "rating_variance" if usage else "")
    suggest(rules, lines, rejected)
    for decision in standing:
        if decision["kind"] == "accept_break":
            accept_breaks(decision, lines)
    first, last = reconciliation.get("timing_days", (-1, 5))
    found = [_outcome(line, first, last) for line in lines if line.in_scope]
    return sorted(found, key=_published_order)


def component_of(kind: str, row: Row) -> str | None:
    """What a line is for."""
    if kind == "settlement":
        found = row.get("category")
    elif kind == "usage":
        found = row.get("meter")
    elif kind == "invoice":
        found = "tax" if row.get("line_type") == "tax" else "revenue"
    elif row.get("category") is not None:
        found = row["category"]
    else:
        found = row["account_class"]
        found = "revenue" if found == "deferred_revenue" else found
    return None if found is None else str(found)


def _line(reconciliation: Config, side: str, kind: str, row: Row) -> Line:
    here = reconciliation[side]
    component = component_of(kind, row)

    def value(column: str) -> Any:
        return component if column == "component" else row.get(column)

    def key(columns: Sequence[str]) -> Key:
        values = [part(column) for column in columns]
        return None if None in values else tuple(str(v) for v in values)

    def part(written: str) -> str | None:
        column, *steps = (piece.strip() for piece in written.split("|"))
        found = value(column)
        text = None if found is None else str(found)
        for step in steps:
            text = text and (step_after(step, text) or None)
        return text

    in_scope = all(value(column) in allowed for column, allowed in here.get("where", {}).items())
    if kind == "ledger" and row["account_class"] == "unmapped":
        in_scope = False
    return Line(
        side,
        row,
        row["amount"] * here.get("sign", 1),
        component,
        [key(one["key"][side]) for one in reconciliation["passes"]],
        in_scope,
        here.get("sign", 1),
    )


def step_after(step: str, text: str) -> str:
    """The text that a step of a key leaves."""
    name, _, argument = step.rstrip(")").partition("(")
    return {
        "upper": text.upper,
        "alphanumeric": lambda: "".join(c for c in text if c.isalnum()),
        "digits": lambda: "".join(c for c in text if c in "0123456789"),
        "without_zeros": lambda: text.lstrip("0"),
        "without_prefix": lambda: text.removeprefix(argument),
        "without_suffix": lambda: text.removesuffix(argument),
        "before": lambda: text.split(argument, maxsplit=1)[0],
        "after": lambda: text.partition(argument)[2] if argument in text else text,
        "first": lambda: text[: int(argument)],
        "last": lambda: text[-int(argument) :],
    }[name]()


def open_suggested(rules: Sequence[Rule], lines: Sequence[Line], variance: str) -> None:
    """Lines that a pass only suggests are open: missing, or of another amount."""
    suggesting = {rule.name for rule in rules if rule.suggested}
    left: dict[int, Decimal] = defaultdict(Decimal)
    members = [line for line in lines if line.rule in suggesting]
    for line in members:
        left[id(line.anchor)] += abs(line.residual)
    for line in members:
        line.suggested = True
        if not left[id(line.anchor)]:
            line.break_class = "missing_in_" + ("target" if line.side == "source" else "source")
        elif line.component in ("fee", "tax"):
            line.break_class = f"{line.component}_variance"
        else:
            line.break_class = variance or "amount_mismatch"


def _is_source(reconciliation: Config, kinds: Mapping[str, str], row: Row) -> bool:
    """Whether a row is a source line: where both sides read one feed, none is its own target."""
    shared = row["feed"] in reconciliation["source"]["feeds"]
    return shared and _line(reconciliation, "source", kinds[row["feed"]], row).in_scope


def set_repeats_aside(lines: Sequence[Line]) -> None:
    """Of the deliveries of one line the first counts; later ones repeat it, or contradict it."""
    by_name: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines:
        by_name[line.side, line.name].append(line)
    for deliveries in by_name.values():
        first, *later = sorted(deliveries, key=lambda line: line.delivery)
        for line in later:
            line.first = first
            line.take("repeated", first, first, line.period)
            if _content(line) != _content(first) and line.in_scope:
                line.diagnose(f"duplicate_in_{line.side}", first)


def _content(line: Line) -> tuple[object, ...]:
    account = line.row.get("account")
    return (*line.place, line.amount, line.period, line.keys, account, line.in_scope)


def net_reversals(lines: Sequence[Line]) -> None:
    """A posting that reverses a journal cancels the posting of that journal."""

    def shelves(
        journal: str, fits: Callable[[Row], bool], sign: int
    ) -> dict[tuple[object, ...], list[Line]]:
        found: dict[tuple[object, ...], list[Line]] = defaultdict(list)
        for line in sorted(lines, key=lambda line: (line.period, line.row["line_id"])):
            if line.free and line.row.get(journal) is not None and fits(line.row):
                where = (line.side, line.row["feed"], line.row[journal], line.row["account"])
                found[(*where, *line.place, sign * line.amount)].append(line)
        return found

    cancelled = shelves("journal_ref", lambda row: row.get("reversal_of") is None, 1)
    for what, cancelling in shelves("reversal_of", lambda _row: True, -1).items():
        for one, other in zip(cancelled.get(what, []), cancelling, strict=False):
            day = max(one.period, other.period)
            one.take("reversal", one, other, day)
            other.take("reversal", one, one, day)


def match_by_hand(decision: Row, lines: Sequence[Line]) -> None:
    """Match the lines of a decision, if each is there, as it was, and not taken."""
    found = []
    for named in decision["lines"]:
        here = [line for line in lines if line.free and as_decided(line, named)]
        if len(here) != 1:
            return
        found += here
    found.sort(key=lambda line: line.name)
    sources, targets = ([line for line in found if line.side == s] for s in ("source", "target"))
    first = (sources or targets)[0]
    day = max(line.period for line in found)
    for line in found:
        facing = targets if line.side == "source" else sources
        beside = found[1] if line is first else first
        line.take("by_hand", first, facing[0] if facing else beside, day)
        line.decision = decision["id"]
    first.residual = amount_of(targets) - amount_of(sources)
    first.label = decision.get("label") if first.residual else None


def accept_breaks(decision: Row, lines: Sequence[Line]) -> None:
    """Note on open lines that a person has accepted their break, if it is the same still."""
    for named in decision["lines"]:
        for line in lines:
            if line.break_class == named["break_class"] and as_decided(line, named):
                line.decision = decision["id"]


def _outcome(line: Line, first_day: int, last_day: int) -> dict[str, Any]:
    row, other = line.row, line.other
    found: dict[str, Any] = {
        "side": line.side,
        **{c: row[c] for c in ("feed", "line_id", "extract_sha256", "row_number", "received_on")},
        **{c: row[c] for c in ("entity", "currency", "occurred_on", "period")},
        "amount": line.amount,
        "component": line.component,
    }
    if other is not None:
        found |= {"counterpart_feed": other.row["feed"], "counterpart": other.row["line_id"]}
    if line.break_class is None and line.first is not None:
        return found | {"outcome": "duplicate"}
    if line.break_class is None:
        assert line.anchor is not None
        return found | {
            "outcome": "matched",
            "pass": line.rule,
            "match_ref": line.anchor.row["line_id"],
            "cleared_on": line.cleared_on,
            "residual": line.residual,
            "label": line.label,
            "rounding": line.rounding,
            "decision": line.decision,
        }
    if other is not None:
        found |= {
            "other_entity": other.row["entity"],
            "other_currency": other.row["currency"],
            "other_amount": other.amount,
            "other_period": other.period,
            "other_account": other.row.get("account"),
        }
    if line.first is not None:
        due_on = line.period
    elif line.side == "source":
        due_on = line.period + timedelta(days=last_day)
    else:
        due_on = line.period - timedelta(days=first_day)
    amount, count, member = line.group
    if line.suggested:
        assert line.anchor is not None
        found |= {"pass": line.rule, "match_ref": line.anchor.row["line_id"]}
        found |= {"residual": line.residual, "label": line.label, "rounding": line.rounding}
    return found | {
        "outcome": "open",
        "break_class": line.break_class,
        "decision": line.decision,
        "due_on": due_on,
        "group_amount": amount,
        "group_count": count,
        "group_member": member,
        **line.alike,
    }


def _published_order(found: Row) -> tuple[Any, ...]:
    names = ("period", "side", "feed", "line_id", "received_on", "extract_sha256", "row_number")
    return tuple(found[name] for name in names)
