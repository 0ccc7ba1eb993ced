"""The oracle's second half: why a line that no pass took stands open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.reference_lens import looking
from tests.reference_line import Line, Rule, amount_of
from tests.reference_passes import mutual, run, shelved


def diagnose(
    rules: Sequence[Rule], lines: Sequence[Line], usage: bool, currencies: Mapping[str, str]
) -> None:
    """Give every line in scope that nothing took a break class, pass by pass."""
    variance = "rating_variance" if usage else "amount_mismatch"
    _several(lines)
    for rule in rules:
        if rule.number and rule.shape != "one_to_one":
            run(rule, lines, currencies)
            _several(lines)
        with looking(rule, lines, currencies) as seen:
            _diagnose_by(rule, seen, variance)
        if rule.functional:
            _diagnose_by(rule, lines, variance)
    for rule in rules:
        if rule.functional and rule.shape == "one_to_one":
            with looking(rule, lines, currencies) as seen:
                _rated(rule, seen)
    for line in lines:
        if line.free:
            missing_in = "target" if line.side == "source" else "source"
            line.diagnose(f"missing_in_{missing_in}", None)


def _several(lines: Sequence[Line]) -> None:
    for line in lines:
        if line.free and line.explanations:
            line.diagnose("ambiguous", None)
            line.group = (None, line.explanations, False)


def _rated(rule: Rule, lines: Sequence[Line]) -> None:
    """Pairs that stand as of different currencies, though this pass can compare what they come to:
    then the rates differ or, where the amounts agree, the dates."""
    seen = {id(line) for line in lines}
    for line in lines:
        other = line.other
        if line.break_class != "currency_mismatch" or line.group[1] != 1 or other is None:
            continue
        key = line.keys[rule.number]
        if id(other) not in seen or key is None or other.keys[rule.number] != key:
            continue
        if line.place != other.place:
            continue
        if line.amount != other.amount:
            line.break_class, line.group = "fx_difference", (other.amount, 1, line.group[2])
            continue
        months = {(one.period.year, one.period.month) for one in (line, other)}
        line.break_class = "late_arrival" if len(months) == 1 else "period_mismatch"
        line.group = (None, 1, line.group[2])


def _diagnose_by(rule: Rule, lines: Sequence[Line], variance: str) -> None:
    for line, equal in repeated_amounts(rule, lines):
        line.diagnose(f"duplicate_in_{line.side}", equal)
    if rule.received_by_target:
        _late_usage(rule, lines)
    if rule.shape == "one_to_one":
        _wrong_account(rule, lines)
        _near(rule, lines, variance)
    else:
        _wrong_account_of_group(rule, lines)
        _near_group(rule, lines, variance)


def _open(rule: Rule, lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if line.free and line.keys[rule.number] is not None]


def _what(rule: Rule, line: Line) -> tuple[Any, ...]:
    return (line.keys[rule.number], *line.place)


def repeated_amounts(rule: Rule, lines: Sequence[Line]) -> list[tuple[Line, Line]]:
    """Open lines that equal one of their own side which this pass has matched singly; and that."""
    sides = {
        "one_to_one": ("source", "target"),
        "many_to_one": ("target",),
        "one_to_many": ("source",),
        "many_to_many": (),
        "subset_sum": (),
    }[rule.shape]
    matched: dict[tuple[Any, ...], list[Line]] = defaultdict(list)
    for line in lines:
        if line.rule == rule.name and line.side in sides and not rule.suggested:
            matched[(line.side, *_what(rule, line), line.amount)].append(line)
    return [
        (line, min(equal, key=lambda other: other.order))
        for line in _open(rule, lines)
        if (equal := matched[(line.side, *_what(rule, line), line.amount)])
    ]


def _late_usage(rule: Rule, lines: Sequence[Line]) -> None:
    """A source line received after the target line that was matched without it."""
    matched: dict[tuple[Any, ...], list[Line]] = defaultdict(list)
    for line in lines:
        if line.side == "target" and line.rule == rule.name:
            matched[_what(rule, line)].append(line)
    for line in _open(rule, lines):
        earlier = [t for t in matched[_what(rule, line)] if line.row["received_on"] > t.period]
        if line.side == "source" and earlier:
            line.diagnose("late_usage", min(earlier, key=lambda other: other.order))


def _elsewhere(rule: Rule, lines: Sequence[Line]) -> dict[tuple[Any, ...], list[Line]]:
    """Target lines out of scope, by key, entity, currency and amount, in order."""
    found: dict[tuple[Any, ...], list[Line]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: line.order):
        out = line.side == "target" and not line.in_scope and line.rule is None
        if out and line.keys[rule.number] is not None:
            found[(*_what(rule, line), line.amount)].append(line)
    return found


def _account_class(posting: Line) -> str:
    unmapped = posting.row.get("account_class") == "unmapped"
    return "unmapped_account" if unmapped else "account_mismatch"


def _wrong_account(rule: Rule, lines: Sequence[Line]) -> None:
    elsewhere = _elsewhere(rule, lines)
    for what, sources in shelved(lines, rule, "source", by_amount=True).items():
        for source, posting in zip(sources, elsewhere.get(what, []), strict=False):
            source.diagnose(_account_class(posting), posting)


def _wrong_account_of_group(rule: Rule, lines: Sequence[Line]) -> None:
    elsewhere = _elsewhere(rule, lines)
    for what, sources in shelved(lines, rule, "source", by_amount=False).items():
        total = amount_of(sources)
        for posting in elsewhere.get((*what, total), [])[:1]:
            for source in sources:
                source.diagnose(_account_class(posting), posting)
                source.group = (total, len(sources), True)


def _finest(line: Line) -> int:
    """The first pass for which a line has a key."""
    return next(number for number, key in enumerate(line.keys) if key is not None)


def _nearness(same_entity: bool, same_currency: bool, same_amount: bool) -> int:
    if same_currency and same_amount:
        return 1 if same_entity else 2
    if same_entity:
        return 4 if same_currency else 3
    return 5


@dataclass(eq=False)
class Group:
    """Lines of one key, entity and currency compared as one; or a line by itself."""

    lines: list[Line]

    @property
    def amount(self) -> Decimal:
        return amount_of(self.lines)

    @property
    def place(self) -> tuple[str, str]:
        return self.lines[0].place

    @property
    def finest(self) -> int:
        return max(_finest(line) for line in self.lines)

    def nearness(self, other: Line) -> tuple[int, Decimal]:
        entity, currency = self.place
        gap = abs(other.amount - self.amount)
        same_entity, same_currency = other.place[0] == entity, other.place[1] == currency
        return _nearness(same_entity, same_currency, gap == 0), gap

    def verdict(self, other: Line, sources: Sequence[Line], variance: str) -> str:
        """The class of a group and a single line that are each other's nearest."""
        nearness, _ = self.nearness(other)
        if nearness == 1:
            months = {(line.period.year, line.period.month) for line in self.lines}
            month = (other.period.year, other.period.month)
            same_month = min(months) <= month <= max(months)
            return "late_arrival" if same_month else "period_mismatch"
        if other.place[0] != self.place[0]:
            return "entity_mismatch"
        if nearness == 3:
            return "currency_mismatch"
        if {line.row["currency"] for line in [*self.lines, other]} != {other.place[1]}:
            return "fx_difference"
        components = {line.component for line in sources}
        for component in ("fee", "tax"):
            if components == {component}:
                return f"{component}_variance"
        return variance


def _near(rule: Rule, lines: Sequence[Line], variance: str) -> None:
    """Pairs of open lines with equal key that differ in date, entity, currency or amount."""

    def distance(source: Line, target: Line) -> tuple[int, Decimal, int]:
        days = abs((target.period - source.period).days)
        return (*Group([source]).nearness(target), days)

    while True:
        waiting = _open(rule, lines)
        targets: dict[Any, list[Line]] = defaultdict(list)
        for line in waiting:
            if line.side == "target":
                targets[line.keys[rule.number]].append(line)
        candidates = [
            (source, target)
            for source in waiting
            if source.side == "source"
            for target in targets[source.keys[rule.number]]
            if max(_finest(source), _finest(target)) == rule.number
        ]
        pairs = mutual(
            candidates,
            lambda s, t: (distance(s, t), t.name),
            lambda s, t: (distance(s, t), s.name),
        )
        if not pairs:
            return
        for source, target in pairs:
            verdict = Group([source]).verdict(target, [source], variance)
            if verdict == "fx_difference":
                source.group = (target.amount, 1, False)
                target.group = (source.amount, 1, False)
            source.diagnose(verdict, target)
            target.diagnose(verdict, source)


def _near_group(rule: Rule, lines: Sequence[Line], variance: str) -> None:
    """Whole groups against the single lines of equal key."""
    many = "target" if rule.shape == "one_to_many" else "source"
    shelves = shelved(lines, rule, many, by_amount=False)
    groups: dict[Any, list[Group]] = defaultdict(list)
    for (key, *_), members in shelves.items():
        groups[key].append(Group(members))
    candidates = [
        (group, single)
        for single in _open(rule, lines)
        if single.side != many
        for group in groups[single.keys[rule.number]]
        if max(group.finest, _finest(single)) == rule.number
    ]
    pairs = mutual(
        candidates,
        lambda group, single: (group.nearness(single), single.name),
        lambda group, single: (group.nearness(single), group.place),
    )
    for group, single in pairs:
        sources = group.lines if many == "source" else [single]
        verdict = group.verdict(single, sources, variance)
        first = min(group.lines, key=lambda line: line.name)
        single.diagnose(verdict, first)
        single.group = (group.amount, len(group.lines), False)
        for member in group.lines:
            member.diagnose(verdict, single)
            member.group = (group.amount, len(group.lines), True)
