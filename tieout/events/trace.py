"""One time line of an invoice, payment, payout or usage record, across all systems.

What is asked for leads on: the events and lines that carry it name other documents (the invoice of
a payment, the payout it came in), and those name others once more. Customers and subscriptions are
not followed, they belong to everything; nor is a batch into its single payments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from tieout.events import evidence
from tieout.events.evidence import EventSeen, Promise
from tieout.events.steps import (
    batch_sentence,
    event_steps,
    line_steps,
    other_steps,
    said_of,
)
from tieout.events.traced import Awaited, Step, Trace
from tieout.events.verdict import verdict
from tieout.found import DeliveryCheck, FoundLine, LookupResult, RefusedRow
from tieout.lookup import find
from tieout.workplace import Workplace

MOST_REFS = 12
"""References followed, the one asked for included."""
MOST_LOOKUPS = 4
"""Of those, the ones whose lines are looked up: each takes a scan of every feed."""
MOST_EVENTS = 200
MOST_LINES = 200
_HOPS = 3
_FOLLOWED = frozenset({"invoice", "payment", "payout", "usage"})
_NAMES_OTHERS = ("invoice_ref", "payment_ref", "settlement_batch")


@dataclass
class _Found:
    """What has come together so far. `lines` are by place, so that none is there twice."""

    events: dict[int, EventSeen] = field(default_factory=dict)
    lines: dict[tuple[str, str, int, str], FoundLine] = field(default_factory=dict)
    refused: set[RefusedRow] = field(default_factory=set)
    deliveries: set[DeliveryCheck] = field(default_factory=set)
    batches: dict[str, Counter[str]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


def trace(workplace: Workplace, ref: str, now: datetime | None = None) -> Trace:
    """Everything known of a reference, of what it leads to, and what is expected next.

    `now` decides what is overdue. A reference nobody knows gives an empty trace.
    """
    at = (now or datetime.now(UTC)).astimezone(UTC)
    found = _Found()
    known, front, lookups = [ref], [ref], 0
    for hop in range(_HOPS):
        named = _take_events(workplace, found, front)
        for one in front if hop < _HOPS - 1 else ():
            if lookups == MOST_LOOKUPS:
                break
            lookups += 1
            named += _take_lines(found, one, find(workplace, one))
        new = [one for one in dict.fromkeys(named) if one not in known]
        front = new[: MOST_REFS - len(known)] if hop < _HOPS - 1 else []
        found.left_out["references"] += len(new) - len(front)
        known += front
        if not front:
            break
    with workplace.register.reading() as connection:
        subjects = evidence.subjects(connection, known)
        promises = evidence.promises(connection, known)
        actions = evidence.actions(connection, found.events)
    shown = list(found.lines.values())[:MOST_LINES]
    found.left_out["lines"] += len(found.lines) - len(shown)
    steps = [
        *(step for one in found.events.values() for step in event_steps(one)),
        *line_steps(shown),
        *other_steps(found.refused, found.deliveries, actions),
    ]
    awaited = tuple(_awaited(one, at) for one in promises)
    return Trace(
        ref,
        at,
        tuple(known[1:]),
        tuple(subjects),
        tuple(sorted(steps, key=_in_order)),
        tuple(batch_sentence(*one) for one in sorted(found.batches.items())),
        awaited,
        tuple(
            verdict(
                workplace.settings,
                subjects,
                list(found.events.values()),
                shown,
                sorted(found.refused, key=lambda row: (row.feed, row.file, row.row_number or 0)),
                awaited,
            )
        ),
        {what: count for what, count in sorted(found.left_out.items()) if count},
    )


def _take_events(workplace: Workplace, found: _Found, refs: Iterable[str]) -> list[str]:
    """Add the events that carry references; the documents they name."""
    with workplace.register.reading() as connection:
        seen, more = evidence.events(
            connection, list(refs), list(workplace.settings.feeds), MOST_EVENTS - len(found.events)
        )
    found.left_out["events"] += more
    found.events |= {one.sequence: one for one in seen}
    named = [one.refs for one in seen]
    return [value for refs in named for kind, value in refs.items() if kind in _FOLLOWED]


def _take_lines(found: _Found, ref: str, result: LookupResult) -> list[str]:
    """Add the lines of a reference, those inside a batch only counted; the documents they name."""
    inside = [one for one in result.lines if one.found_as == "asked" and _is_inside(one, ref)]
    if inside:
        found.batches[ref] = Counter(said_of(one) for one in inside)
    own = [one for one in result.lines if one.found_as == "asked" and one not in inside]
    mates = {(o.counterpart_feed, o.counterpart) for one in own for o in one.outcomes}
    joined = [
        one
        for one in result.lines
        if one.found_as == "matched" and (not inside or (one.feed, one.line_id) in mates)
    ]
    for one in [*own, *joined]:
        place = (one.feed, one.extract_sha256, one.row_number, one.line_id)
        found.lines.setdefault(place, one)
    found.refused.update(result.refused)
    found.deliveries.update(one for one in result.deliveries if one.break_class is not None)
    found.left_out["lines"] += result.left_out + (0 if inside else result.matched_left_out)
    # A posting names one invoice, one payment: what it names beside them is not followed.
    return [
        one.details[name]
        for one in [*own, *joined]
        if one.kind not in ("ledger", "usage")
        for name in _NAMES_OTHERS
        if name in one.details
    ]


def _is_inside(one: FoundLine, batch: str) -> bool:
    """Whether a line is one of many of a batch, and not the payout itself."""
    own = one.details.get("payment_ref", one.details.get("line_ref"))
    is_of_it = batch in (one.details.get("settlement_batch"), one.details.get("batch_ref"))
    return is_of_it and own != batch and one.details.get("category") not in ("payout", "transfer")


def _awaited(one: Promise, now: datetime) -> Awaited:
    overdue = one.state == "open" and one.due < now
    what = "its line in an extract" if one.what == "extract_line" else "its posting in the ledger"
    if one.state == "met":
        says = f"{what} came" + (f" on {one.met_on}" if one.met_on else "")
        says += f": {one.met_by}" if one.met_by else ""
    elif one.state == "cancelled":
        says = f"{what} is no longer expected"
    else:
        due = f"{one.due:%Y-%m-%d %H:%M} UTC"
        says = f"{what} is overdue since {due}" if overdue else f"{what} is expected by {due}"
    return Awaited(
        one.entity,
        one.kind,
        one.ref,
        one.what,
        one.state,
        one.due,
        overdue,
        one.met_on,
        one.met_by,
        says,
    )


_ORDER = ("usage", "event", "line", "refused", "delivery", "outcome", "action")


def _in_order(step: Step) -> tuple[date, str, int, str, str]:
    """By day; within it what has a time first, and the rest in the order of the work."""
    moment = step.at.timetz().isoformat() if isinstance(step.at, datetime) else "~"
    return step.day, moment, _ORDER.index(step.kind), step.system, step.ref
