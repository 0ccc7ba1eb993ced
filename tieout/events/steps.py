"""Events, lines, matches and refused rows, each as a step of a trace in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from tieout.events.evidence import Action, EventSeen
from tieout.events.traced import Step
from tieout.found import DeliveryCheck, FoundLine, LineOutcome, RefusedRow
from tieout.money import Money, plain_amount, total
from tieout.periods import month_of
from tieout.render.layout import count_of


def event_steps(one: EventSeen) -> Iterator[Step]:
    """An event: what it says, when it came, and what is wrong with it."""
    seen, problem = one.envelope, one.problem
    notes = [f"received {one.received_at:%Y-%m-%d %H:%M:%S} UTC, {_STATES[one.state]}"]
    if one.duplicates:
        notes.append(f"sent again {count_of(one.duplicates, 'time')}, applied once")
    if one.conflicts:
        notes.append(f"came {count_of(one.conflicts, 'time')} with other content, set aside")
    if problem is not None:
        notes.append(f"{problem['code']}: {problem['reason']}; {problem['remedy']}")
    yield Step(
        one.occurred_at,
        "event",
        one.feed,
        one.event_id,
        f"{one.means} {seen['subject_ref'] or ''}".strip(),
        seen["amount"],
        seen["currency"],
        tuple(notes),
        wrong=one.state == "dead" or one.conflicts > 0,
        facts={
            "sequence": one.sequence,
            "source_type": seen["source_type"],
            "received_at": one.received_at.isoformat(),
            "state": one.state,
            "duplicates": one.duplicates,
            "conflicts": one.conflicts,
            "problem": None if problem is None else dict(problem),
            "refs": dict(one.refs),
        },
    )


_STATES = {
    "new": "stored, not applied yet",
    "applied": "applied",
    "ignored": "kept, means nothing here",
    "dead": "in the dead letters",
    "discarded": "discarded by a person",
}


def line_steps(lines: Sequence[FoundLine]) -> Iterator[Step]:
    """Each line accepted, and what became of it. A match is told once, however many lines it has;
    the usage records of a meter and price in one step where there are several."""
    told: set[tuple[str, str | None]] = set()
    usage: dict[tuple[str, ...], list[FoundLine]] = {}
    for one in lines:
        if one.kind == "usage":
            usage.setdefault(_rated_as(one), []).append(one)
        elif one.kind != "event":  # the inbox tells it already, with what the extract has not
            says = f"{one.kind} line accepted{_about(one)}"
            yield _line(one, says, plain_amount(one.amount, one.currency), one.line_id)
        for outcome in one.outcomes:
            match = (outcome.reconciliation, outcome.match_ref)
            if outcome.outcome != "matched" or match not in told:
                told.add(match)
                yield _outcome(one, outcome)
    for records in usage.values():
        yield _rated(records)


def _line(one: FoundLine, says: str, amount: str, ref: str) -> Step:
    return Step(
        one.occurred_on or one.period,
        "usage" if one.kind == "usage" else "line",
        one.feed,
        ref,
        says,
        amount,
        one.currency,
        (f"row {one.row_number} of {one.file}, received {one.received_on}",),
        facts={"extract_sha256": one.extract_sha256, "row": one.row_number, "file": one.file},
    )


def _rated_as(one: FoundLine) -> tuple[str, ...]:
    named = ("subscription_ref", "meter", "cycle_start", "unit_price", "unit")
    return one.feed, one.currency, *(one.details.get(name, "") for name in named)


def _rated(records: Sequence[FoundLine]) -> Step:
    """Usage records of one cycle, meter and price: the first stands for all."""
    first, details = records[0], records[0].details
    sums = total((Money(one.amount, one.currency) for one in records), first.currency)
    says = f"usage rated: {count_of(len(records), 'record')}"
    says += f" of {details['meter']}" if "meter" in details else ""
    says += f" at {details['unit_price']}" if "unit_price" in details else ""
    if len(records) > 1:
        says += f", {first.period} to {records[-1].period}"
    ref = first.line_id if len(records) == 1 else f"{first.line_id} and others"
    return _line(first, says, plain_amount(sums.amount, sums.currency), ref)


def _about(one: FoundLine) -> str:
    names = ("category", "line_type", "type", "account_class", "account")
    told = [one.details[n] for n in names if n in one.details]
    return f": {', '.join(told)}" if told else ""


def _outcome(one: FoundLine, outcome: LineOutcome) -> Step:
    """When a line was matched or, where it is open, since when and what was due."""
    statement = f"{outcome.reconciliation} {month_of(one.period)} {one.entity} {one.currency}"
    says, at = outcome.explanation, outcome.cleared_on or one.period
    if outcome.outcome == "break":
        says = f"{outcome.break_class}, open since {one.period}: {says}"
        at = outcome.due_on or one.period
    elif outcome.outcome == "timing":
        says = f"open since {one.period}: {says}"
    return Step(
        at,
        "outcome",
        outcome.reconciliation,
        one.line_id,
        says,
        plain_amount(one.amount, one.currency),
        one.currency,
        (f"stands in the statement {statement}",),
        wrong=outcome.outcome == "break",
        facts={
            "outcome": outcome.outcome,
            "pass": outcome.rule,
            "break_class": outcome.break_class,
            "counterpart_feed": outcome.counterpart_feed,
            "counterpart": outcome.counterpart,
            "residual": None if outcome.residual is None else f"{outcome.residual:f}",
            "due_on": None if outcome.due_on is None else outcome.due_on.isoformat(),
            "statement": statement,
        },
    )


def said_of(one: FoundLine) -> str:
    """The worst that became of a line, in a word."""
    found = {outcome.outcome for outcome in one.outcomes}
    return next((w for w in ("break", "timing", "matched") if w in found), "not reconciled")


def other_steps(
    refused: Collection[RefusedRow],
    deliveries: Collection[DeliveryCheck],
    actions: Iterable[Action],
) -> Iterator[Step]:
    """Rows refused, checks of deliveries that do not hold, what persons did to events."""
    for row in refused:
        yield Step(
            row.received_on,
            "refused",
            row.feed,
            row.line_id or "",
            f"row {row.row_number} of {row.file} refused: {row.message}",
            plain_amount(row.amount, row.currency),
            row.currency,
            (row.remedy,),
            wrong=True,
            facts={"reason": row.reason, "row": row.row_number, "file": row.file},
        )
    for check in deliveries:
        says = f"{check.check}: {check.break_class}: {check.explanation or ''}".rstrip(": ")
        yield Step(check.received_on, "delivery", check.feed, check.file or "", says, wrong=True)
    for one in actions:
        says = f"{one.action} by {one.who}: {one.reason}"
        yield Step(one.done_at, "action", one.feed, str(one.sequence), says)


def batch_sentence(ref: str, counts: Counter[str]) -> str:
    """`po_1 carries 57 other lines: 55 matched, 2 break`."""
    told = ", ".join(f"{number:,} {word}" for word, number in sorted(counts.items()))
    return f"{ref} carries {count_of(counts.total(), 'other line')}: {told}"
