"""How one fact would be corrected in the ledger: which lines are taken back, which are posted.

A posting that is wrong is taken back in full and posted anew, never topped up: its reversal cancels
it, and the new posting is matched by the same keys as the old one was meant to be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from tieout.journals.chart import ANY, INTERCOMPANY, Chart, expected_class
from tieout.journals.facts import Fact, grouping_pass
from tieout.journals.model import JournalLine, is_finer
from tieout.matching.columns import RATE_DIFFERENCE
from tieout.matching.sides import SEPARATOR
from tieout.money import subtracted
from tieout.rules import Pass, Reconciliation
from tieout.settings import Settings

REFS = ("line_ref", "document_ref", "batch_ref", "category")
"""References of a posting that a proposal fills."""


OUT_OF_BALANCE = "out_of_balance"
"""Component of a line that a sender's row is off by: the sender is to say what it is."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A line of a journal to be, and the journal's entity, currency and day."""

    entity: str
    currency: str
    day: date
    line: JournalLine


@dataclass(frozen=True, slots=True)
class Correction:
    """The lines that settle a fact, and the class of account that balances them.

    `is_moved`: whether a whole posting goes, so that the other half of its journal goes with it.
    """

    fact: Fact
    legs: tuple[Leg, ...]
    offset_class: str | None
    is_moved: bool


class NotPossible(Exception):  # noqa: N818 - an answer, not a fault
    """Why no journal is proposed for a fact, in words."""


_NEVER = {
    "missing_in_source": "the posting may be right and its source not sent yet",
    "duplicate_in_source": "it is the source that has the line twice",
    "ambiguous": "several explanations are equally good; a person decides",
    "late_arrival": "it is posted, in the right month; only late",
    "late_usage": "it is not billed; the ledger follows the invoice",
}


def correct(settings: Settings, fact: Fact) -> Correction:
    """How a fact is corrected. Raises NotPossible with the reason why it is not."""
    _refuse(fact)
    case = _Case(settings, Chart(settings), settings.reconciliations[fact.reconciliation], fact)
    if fact.is_residual:
        found = case.residual()
    elif fact.break_class == "missing_in_target":
        found = case.missing()
    elif fact.break_class == "duplicate_in_target":
        found = case.duplicate()
    else:
        found = case.replaced()
    if any(is_finer(leg.line.amount, leg.currency) for leg in found.legs):
        raise NotPossible("its amount is finer than the currency's minor unit")
    return found


def _refuse(fact: Fact) -> None:
    """Raise NotPossible for what no journal settles, whatever the accounts."""
    reasons = [
        (fact.is_decided, "a person has decided it"),
        (fact.is_suggested, "a match is suggested; decide that first"),
        (fact.is_delivery, "the same line was delivered with other content; ask the sender"),
        (fact.break_class in _NEVER, _NEVER.get(fact.break_class or "", "")),
        (fact.source_component == OUT_OF_BALANCE, "its row does not add up; ask the sender"),
        (fact.break_class != fact.last_class, "its lines are breaks of several classes"),
        (fact.waits, "another line of it may still be answered"),
    ]
    for holds, reason in reasons:
        if holds:
            raise NotPossible(reason)


@dataclass(frozen=True, slots=True)
class _Case:
    """A fact, its reconciliation and the accounts: one way of correcting it a method."""

    settings: Settings
    chart: Chart
    about: Reconciliation
    fact: Fact

    def missing(self) -> Correction:
        """What is not there is posted, on the day of the source."""
        entity, currency = _source_place(self.fact)
        amount = _expected(self.about, self.fact)
        if not amount:
            raise NotPossible("its lines sum to zero")
        component = _component(self.fact)
        kind = expected_class(self.about, component)
        account = _account(self.chart, entity, kind)
        rule, refs = _refs(self.settings, self.about, self.fact, kind)
        day = _right_day(self.about, rule, self.fact)
        leg = Leg(entity, currency, day, JournalLine(account, kind, amount, **refs))
        offset = self.chart.offset(kind or "", component or ANY)
        return Correction(self.fact, (leg,), offset, is_moved=False)

    def duplicate(self) -> Correction:
        """What is there once too often is taken back, on its own day."""
        fact = self.fact
        offset = self.chart.offset(fact.posting_class or "", fact.category or ANY)
        return Correction(fact, (_taken_back(fact),), offset, is_moved=True)

    def residual(self) -> Correction:
        """What a match left: the posting is made to agree, the account of the label takes it."""
        fact = self.fact
        rule = next((one for one in self.about.passes if one.name == fact.pass_name), None)
        if rule is None:
            raise NotPossible(
                "its match was not made by a pass; whoever made it posts what is left"
            )
        if rule.shape not in ("one_to_one", "many_to_one"):
            raise NotPossible("several postings are in its match; which is off nobody can say")
        assert fact.residual is not None
        back = _taken_back(fact)
        if fact.source_currency not in (None, back.currency):
            return self._settled(back, rule)
        books = self.settings.entities[back.entity].currency
        if fact.label == RATE_DIFFERENCE and back.currency != books:
            raise NotPossible(
                f"it is a difference of rates in {books}, and its posting is in {back.currency}"
            )
        right = subtracted(back.line.amount.copy_negate(), _signed(self.about, fact.residual))
        label = fact.label or rule.tolerance.label
        kind = next((k for k in ("rounding", "fx") if label.startswith(k)), "write_off")
        return Correction(fact, (back, *_anew(back, right)), kind, is_moved=False)

    def _settled(self, back: Leg, rule: Pass) -> Correction:
        """What a match across currencies left: posted in the source's currency instead. What the
        account of exchange gains and losses takes of both journals is the gain or loss."""
        if rule.shape != "one_to_one":
            raise NotPossible("its match is of several currencies; its lines are no pair")
        currency = _source_place(self.fact)[1]
        anew = _anew(replace(back, currency=currency), _expected(self.about, self.fact))
        return Correction(self.fact, (back, *anew), "fx", is_moved=False)

    def replaced(self) -> Correction:
        """What stands there wrongly is taken back, and posted as it should be."""
        fact = self.fact
        _check_pair(fact)
        back = _taken_back(fact)
        amount = _expected(self.about, fact)
        entity, currency = _source_place(fact)
        account, kind = self._right_account(back, amount)
        if entity == back.entity:
            offset = self.chart.offset(kind or "", _component(fact) or ANY)
        else:
            offset = INTERCOMPANY
        day = _right_day(self.about, None, fact)
        same = (entity, currency) == (back.entity, back.currency)
        if same and (back.day.year, back.day.month) == (day.year, day.month):
            back = replace(back, day=day)
        line = replace(back.line, account=account, account_class=kind)
        anew = _anew(Leg(entity, currency, day, line), amount)
        is_moved = not same or back.day != day
        return Correction(fact, (back, *anew), offset, is_moved)

    def _right_account(self, back: Leg, amount: Decimal) -> tuple[str, str | None]:
        """Where the posting belongs, with its class: its own account, unless that is what is wrong
        or the right entity has no such account."""
        fact = self.fact
        entity, currency = _source_place(fact)
        agrees = amount == back.line.amount.copy_negate()
        account, kind = back.line.account, back.line.account_class
        if fact.break_class in ("account_mismatch", "unmapped_account"):
            if not agrees:
                raise NotPossible("more than one line claims the posting")
            kind = expected_class(self.about, _component(fact))
            return _account(self.chart, entity, kind), kind
        if entity != back.entity:
            if not agrees or currency != back.currency:
                raise NotPossible("it is in another entity, and its amount differs as well")
            if not self.chart.knows(entity, account, kind or ""):
                account = _account(self.chart, entity, kind)
        return account, kind


def _source_place(fact: Fact) -> tuple[str, str]:
    """Entity and currency of the source side."""
    assert fact.source_entity is not None
    assert fact.source_currency is not None
    return fact.source_entity, fact.source_currency


def _check_pair(fact: Fact) -> None:
    if fact.target_count > 1:
        raise NotPossible("several postings stand against it; which is wrong nobody can say")
    if not fact.source_count or fact.source_count != max(1, fact.group_count or 1):
        raise NotPossible("only part of what stands against it is a break")


def _taken_back(fact: Fact) -> Leg:
    """The reversal of the fact's posting, on its day."""
    if fact.posting_amount is None or fact.posting_account is None:
        raise NotPossible("the posting it stands against is not there any more")
    if not fact.posting_amount:
        raise NotPossible("the posting it stands against is of nothing; no journal takes that back")
    assert fact.posting_entity is not None
    assert fact.posting_currency is not None
    assert fact.posting_day is not None
    line = JournalLine(
        fact.posting_account,
        None if fact.posting_class == "unmapped" else fact.posting_class,
        fact.posting_amount.copy_negate(),
        reversal_of=fact.journal_ref,
        **{name: getattr(fact, name) for name in REFS},
    )
    return Leg(fact.posting_entity, fact.posting_currency, fact.posting_day, line)


def _anew(back: Leg, amount: Decimal) -> tuple[Leg, ...]:
    """A posting like one that is taken back, with its references and another amount."""
    line = replace(back.line, amount=amount, reversal_of=None)
    return (replace(back, line=line),) if amount else ()


def _expected(about: Reconciliation, fact: Fact) -> Decimal:
    """What the source side comes to, as the ledger signs it."""
    assert fact.source_amount is not None
    return _signed(about, fact.source_amount)


def _signed(about: Reconciliation, amount: Decimal) -> Decimal:
    assert about.target is not None
    return amount if about.target.sign > 0 else amount.copy_negate()


def _component(fact: Fact) -> str | None:
    same = fact.source_component == fact.source_last_component
    return fact.source_component if same else None


def _account(chart: Chart, entity: str, kind: str | None) -> str:
    if kind is None:
        raise NotPossible("the reconciliation does not say on which class of accounts it looks")
    found = chart.account(entity, kind)
    if found is None:
        raise NotPossible(
            f"which {kind} account of {entity} is meant? name it in journals.accounts"
        )
    return found


def which_account(entity: str, account_class: str) -> str:
    """What to say where the account map has no account of a class, or several."""
    return f"which {account_class} account of {entity} is meant? name it in journals.accounts"


def _right_day(about: Reconciliation, rule: Pass | None, fact: Fact) -> date:
    """The day to post on: the posting's own where the pass looks on it, else the source's day,
    moved into the days in which the pass looks."""
    assert fact.source_first_day is not None
    assert fact.source_last_day is not None
    first, last = (rule or about.passes[0]).days or about.timing_days
    there = fact.posting_day
    if (
        there is not None
        and (there - fact.source_first_day).days <= last
        and (there - fact.source_last_day).days >= first
    ):
        return there
    return fact.source_last_day + timedelta(days=min(max(0, first), last))


def _refs(
    settings: Settings, about: Reconciliation, fact: Fact, kind: str | None
) -> tuple[Pass | None, dict[str, str | None]]:
    """The pass that is to match a new posting, and the references by which it does: the values of
    the source's key in the target's key columns, and what the target side's scope asks for.
    """
    assert about.target is not None
    assert fact.source_feed is not None
    found: dict[str, str] = {
        column: values[0]
        for column, values in about.target.where.items()
        if column in REFS and len(values) == 1
    }
    passes = list(zip(about.passes, fact.source_keys, strict=False))
    number = grouping_pass(settings, fact.reconciliation, fact.source_feed)
    if number is not None and fact.fact.startswith("key "):
        passes = passes[number - 1 : number]
    keyed = [(rule, key.split(SEPARATOR)) for rule, key in passes if key is not None]
    plain = "revenue" if kind == "deferred_revenue" else kind
    for rule, values in keyed:
        for column, value in zip(rule.key.target, values, strict=False):
            if column == "component" and value != plain:
                found.setdefault("category", value)
            elif column in REFS:
                found.setdefault(column, value)
    return (keyed[0][0] if keyed else None), {name: found.get(name) for name in REFS}
