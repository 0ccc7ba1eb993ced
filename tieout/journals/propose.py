"""`proposals`: balanced journals for what is wrong in a period, and why there is none for the rest.

Nothing is posted. Every break of the period is counted once: with a journal or without.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tieout.errors import TieoutError
from tieout.journals.chart import INTERCOMPANY, SUSPENSE, Chart
from tieout.journals.corrections import Correction, Leg, NotPossible, correct, which_account
from tieout.journals.facts import Fact, Known, Name, posts_to_ledger, read_facts
from tieout.journals.model import RESIDUAL, Counted, Journal, JournalLine, Proposals, sum_of
from tieout.model import ALL_ENTITIES
from tieout.money import plain_amount
from tieout.periods import Period
from tieout.settings import Settings
from tieout.statement_inputs import reading
from tieout.workplace import Workplace

_ID_DIGITS = 32
_KEY = "TIEOUT-"
_Of = tuple[str, str, str]
"""Reconciliation, class, reason ("" for a proposal)."""
_Place = tuple[str, str, object]
"""Entity, currency, day."""


def proposals(
    workplace: Workplace,
    period: Period,
    *,
    reconciliation: str | None = None,
    entity: str | None = None,
) -> Proposals:
    """Proposed journals of a period, in order of entity, currency, day and key.

    `reconciliation` and `entity` leave out the others; what reconciliations know of each other is
    used all the same. Raises TieoutError if a break were counted twice or not at all.
    """
    known = read_facts(workplace, period)
    found, answers = _answered(workplace.settings, known)
    counts: Counter[_Of] = Counter()
    for fact in known.facts:
        number = fact.lines if entity is None else fact.breaks.get(entity, 0)
        if fact.is_residual and entity not in (None, fact.posting_entity):
            number = 0
        elif fact.is_residual:
            number = fact.lines
        kind = RESIDUAL if fact.is_residual else str(fact.break_class)
        counts[fact.reconciliation, kind, answers[fact.name]] += number
    for name in workplace.settings.reconciliations:
        _count_others(workplace, name, period, entity, counts)
    wanted = [
        one
        for one in found
        if reconciliation in (None, *one.reconciliations) and entity in (None, one.entity)
    ]
    told = [
        Counted(*of, number)
        for of, number in sorted(counts.items())
        if number and reconciliation in (None, of[0])
    ]
    return Proposals(
        period,
        tuple(sorted(wanted, key=lambda j: (j.entity, j.currency, j.day, j.external_id))),
        tuple(one for one in told if not one.reason),
        tuple(one for one in told if one.reason),
    )


def _count_others(
    workplace: Workplace, name: str, period: Period, entity: str | None, counts: Counter[_Of]
) -> None:
    """Count breaks of deliveries and of what posts to no ledger; check the count of the others.

    Raises TieoutError where facts and breaks are not the same number.
    """
    reconciliation = workplace.settings.reconciliations[name]
    with reading(workplace, name, [period]) as (engine, through):
        lines = engine.table("breaks", **through.parameters()).select("break_class", "entity")
        deliveries = engine.table("delivery_breaks").select("break_class", "entity")
    own = Counter(kind for kind, whose in lines.iter_rows() if entity in (None, whose))
    for kind, whose in deliveries.iter_rows():
        if entity in (None, whose or ALL_ENTITIES) or whose is None:
            counts[name, kind, "it is about an extract or a batch, not about the ledger"] += 1
    if posts_to_ledger(workplace, name):
        _assert_counted(name, own.total(), counts)
        return
    reason = "its other side is no ledger"
    if reconciliation.chain:
        reason = f"a chain; {' and '.join(reconciliation.chain)} propose what is to be posted"
    for kind, number in own.items():
        counts[name, kind, reason] += number


def _assert_counted(name: str, breaks: int, counts: Counter[_Of]) -> None:
    counted = sum(
        number
        for (of, kind, reason), number in counts.items()
        if of == name and kind != RESIDUAL and not reason.startswith("it is about an extract")
    )
    if counted != breaks:
        raise TieoutError(
            f"{name} has {breaks} breaks, and {counted} were looked at for journals",
            "run the period again; if it stays so, report it with `tieout --version`",
        )


def _answered(settings: Settings, known: Known) -> tuple[list[Journal], dict[Name, str]]:
    """The journals, and for each fact why it has none ("" where it has)."""
    answers: dict[Name, str] = {}
    possible: dict[Name, Correction] = {}
    for fact in known.facts:
        try:
            possible[fact.name] = correct(settings, fact)
        except NotPossible as reason:
            answers[fact.name] = str(reason)
    for name, earlier in _claimed_already(settings, possible, known):
        answers[name] = f"{earlier} proposes it already"
        del possible[name]
    journals: list[Journal] = []
    for together in _together(settings, possible, known):
        try:
            journals += _journals(settings, together, known)
            answer = ""
        except NotPossible as reason:
            answer = str(reason)
        answers |= {one.fact.name: answer for one in together}
    return journals, answers


def _claimed_already(
    settings: Settings, possible: dict[Name, Correction], known: Known
) -> list[tuple[Name, str]]:
    """Facts that another reconciliation's correction settles: the same posting taken back, or the
    same source lines posted on the same class of account. The first in the configuration counts.
    """
    order = {name: number for number, name in enumerate(settings.reconciliations)}
    by_posting: dict[tuple[str | None, str | None], Name] = {}
    found: dict[Name, str] = {}
    for name in sorted(possible, key=lambda n: (order[n[0]], n[1])):
        fact = possible[name].fact
        if fact.posting_amount is not None:
            first = by_posting.setdefault((fact.target_feed, fact.target_line), name)
            if first != name:
                found[name] = first[0]
    for pair in known.shared:
        if all(one in possible for one in pair):
            first, second = sorted(pair, key=lambda n: order[n[0]])
            if _classes(possible[first]) & _classes(possible[second]):
                found.setdefault(second, first[0])
    return sorted(found.items())


def _classes(one: Correction) -> set[str | None]:
    return {leg.line.account_class for leg in one.legs if leg.line.reversal_of is None}


def _together(
    settings: Settings, possible: dict[Name, Correction], known: Known
) -> Iterator[list[Correction]]:
    """Corrections that are each other's other half: an invoice missing on receivables and on
    revenue is one journal. Everything else stands alone."""
    above = {name: name for name in possible}

    def root(name: Name) -> Name:
        while above[name] != name:
            name = above[name]
        return name

    for one, other in known.shared:
        if one in possible and other in possible and _meet(settings, possible, one, other):
            above[root(other)] = root(one)
    groups: dict[Name, list[Correction]] = {}
    for name, correction in possible.items():
        groups.setdefault(root(name), []).append(correction)
    yield from groups.values()


def _meet(settings: Settings, possible: dict[Name, Correction], one: Name, other: Name) -> bool:
    return _is_on(settings, other[0], possible[one].offset_class) or _is_on(
        settings, one[0], possible[other].offset_class
    )


def _is_on(settings: Settings, name: str, account_class: str | None) -> bool:
    """Whether a reconciliation looks at accounts of a class."""
    target = settings.reconciliations[name].target
    return target is not None and account_class in target.where.get("account_class", ())


def _journals(settings: Settings, together: Sequence[Correction], known: Known) -> list[Journal]:
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
            account = _balancing(settings, chart, together, known, str(entity))
            kind = chart.class_of(str(entity), account)
            lines.append(JournalLine(account, kind, left))
        found.append(
            Journal(
                external_id=_external_id(together, number, lines, str(currency)),
                reconciliations=tuple(sorted({one.fact.reconciliation for one in together})),
                classes=tuple(sorted({_class_of(one.fact) for one in together})),
                entity=str(entity),
                subsidiary=settings.entities[str(entity)].name,
                currency=str(currency),
                day=day,  # type: ignore[arg-type]
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
        if there is not None and _is_on(settings, name, one.offset_class):
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


def _class_of(fact: Fact) -> str:
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
                _class_of(one.fact),
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
        parts.append(f"{_class_of(fact)} {fact.reconciliation}: {about}{more}")
    if len(together) > 2:
        parts.append(f"and {len(together) - 2} more")
    return "; ".join(parts)
