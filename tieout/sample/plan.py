"""Where the breaks go: one list, fixed by the seed and the span before anything is generated.

Breaks keep out of each other's way, so that each label says exactly one thing: at most one a day
in a provider's settlement (lines that stay over are also compared by batch), one a day on its
prices, on another line, one on an invoice's usage, one on its postings, one on its receivable, and
one delivery a day. All lie early enough to be due before the last day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from tieout.periods import month_of
from tieout.sample.business import Business
from tieout.sample.company import ADYEN, STRIPE
from tieout.sample.draws import draw_one, key

DUE_DAYS: Final = 10
"""Days before the last by which a break has happened."""
LATE_DAYS: Final = 7
"""Days after its payout on which a late journal is posted: past every window."""
_MANY: Final = 1 << 31
_SUMS_FIRST: Final = 2
_SUMS_EVERY: Final = 7
"""Of the payouts of the Stripe accounts, in order: so far apart are those with sums."""

STRIPE_BREAKS: Final = (
    "missing_in_target",
    "amount_mismatch",
    "fee_variance",
    "duplicate_in_source",
    "duplicate_in_target",
    "missing_in_source",
    "account_mismatch",
    "unmapped_account",
    "entity_mismatch",
    "currency_mismatch",
    "fx_difference",
    "late_arrival",
    "line_out_of_balance",
)
ADYEN_BREAKS: Final = (
    "missing_in_target",
    "amount_mismatch",
    "fee_variance",
    "duplicate_in_target",
    "account_mismatch",
    "batch_out_of_balance",
    "sequence_gap",
)
SUMS: Final = ("ambiguous", "summed")
"""Payments posted in sums: with several explanations, or with one (no break; a search finds it)."""
LEDGER_BREAKS: Final = (
    "missing_in_target",
    "amount_mismatch",
    "tax_variance",
    "account_mismatch",
    "duplicate_in_target",
    "mangled_reference",
)
"""`mangled_reference` is no class: both lines miss the other, and only their references differ."""
RECEIVABLE_BREAKS: Final = ("amount_mismatch", "missing_in_target", "duplicate_in_target")
USAGE_BREAKS: Final = ("rating_variance", "late_usage", "missing_in_target", "missing_in_source")
PRICE_BREAKS: Final = ("fee_variance", "missing_in_source", "missing_in_target")
"""Fees charged that are not by the price list; the ledger books them as charged."""
EVENT_BREAKS: Final = ("missing_in_source", "missing_in_target", "amount_mismatch")
"""An event that never came, one of what no extract has, one that tells another amount."""
DELIVERIES: Final = (
    "manifest stripe_us",
    "usage_hour",
    "manifest billing",
    "manifest adyen",
    "manifest usage",
    "manifest erp",
    "manifest stripe_uk",
)
"""A file whose manifest states a row more than it has, or an hour that never comes."""
TWICE: Final = ("billing", "erp", "usage")
"""Feeds that send a row twice; no break, the second is removed."""
SPOILED: Final = ("stripe_us", "billing", "erp")
"""Feeds that send a row nobody can read; no break, it goes to quarantine."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One break to be: its class, where and on which day, and a number that picks the line."""

    break_class: str
    place: str
    day: date
    nth: int


class Plan:
    """All injections of a sample."""

    def __init__(self, injections: Iterable[Injection] = ()) -> None:
        self._at: dict[tuple[str, date], list[Injection]] = {}
        self._of_class: dict[tuple[str, str], list[Injection]] = {}
        for injection in injections:
            self._at.setdefault((injection.place, injection.day), []).append(injection)
            self._of_class.setdefault((injection.place, injection.break_class), []).append(
                injection
            )

    def at(self, place: str, day: date) -> Injection | None:
        """The injection of a place on a day."""
        return next(iter(self._at.get((place, day), ())), None)

    def of_class(self, place: str, break_class: str) -> list[Injection]:
        """Injections of a class in a place, on any day."""
        return self._of_class.get((place, break_class), [])


def make_plan(business: Business) -> Plan:
    """The breaks of a sample: every class in turn, in each place where it can happen."""
    days = [
        day
        for day in business.days()
        if business.first + timedelta(days=3) <= day <= business.last - timedelta(days=DUE_DAYS)
    ]
    # The first of a month has the provider's fee row, which is compared by batch.
    by_line = [(feed, day) for day in days if day.day > 1 for feed in STRIPE]
    in_sums = [(f"sums {feed}", day) for feed, day in by_line[_SUMS_FIRST::_SUMS_EVERY]]
    by_line = [slot for n, slot in enumerate(by_line) if n % _SUMS_EVERY != _SUMS_FIRST]
    by_batch = [(account, day) for day in days for account in ADYEN]
    by_batch = [slot for number, slot in enumerate(by_batch) if number % 4 != 3]
    billed = [("usage", day) for day in days if business.bills_usage(day) and business.weekly > 1]
    injections = [
        *_in_turn(business, by_line, STRIPE_BREAKS),
        *_in_turn(business, in_sums, SUMS),
        *_in_turn(business, by_batch, ADYEN_BREAKS),
        *_in_turn(business, [("postings", day) for day in days], LEDGER_BREAKS),
        *_in_turn(business, [("receivable", day) for day in days], RECEIVABLE_BREAKS),
        *_in_turn(business, billed, USAGE_BREAKS),
        *_in_turn(business, [(priced(f), day) for day in days for f in STRIPE], PRICE_BREAKS),
        *_in_turn(business, [(priced(a), day) for day in days for a in ADYEN], PRICE_BREAKS[:1]),
        *_in_turn(
            business, [(told_by(f"{f}_events"), d) for d in days for f in STRIPE], EVENT_BREAKS
        ),
        *_in_turn(business, [(told_by("billing_events"), day) for day in days], EVENT_BREAKS),
        *_deliveries(business, days),
    ]
    return Plan(_fitting(business, injection) for injection in injections)


def priced(account: str) -> str:
    """The place of an account's breaks against its price list."""
    return f"prices {account}"


def told_by(feed: str) -> str:
    """The place of breaks between a sender's events and its extracts."""
    return f"events {feed}"


def _in_turn(
    business: Business, slots: list[tuple[str, date]], classes: tuple[str, ...]
) -> Iterator[Injection]:
    """Every class in turn over the slots, in an order drawn anew in each round."""
    for number, (place, day) in enumerate(slots):
        round_, at = divmod(number, len(classes))
        stream = key(business.seed, f"{place.split('_')[0]} round {round_}")
        drawn = [(draw_one(n, stream, _MANY), name) for n, name in enumerate(classes)]
        nth = draw_one(number, key(business.seed, f"{place} line"), _MANY)
        yield Injection(sorted(drawn)[at][1], place, day, nth)


def _deliveries(business: Business, days: list[date]) -> Iterator[Injection]:
    """One delivery a day that does not tie, or does not come; rows sent twice or spoiled."""
    for number, day in enumerate(days):
        nth = draw_one(number, key(business.seed, "delivery"), _MANY)
        place = DELIVERIES[number % len(DELIVERIES)]
        kind = "missing_extract" if place == "usage_hour" else "count_mismatch"
        yield Injection(kind, place, day, nth)
        yield Injection("again", f"again {TWICE[number % len(TWICE)]}", day, nth)
        if number % 2:
            yield Injection("refused", f"refused {SPOILED[number // 2 % len(SPOILED)]}", day, nth)


def _fitting(business: Business, injection: Injection) -> Injection:
    """A late posting, where its month allows it: within the month late_arrival, past it
    period_mismatch; else no posting at all."""
    if injection.place not in STRIPE:
        return injection
    month_end = month_of(injection.day).last
    if injection.day == month_end - timedelta(days=3) and posted_late(injection) <= business.last:
        return replace(injection, break_class="period_mismatch")
    within = injection.day.day > 2 and injection.day + timedelta(days=LATE_DAYS) <= month_end
    if injection.break_class == "late_arrival" and not within:
        return replace(injection, break_class="missing_in_target")
    return injection


def posted_late(injection: Injection) -> date:
    """The posting date of a journal that comes after its window."""
    if injection.break_class == "late_arrival":
        return injection.day + timedelta(days=LATE_DAYS)
    return month_of(injection.day).last + timedelta(days=3)
