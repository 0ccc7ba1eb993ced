"""Corrections that belong together as balanced journals, each with its idempotency key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import date

from tieout.journals.chart import INTERCOMPANY, SUSPENSE, Chart
from tieout.journals.corrections import Correction, Leg, NotPossible, which_account
from tieout.journals.facts import Fact, Known
from tieout.journals.model import RESIDUAL, Journal, JournalLine, sum_of
from tieout.money import plain_amount
from tieout.settings import Settings

_ID_DIGITS = 32
_KEY = "TIEOUT-"
_Place = tuple[str, str, date]
"""Entity, currency, day."""


def looks_at(settings: Settings, name: str, account_class: str | None) -> bool:
    """Whether a reconciliation looks at accounts of a class."""
    target = settings.reconciliations[name].target
    return target is not None and account_class in target.where.get("account_class", ())


def journals_of(settings: Settings, together: Sequence[Correction], known: Known) -> list[Journal]:
    """The journals of corrections that belong together, one an entity, currency and day.

    Raises NotPossible where an account to balance them is not known.
    """
    places: dict[_Place, list[JournalLine]] = {}
    for leg in sorted((leg for one in together for leg in one.legs), key=_leg_order):
        places.setdefault((leg.entity, leg.currency, leg.day), []).append(leg.line)
    chart = Chart(settings)
    found = []
    for number, (place, lines) in enumerate(places.items()):
        entity, currency, day = place
        left = sum_of([line.amount for line in lines]).copy_negate()
        if left:
            account = _balancing(settings, chart, together, known, entity)
            kind = chart.class_of(entity, account)
            lines.append(JournalLine(account, kind, left))
        found.append(
            Journal(
                external_id=_external_id(together, number, lines, currency),
                reconciliations=tuple(sorted({one.fact.reconciliation for one in together})),
                classes=tuple(sorted({class_of(one.fact) for one in together})),
                entity=entity,
                subsidiary=settings.entities[entity].name,
                currency=currency,
                day=day,
                memo=_memo(together),
                lines=tuple(lines),
            )
        )
    return found


def _leg_order(leg: Leg) -> tuple[object, ...]:
    line = leg.line
    refs = (line.document_ref or "", line.line_ref or "", line.batch_ref or "", line.category or "")
    return (leg.entity, leg.currency, leg.day, *refs, line.reversal_of is None, line.amount)


def _balancing(
    settings: Settings,
    chart: Chart,
    together: Sequence[Correction],
    known: Known,
    entity: str,
) -> str:
    """The account of the other half: where the books have it already, else by its class."""
    one = together[0]
    parked = {each.fact.parked_account for each in together}
    account: str | None
    if len(together) > 1:
        (account,) = parked if len(parked) == 1 else (None,)
        return account or _named(chart, entity, SUSPENSE)
    if one.offset_class != INTERCOMPANY:
        account = one.fact.contra_account if one.is_moved else one.fact.parked_account
        if account is not None:
            return account
    if one.offset_class is None:
        kind = one.legs[0].line.account_class
        raise NotPossible(f"no other half is known for {kind}; name it in journals.offsets")
    return _named(chart, entity, _unless_booked(settings, one, known))


def _unless_booked(settings: Settings, one: Correction, known: Known) -> str:
    """The class of the other half; suspense where another reconciliation says that half is booked.

    Then the books balance already, by a posting nobody can point at.
    """
    assert one.offset_class is not None
    for name in settings.reconciliations:
        there = known.booked.get((one.fact.name, name))
        if there is not None and looks_at(settings, name, one.offset_class):
            if there.waiting:
                raise NotPossible(f"its other half may still be posted ({name})")
            if there.booked:
                return SUSPENSE
    return one.offset_class


def _named(chart: Chart, entity: str, account_class: str) -> str:
    found = chart.account(entity, account_class)
    if found is None:
        raise NotPossible(which_account(entity, account_class))
    return found


def class_of(fact: Fact) -> str:
    """The break class of a fact, or RESIDUAL."""
    return RESIDUAL if fact.is_residual else str(fact.break_class)


def _external_id(
    together: Sequence[Correction], number: int, lines: Iterable[JournalLine], currency: str
) -> str:
    """The idempotency key: of the reconciliations, classes, lines and amounts, and nothing else.

    Accounts and days are not in it: a default changed in between must not book a thing twice.
    """
    told = [
        sorted(
            [
                one.fact.reconciliation,
                class_of(one.fact),
                one.fact.digest,
                one.fact.target_feed,
                one.fact.target_line,
                str(one.fact.posting_amount),
            ]
            for one in together
        ),
        number,
        sorted(plain_amount(line.amount, currency) for line in lines),
    ]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    return _KEY + digest[:_ID_DIGITS]


def _memo(together: Sequence[Correction]) -> str:
    """What the journal is for, in one line."""
    parts = []
    for one in together[:2]:
        fact = one.fact
        about = fact.source_line or fact.target_line
        more = f" and {fact.source_count - 1} more" if fact.source_count > 1 else ""
        parts.append(f"{class_of(fact)} {fact.reconciliation}: {about}{more}")
    if len(together) > 2:
        parts.append(f"and {len(together) - 2} more")
    return "; ".join(parts)
