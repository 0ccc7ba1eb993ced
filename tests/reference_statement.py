"""The oracle's completeness statement, its roll-forward, and the chain of two reconciliations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

Outcome = Mapping[str, Any]
Place = tuple[str, str, str]
"""Entity, currency, side."""
Figures = dict[str, tuple[int, Decimal]]

NEVER = date(1, 1, 1)


def delivered_through(windows: Mapping[str, Iterable[str]], feeds: Iterable[str]) -> date:
    """The last whole day that all those feeds have delivered which have delivered at all.

    `windows`: the windows of each feed an extract came for.
    """
    ends = []
    for feed in feeds:
        if found := sorted(windows.get(feed, ())):
            day = date.fromisoformat(found[-1][:10])
            whole = len(found[-1]) == 10 or found[-1].endswith("-23:00")
            ends.append(day if whole else day - timedelta(days=1))
    return min(ends, default=NEVER)


def statements(
    outcomes: Sequence[Outcome], first: date, last: date, through: Mapping[str, date]
) -> dict[Place, dict[str, Any]]:
    """Statements of a period by entity, currency and side.

    `through`: the last day delivered of each side.
    """
    books: dict[Place, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        if one["period"] <= last:
            books[one["entity"], one["currency"], one["side"]].append(one)
    other = {"source": through["target"], "target": through["source"]}
    found = {place: _statement(mine, first, last, other[place[2]]) for place, mine in books.items()}
    return {place: one for place, one in found.items() if one is not None}


def _statement(
    mine: Sequence[Outcome], first: date, last: date, other_through: date
) -> dict[str, Any] | None:
    here = [one for one in mine if one["period"] >= first]
    items = [
        one
        for one in mine
        if one["outcome"] == "open" or (one["outcome"] == "matched" and one["cleared_on"] >= first)
    ]
    older = [one for one in items if one["period"] < first]
    if not here and not older:
        return None
    named: dict[str, list[Outcome]] = defaultdict(list)
    classes: dict[str, list[Outcome]] = defaultdict(list)
    for one in here:
        name = _became(one, last, other_through)
        named[name].append(one)
        if name == "breaks":
            classes[one["break_class"]].append(one)
    accepted = [one for one in here if one["outcome"] != "duplicate"]
    matched = named["matched"] + named["matched_in_transit"]
    stays = [one for one in items if one["outcome"] == "open" or one["cleared_on"] > last]
    return {
        "rows": {
            "received": _figure(here),
            "not_in_file": _figure([]),
            "quarantined": _figure([]),
            "duplicates": _figure(named["duplicates"]),
            "accepted": _figure(accepted),
            "matched": _figure(named["matched"]),
            "matched_in_transit": _figure(named["matched_in_transit"]),
            "timing": _figure(named["timing"]),
            "breaks": _figure(named["breaks"]),
            "unexplained": (0, Decimal(0)),
        },
        "breaks_by_class": {name: _figure(some) for name, some in classes.items()},
        "open_items": {
            "opening": _figure(older),
            "new": _figure([one for one in stays if one["period"] >= first]),
            "cleared": _figure([one for one in older if one not in stays]),
            "closing": _figure(stays),
        },
        "ageing": {
            name: _figure([one for one in stays if _age(one, last) == name])
            for name in ("0-1", "2-7", "8-30", "31-90", ">90")
        },
        "completeness": {
            "count": _share(Decimal(len(matched)), Decimal(len(here))),
            "amount": _share(_weight(matched), _weight(here)),
        },
    }


def _became(one: Outcome, last: date, other_through: date) -> str:
    if one["outcome"] == "duplicate":
        return "duplicates"
    if one["outcome"] == "matched":
        return "matched" if one["cleared_on"] <= last else "matched_in_transit"
    return "timing" if one["due_on"] > other_through else "breaks"


def _figure(some: Sequence[Outcome]) -> tuple[int, Decimal]:
    return len(some), sum((one["amount"] for one in some), Decimal(0))


def _weight(some: Sequence[Outcome]) -> Decimal:
    return sum((abs(one["amount"]) for one in some), Decimal(0))


def _share(part: Decimal, whole: Decimal) -> Decimal:
    if not whole:
        return Decimal("100.00")
    return (part / whole * 100).quantize(Decimal("0.01"), rounding=ROUND_FLOOR)


def _age(one: Outcome, last: date) -> str:
    days = (last - one["period"]).days
    for upto, name in ((1, "0-1"), (7, "2-7"), (30, "8-30"), (90, "31-90")):
        if days <= upto:
            return name
    return ">90"


def chain(
    first: Sequence[Outcome],
    second: Sequence[Outcome],
    invoices: Iterable[Mapping[str, Any]],
    last_day: int,
) -> list[dict[str, Any]]:
    """What became of every source line of the first link, through the second, and its answer.

    A source line matched by the first link with a line that the second takes as its source shares
    that line's fate; one matched with a line that the second does not know misses its target.
    """
    onward: dict[tuple[str, str], Outcome] = {}
    for one in second:
        repeated = one["outcome"] == "duplicate" or _contradicts(one)
        if one["side"] == "source" and not repeated:
            onward[one["feed"], one["line_id"]] = one
    found = []
    for one in first:
        if one["side"] != "source":
            continue
        if one["outcome"] != "matched":
            found.append(dict(one))
            continue
        fate = onward.get((one["counterpart_feed"], one["counterpart"]))
        if fate is None:
            missing = {"break_class": "missing_in_target", "due_on": one["cleared_on"]}
            found.append(_led_on(one) | {"outcome": "open"} | missing)
        elif fate["outcome"] == "matched":
            cleared_on = max(one["cleared_on"], fate["cleared_on"])
            match = {"pass": fate["pass"], "match_ref": fate["match_ref"]}
            found.append(_led_on(one) | {"outcome": "matched", "cleared_on": cleared_on} | match)
        else:
            why = {"break_class": fate["break_class"], "due_on": fate["due_on"]}
            found.append(_led_on(one) | {"outcome": "open"} | why)
    billed = first_deliveries(invoices)
    for one in found:
        if one["outcome"] != "duplicate":
            one["answer"] = _answer(one, billed, last_day)
    return found


def first_deliveries(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Of the deliveries of a line, the one that counts, by feed and line."""
    in_order = sorted(
        rows, key=lambda r: (r["received_on"], r["extract_sha256"], r["row_number"]), reverse=True
    )
    return {(row["feed"], row["line_id"]): row for row in in_order}


def _answer(
    one: Outcome, billed: Mapping[tuple[str, str], Mapping[str, Any]], last_day: int
) -> str:
    """What is said of a usage record, from what became of it in the chain."""
    is_linked = one.get("counterpart") is not None and one.get("residual") is not None
    if one["outcome"] == "open":
        return "billed_not_booked" if is_linked else "not_billed"
    line = billed[one["counterpart_feed"], one["counterpart"]]
    cycle = _cycle(line)
    if None not in cycle:
        of_cycle = [
            other
            for other in billed.values()
            if _cycle(other) == cycle and other.get("line_type") != "tax"
        ]
        credited = any(other.get("line_type") == "credit" for other in of_cycle)
        if credited and sum(other["amount"] for other in of_cycle) == 0:
            return "credited"
    due = one["period"] + timedelta(days=last_day)
    begins = line.get("service_start")
    if line["period"] > due or (begins is not None and begins > one["period"]):
        return "billed_late"
    return "billed_and_booked"


def _cycle(line: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("entity", "currency", "subscription_ref", "meter", "service_start")
    return tuple(line.get(name) for name in names)


def _contradicts(one: Outcome) -> bool:
    """Whether it is a later delivery of a line, with other content."""
    itself = (one.get("counterpart_feed"), one.get("counterpart")) == (one["feed"], one["line_id"])
    return one["outcome"] == "open" and itself


def _led_on(one: Outcome) -> dict[str, Any]:
    """The line, without what the first link made of it."""
    gone = ("outcome", "pass", "match_ref", "cleared_on")
    return {name: value for name, value in one.items() if name not in gone}
