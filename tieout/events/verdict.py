"""What a trace comes to: four questions, each answered where anything is known of it.

Did it fail before invoicing? Did the credit reach the ledger? Did the payment settle and post? Was
the payout paid and booked? Accounting truth is in the lines and their outcomes; what only an event
says is called announced, never booked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tieout.events.evidence import EventSeen
from tieout.events.traced import Answer, Awaited, Said, Subject
from tieout.formats.catalogue import format_of
from tieout.found import FoundLine, LineOutcome, RefusedRow
from tieout.money import Money, total
from tieout.render.layout import count_of
from tieout.settings import Kind, Settings

_CREDITS = frozenset({"refund", "chargeback"})
_PAYMENTS = frozenset({"charge"})
_PAYOUTS = frozenset({"payout", "transfer"})


@dataclass(frozen=True, slots=True)
class _Case:
    """What is known, as the questions need it; `to_ledger` reconciliations that end in a ledger."""

    settings: Settings
    to_ledger: frozenset[str]
    events: Sequence[EventSeen]
    lines: Sequence[FoundLine]
    refused: Sequence[RefusedRow]
    awaited: Sequence[Awaited]

    def of(self, *types: str) -> list[EventSeen]:
        """Events of types that are not dead, discarded or ignored."""
        alive = [one for one in self.events if one.state in ("new", "applied")]
        return [one for one in alive if one.means in types]

    def kind_of(self, feed: str) -> Kind:
        return format_of(self.settings, feed).kind


def verdict(
    settings: Settings,
    subjects: Sequence[Subject],
    events: Sequence[EventSeen],
    lines: Sequence[FoundLine],
    refused: Sequence[RefusedRow],
    awaited: Sequence[Awaited],
) -> Iterator[Answer]:
    """The answers, in the order of the business: invoiced, credited, paid, paid out.

    `subjects` only tell failures that no event shown says.
    """
    to_ledger = frozenset(
        name
        for name, about in settings.reconciliations.items()
        if about.target is not None
        and not about.chain
        and format_of(settings, about.target.feeds[0]).kind == "ledger"
    )
    case = _Case(settings, to_ledger, events, lines, refused, awaited)
    dead = [one for one in events if one.state == "dead"]
    for answer in (_invoiced(case), _credited(case), _paid(case, subjects), _paid_out(case)):
        if answer is not None:
            yield answer
    for one in dead:
        reason = (one.problem or {}).get("reason", "")
        remedy = (one.problem or {}).get("remedy", "")
        yield Answer(
            "Is anything stuck?",
            "failed",
            f"Event {one.event_id} of {one.feed} is in the dead letters: {reason}; {remedy}.",
        )


def _invoiced(case: _Case) -> Answer | None:
    asked = "Was it invoiced, or did it fail before?"
    billed = [one for one in case.lines if one.kind == "invoice"]
    if billed:
        names = sorted({one.details.get("invoice_ref", one.line_id) for one in billed})
        said, posted = _posted(case, billed)
        day = min(one.occurred_on or one.period for one in billed)
        words = f"Invoiced as {', '.join(names)} on {day}: {_sum(billed)}; {posted}."
        return Answer(asked, said, words)
    for row in case.refused:
        if case.kind_of(row.feed) == "invoice":
            says = f"It failed before invoicing was taken in: row {row.row_number} of {row.file}"
            return Answer(asked, "failed", f"{says} was refused ({row.message}); {row.remedy}.")
    issued = case.of("invoice.issued")
    if issued:
        when = f"{issued[0].occurred_at:%Y-%m-%d}"
        said, due = _due(case, "invoice", "extract_line")
        says = f"{issued[0].feed} announced the invoice on {when}; {due}."
        return Answer(asked, said, says)
    used = [one for one in case.lines if one.kind == "usage"]
    if used:
        open_ones = [o for one in used for o in one.outcomes if o.outcome == "break"]
        said = "failed" if open_ones else "waiting"
        why = open_ones[0].explanation if open_ones else "its cycle may still be billed."
        return Answer(asked, said, f"Used and rated, on no invoice: {_sum(used)}. {why}")
    return None


def _credited(case: _Case) -> Answer | None:
    asked = "Did the credit reach the ledger?"
    lines = [
        one
        for one in case.lines
        if one.details.get("line_type") == "credit"
        or (one.kind == "settlement" and one.details.get("category") in _CREDITS)
    ]
    if lines:
        said, posted = _posted(case, lines)
        return Answer(asked, said, f"Credited {_sum(lines)}; {posted}.")
    told = case.of("invoice.credited", "payment.refunded", "payment.disputed")
    if told:
        said, due = _due(case, told[0].means.partition(".")[0], "extract_line")
        return Answer(asked, said, f"{told[0].feed} announced a credit; {due}.")
    return None


def _paid(case: _Case, subjects: Sequence[Subject]) -> Answer | None:
    asked = "Did the payment settle and post?"
    lines = [
        one
        for one in case.lines
        if one.kind == "settlement" and one.details.get("category") in _PAYMENTS
    ]
    if lines:
        said, posted = _posted(case, lines)
        batches = sorted({b for one in lines if (b := one.details.get("settlement_batch"))})
        where = f" in {', '.join(batches)}" if batches else ""
        return Answer(asked, said, f"Settled{where}: {_sum(lines)}; {posted}.")
    told = case.of("payment.succeeded")
    if told:
        said, due = _due(case, "payment", "extract_line")
        when = f"{told[0].occurred_at:%Y-%m-%d}"
        return Answer(asked, said, f"{told[0].feed} announced it on {when}; {due}.")
    failed = case.of("payment.failed")
    if failed or any(one.kind == "payment" and one.state == "failed" for one in subjects):
        return Answer(asked, "no", "The payment failed at the provider; nothing was collected.")
    return None


def _paid_out(case: _Case) -> Answer | None:
    asked = "Was the payout paid and booked?"
    lines = [
        one
        for one in case.lines
        if one.kind == "settlement" and one.details.get("category") in _PAYOUTS
    ]
    if lines:
        said, posted = _posted(case, lines)
        names = sorted({one.details.get("settlement_batch", one.line_id) for one in lines})
        return Answer(asked, said, f"Paid out as {', '.join(names)}: {_sum(lines)}; {posted}.")
    if failed := case.of("payout.failed"):
        return Answer(asked, "failed", f"{failed[0].feed} says that the payout failed.")
    if told := case.of("payout.paid"):
        said, due = _due(case, "payout", "extract_line")
        return Answer(asked, said, f"{told[0].feed} announced the payout; {due}.")
    return None


def _posted(case: _Case, lines: Sequence[FoundLine]) -> tuple[Said, str]:
    """Whether lines are matched to the ledger: all, some still in their window, or some broken."""
    worst: Counter[str] = Counter()
    broken: list[LineOutcome] = []
    for line in lines:
        mine = [o for o in line.outcomes if o.reconciliation in case.to_ledger]
        mine = [o for o in mine if o.side == "source" and o.outcome != "duplicate"]
        broken += [o for o in mine if o.outcome == "break"]
        words = {o.outcome for o in mine}
        worst[next((w for w in ("break", "timing", "matched") if w in words), "none")] += 1
    if worst["break"]:
        of = f"{worst['break']:,} of {count_of(len(lines), 'line')}"
        return "failed", f"{of} did not post as it should: {broken[0].explanation.rstrip('.')}"
    if worst["timing"]:
        due = max(o.due_on for line in lines for o in line.outcomes if o.due_on is not None)
        return "waiting", f"the posting may still come until {due}"
    if worst["none"] == len(lines):
        return "waiting", "nothing is reconciled to the ledger yet"
    return "yes", "posted in the ledger"


def _due(case: _Case, kind: str, what: str) -> tuple[Said, str]:
    """What is expected of a kind, where only events are known."""
    for one in case.awaited:
        if one.kind == kind and one.what == what and one.state == "open":
            return ("failed" if one.overdue else "waiting"), one.says
    return "waiting", "no extract has it yet"


def _sum(lines: Iterable[FoundLine]) -> str:
    """What lines come to, by currency."""
    amounts: dict[str, list[Decimal]] = {}
    for one in lines:
        amounts.setdefault(one.currency, []).append(one.amount)
    sums = [total((Money(a, c) for a in of), c) for c, of in sorted(amounts.items())]
    return ", ".join(map(str, sums))
