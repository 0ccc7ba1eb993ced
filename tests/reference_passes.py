"""The oracle's passes: each shape of match, in plain loops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.reference_line import Line, Rule, amount_of, crosses, is_rejected

Side = dict[tuple[Any, ...], list[Line]]


def run(rule: Rule, lines: Sequence[Line], currencies: Mapping[str, str]) -> None:
    """One pass over what is still free."""
    from tests.reference_diagnosis import repeated_amounts
    from tests.reference_lens import looking, note_rates

    grouped = rule.shape != "one_to_one"
    with looking(rule, lines, currencies) as seen:
        SHAPES[rule.shape](rule, [n for n in seen if not (grouped and n.once_too_often)])
        if rule.functional:
            note_rates(rule, seen)
    if rule.suggested:
        forget_rejected(rule, lines)
    for line, _ in repeated_amounts(rule, lines):
        line.once_too_often = True


def forget_rejected(rule: Rule, lines: Sequence[Line]) -> None:
    """Let lines go that a pass would suggest together, where a person has rejected that."""
    sets: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        if line.rule == rule.name:
            sets[id(line.anchor)].append(line)
    for members in sets.values():
        if is_rejected(members, rule.rejected):
            for line in members:
                line.rule = line.anchor = line.other = line.cleared_on = None
                line.residual, line.label, line.rounding = Decimal(0), None, None


def shelved(lines: Iterable[Line], rule: Rule, side: str, *, by_amount: bool) -> Side:
    """Free lines of a side with a key, by key, entity and currency (and amount), in order."""
    found: Side = defaultdict(list)
    for line in sorted(lines, key=lambda line: line.order):
        key = line.keys[rule.number]
        if line.side == side and line.free and key is not None:
            found[(key, *line.place, line.amount) if by_amount else (key, *line.place)].append(line)
    return found


def match_one_to_one(rule: Rule, lines: Sequence[Line]) -> None:
    """Pairs of equal amount, then the k-th with the k-th, then the nearest within tolerance."""
    sources = shelved(lines, rule, "source", by_amount=True)
    targets = shelved(lines, rule, "target", by_amount=True)
    for what in sources.keys() & targets.keys():
        here, there = sources[what], targets[what]
        if len(here) == len(there) == 1:
            if rule.inside(here[0], there[0]):
                _pair(rule, here[0], there[0])
        else:
            _pair_in_order(rule, here, there)
    sources = shelved(lines, rule, "source", by_amount=False)
    targets = shelved(lines, rule, "target", by_amount=False)
    for what in sources.keys() & targets.keys():
        _pair_nearest(rule, sources[what], targets[what])


def _pair(rule: Rule, source: Line, target: Line) -> None:
    day = max(source.period, target.period)
    source.take(rule.name, source, target, day)
    target.take(rule.name, source, source, day)
    source.leave(rule, [source], [target])


def _pair_in_order(rule: Rule, sources: Sequence[Line], targets: Sequence[Line]) -> None:
    while True:
        here = [s for s in sources if s.free and any(t.free and rule.inside(s, t) for t in targets)]
        there = [t for t in targets if t.free and any(rule.inside(s, t) for s in here)]
        pairs = [(s, t) for s, t in zip(here, there, strict=False) if rule.inside(s, t)]
        for source, target in pairs:
            _pair(rule, source, target)
        if not pairs:
            return


def _pair_nearest(rule: Rule, sources: Sequence[Line], targets: Sequence[Line]) -> None:
    def distance(source: Line, target: Line) -> tuple[Decimal, int]:
        return abs(target.amount - source.amount), abs((target.period - source.period).days)

    def allowed(source: Line, target: Line) -> bool:
        across = crosses([source, target])
        found = rule.explains(source.place[1], [source.amount], [target.amount], across=across)
        return found is not None and rule.inside(source, target)

    while True:
        near = [(s, t) for s in sources for t in targets if s.free and t.free and allowed(s, t)]
        ties = _ties(near, distance)
        tied = {id(tie[0][n]) for n, tie in ties}
        pairs = mutual(
            near, lambda s, t: (distance(s, t), t.name), lambda s, t: (distance(s, t), s.name)
        )
        clear = [(s, t) for s, t in pairs if id(s) not in tied and id(t) not in tied]
        for source, target in clear:
            _pair(rule, source, target)
        if not clear:
            break
    told: dict[Line, int] = defaultdict(int)
    for _, tie in ties:
        for line in {line for pair in tie for line in pair}:
            told[line] = max(told[line], len(tie))
    for line, count in told.items():
        line.explanations = line.explanations or count


def _ties(
    near: Sequence[tuple[Line, Line]], distance: Callable[[Line, Line], Any]
) -> list[tuple[int, list[tuple[Line, Line]]]]:
    """Lines (0 a source, 1 a target) whose nearest counterparts differ in amount."""
    found = []
    for n in (0, 1):
        for line in {pair[n] for pair in near}:
            own = [pair for pair in near if pair[n] is line]
            best = min(distance(*pair) for pair in own)
            nearest = [pair for pair in own if distance(*pair) == best]
            if len({pair[1 - n].amount for pair in nearest}) > 1:
                found.append((n, nearest))
    return found


def mutual(
    candidates: Sequence[tuple[Any, Any]],
    of_one: Callable[[Any, Any], Any],
    of_other: Callable[[Any, Any], Any],
) -> list[tuple[Any, Any]]:
    """Candidates in which each is the other's best (the least by the two measures)."""
    best_of_one: dict[int, tuple[Any, Any]] = {}
    best_of_other: dict[int, tuple[Any, Any]] = {}
    for one, other in candidates:
        if id(one) not in best_of_one or of_one(one, other) < of_one(*best_of_one[id(one)]):
            best_of_one[id(one)] = (one, other)
        best = best_of_other.get(id(other))
        if best is None or of_other(one, other) < of_other(*best):
            best_of_other[id(other)] = (one, other)
    return [
        (one, other) for one, other in best_of_one.values() if best_of_other[id(other)][0] is one
    ]


def match_grouped(rule: Rule, lines: Sequence[Line]) -> None:
    """Many lines of one side whose sum is a single line of the other."""
    many = "source" if rule.shape == "many_to_one" else "target"
    one = "target" if many == "source" else "source"
    groups = shelved(lines, rule, many, by_amount=False)
    for what, rivals in shelved(lines, rule, one, by_amount=False).items():
        offers = []
        for single in rivals:
            members = [m for m in groups.get(what, []) if _came_in_time(rule, m, single)]
            equals = [r for r in rivals if r.amount == single.amount]
            if members and single is equals[0] and _fits(rule, single, members, len(rivals)):
                gap = abs(single.amount - amount_of(members))
                offers.append((gap, single.period, single.name, single, members))
        if offers:
            *_, single, members = min(offers, key=lambda offer: offer[:3])
            _take_group(rule, single, members)


def _came_in_time(rule: Rule, member: Line, single: Line) -> bool:
    return not rule.received_by_target or bool(member.row["received_on"] <= single.period)


def _fits(rule: Rule, single: Line, members: Sequence[Line], rivals: int) -> bool:
    total = amount_of(members)
    inside = all(
        rule.inside(m, single) if single.side == "target" else rule.inside(single, m)
        for m in members
    )
    amounts = [m.amount for m in members]
    source, target = (amounts, [single.amount])[:: 1 if single.side == "target" else -1]
    across = crosses([single, *members])
    found = rule.explains(single.place[1], source, target, across=across)
    return inside and (total == single.amount or (rivals == 1 and found is not None))


def _take_group(rule: Rule, single: Line, members: Sequence[Line]) -> None:
    day = max(line.period for line in [single, *members])
    for member in members:
        member.take(rule.name, single, single, day)
    single.take(rule.name, single, min(members, key=lambda m: m.name), day)
    sides = (members, [single]) if single.side == "target" else ([single], members)
    single.leave(rule, *sides)


def match_many_to_many(rule: Rule, lines: Sequence[Line]) -> None:
    """All lines of a key on both sides, by their sums."""
    targets = shelved(lines, rule, "target", by_amount=False)
    for what, here in shelved(lines, rule, "source", by_amount=False).items():
        there = targets.get(what, [])
        if not there or not all(rule.inside(s, t) for s in here for t in there):
            continue
        amounts = [[line.amount for line in side] for side in (here, there)]
        across = crosses([*here, *there])
        if rule.explains(here[0].place[1], *amounts, across=across) is not None:
            first, other = (min(some, key=lambda line: line.name) for some in (here, there))
            day = max(line.period for line in [*here, *there])
            for line in here:
                line.take(rule.name, first, other, day)
            for line in there:
                line.take(rule.name, first, first, day)
            first.leave(rule, here, there)


def match_subset(rule: Rule, lines: Sequence[Line]) -> None:
    """Of a key, every choice of lines of both sides whose sums agree; only what has no rival."""
    targets = shelved(lines, rule, "target", by_amount=False)
    for what, here in shelved(lines, rule, "source", by_amount=False).items():
        members = [line for line in [*here, *targets.get(what, [])] if line.amount]
        sums: dict[frozenset[Line], Decimal] = {frozenset(): Decimal(0)}
        for line in members:
            signed = line.amount if line.side == "source" else -line.amount
            sums |= {chosen | {line}: total + signed for chosen, total in sums.items()}
        fitting = [c for c, total in sums.items() if total == 0 and _faces(rule, c)]
        smallest = [c for c in fitting if not any(other < c for other in fitting)]
        for chosen in smallest:
            if not any(chosen & other for other in smallest if other != chosen):
                _take_set(rule, chosen)
        rivals = [c for c in smallest if any(c & other for other in smallest if other != c)]
        for line in frozenset().union(*rivals):
            line.explanations = line.explanations or len(rivals)


def _faces(rule: Rule, chosen: Iterable[Line]) -> bool:
    here, there = ([one for one in chosen if one.side == s] for s in ("source", "target"))
    return bool(here and there) and all(rule.inside(s, t) for s in here for t in there)


def _take_set(rule: Rule, chosen: Iterable[Line]) -> None:
    in_order = sorted(chosen, key=lambda line: line.name)
    first, other = (next(o for o in in_order if o.side == s) for s in ("source", "target"))
    day = max(line.period for line in in_order)
    for line in in_order:
        line.take(rule.name, first, other if line.side == "source" else first, day)


SHAPES: dict[str, Callable[[Rule, Sequence[Line]], None]] = {
    "one_to_one": match_one_to_one,
    "many_to_one": match_grouped,
    "one_to_many": match_grouped,
    "many_to_many": match_many_to_many,
    "subset_sum": match_subset,
}
