"""`proposals`: balanced journals for what is wrong in a period, and why there is none for the rest.

Nothing is posted. Every break of the period is counted once: with a journal or without.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tieout.errors import TieoutError
from tieout.journals.balancing import class_of, journals_of, looks_at
from tieout.journals.corrections import Correction, NotPossible, correct
from tieout.journals.facts import Known, Name, posts_to_ledger, read_facts
from tieout.journals.model import RESIDUAL, Counted, Journal, Proposals
from tieout.model import ALL_ENTITIES
from tieout.periods import Period
from tieout.settings import Settings
from tieout.statement_inputs import reading
from tieout.workplace import Workplace

_Of = tuple[str, str, str]
"""Reconciliation, class, reason ("" for a proposal)."""


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
        counts[fact.reconciliation, class_of(fact), answers[fact.name]] += number
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
    assert len({one.external_id for one in found}) == len(found), "two journals with one key"
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
            journals += journals_of(settings, together, known)
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
    return looks_at(settings, other[0], possible[one].offset_class) or looks_at(
        settings, one[0], possible[other].offset_class
    )
