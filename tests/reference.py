"""The oracle: reconciliation in plain loops over plain values, slow and easy to read.

Written from the rules, not from the statements in sql/, and sharing no code with Tieout: names of
canonical columns are all the two have in common. A reconciliation is what tieout.yaml would say, a
line is a mapping of canonical columns, amounts are Decimal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

Row = Mapping[str, Any]
Config = Mapping[str, Any]
Key = tuple[str, ...] | None

CURRENCIES = {"A": "USD", "B": "EUR"}
"""Entities of the small worlds and their own currencies."""
MINOR_UNITS = {"USD": 2, "EUR": 2, "GBP": 2, "JPY": 0, "KWD": 3}


@dataclass(eq=False)
class Line:
    """One line of a side; what becomes of it is filled in on the way."""

    side: str
    row: Row
    amount: Decimal
    component: str | None
    keys: list[Key]
    in_scope: bool
    sign: int = 1
    suggested: bool = False
    seen_place: tuple[str, str] | None = None
    """Entity and currency as the pass at work sees them, where it does not see them as they are."""
    first: Line | None = None
    """The delivery that counts, where this is a later one of the same line."""
    rule: str | None = None
    """The pass that took the line."""
    anchor: Line | None = None
    other: Line | None = None
    cleared_on: date | None = None
    residual: Decimal = Decimal(0)
    label: str | None = None
    """What the residual is."""
    rounding: Decimal | None = None
    break_class: str | None = None
    once_too_often: bool = False
    """Equal to a line that a pass has taken singly: no group may absorb it."""
    explanations: int = 0
    """How many sets of lines explain it equally well, where several do."""
    decision: int | None = None
    """The number of the decision that made the match or accepted the break."""
    group: tuple[Decimal | None, int, bool] = (None, 1, False)
    """Amount and number of lines of the group compared, and whether the line is of it."""
    alike: dict[str, Any] = field(default_factory=dict)
    """What is said of a match with a line of another key; `other` is that line."""

    @property
    def name(self) -> str:
        return f"{self.row['feed']} {self.row['line_id']}"

    @property
    def period(self) -> date:
        day = self.row["period"]
        assert isinstance(day, date)
        return day

    @property
    def place(self) -> tuple[str, str]:
        """Entity and currency."""
        if self.seen_place is not None:
            return self.seen_place
        return self.row["entity"], self.row["currency"]

    @property
    def order(self) -> tuple[date, str, str]:
        return self.period, self.row["feed"], self.row["line_id"]

    @property
    def delivery(self) -> tuple[date, str, int]:
        return self.row["received_on"], self.row["extract_sha256"], self.row["row_number"]

    @property
    def free(self) -> bool:
        return self.in_scope and self.rule is None and self.break_class is None

    def take(self, rule: str, anchor: Line, other: Line, cleared_on: date) -> None:
        self.rule, self.anchor, self.other, self.cleared_on = rule, anchor, other, cleared_on

    def leave(self, rule: Rule, sources: Sequence[Line], targets: Sequence[Line]) -> None:
        """Note what a match with this line leaves, and what it is."""
        amounts = [[line.amount for line in side] for side in (sources, targets)]
        self.residual = sum(amounts[1], Decimal(0)) - sum(amounts[0], Decimal(0))
        across = crosses([*sources, *targets])
        self.label = rule.explains(self.place[1], *amounts, across=across) or None

    def diagnose(self, break_class: str, other: Line | None) -> None:
        assert self.break_class is None
        self.break_class, self.other = break_class, other


@dataclass(frozen=True)
class Rule:
    """One pass with its defaults filled in."""

    number: int
    name: str
    shape: str
    first_day: int
    last_day: int
    received_by_target: bool
    functional: bool = False
    any_entity: bool = False
    suggested: bool = False
    rejected: Sequence[Sequence[Row]] = ()
    """Sets of lines that a person will not have suggested together."""
    tolerance: Config = field(default_factory=dict)
    references: tuple[int, ...] = ()
    """Places in the key that hold a reference on both sides."""

    def inside(self, source: Line, target: Line) -> bool:
        """Whether the two dates lie in the window of the pass."""
        return self.first_day <= (target.period - source.period).days <= self.last_day

    def limit(self, currency: str, source: Decimal, target: Decimal) -> Decimal:
        """The largest difference allowed between two amounts."""
        base = {
            "source": abs(source),
            "target": abs(target),
            "larger": max(abs(source), abs(target)),
        }[self.tolerance.get("base", "source")]
        absolute = Decimal(self.tolerance.get("absolute", 0))
        share = base * Decimal(self.tolerance.get("percent", 0)) / 100
        both = self.tolerance.get("rule") == "both"
        return min(absolute, share) if both else max(absolute, share)

    def explains(
        self,
        currency: str,
        sources: Sequence[Decimal],
        targets: Sequence[Decimal],
        *,
        across: bool,
    ) -> str | None:
        """What the difference of two sums is: "" for none, a label, or None where they differ.

        `across`: whether one of the lines is in another currency than it is compared in.
        """
        source, target = sum(sources, Decimal(0)), sum(targets, Decimal(0))
        if source == target:
            return ""
        label = str(self.tolerance.get("label", "tolerance"))
        if self.functional and label == "fx" and not across:
            return None
        if label != "rounding":
            fits = abs(target - source) <= self.limit(currency, source, target)
            return label if fits else None
        found = rounding_name(currency, sources, target)
        return found or rounding_name(currency, targets, source)


def rounding_name(currency: str, lines: Sequence[Decimal], wanted: Decimal) -> str | None:
    """The first rule by which lines, rounded to the minor unit, give another amount."""
    unit = Decimal(1).scaleb(-MINOR_UNITS[currency])
    whole = sum(lines, Decimal(0))
    if abs(wanted - whole) > len(lines) * unit / 2:
        return None
    ways = {"half-up": ROUND_HALF_UP, "half-even": ROUND_HALF_EVEN, "truncated": ROUND_DOWN}
    for per, parts in (("document", [whole]), ("line", lines)):
        for way, how in ways.items():
            if sum((part.quantize(unit, how) for part in parts), Decimal(0)) == wanted:
                return f"rounding per {per}, {way}"
    return None


def rules_of(reconciliation: Config) -> list[Rule]:
    """The passes of a reconciliation, numbered from 0."""
    timing = reconciliation.get("timing_days", (-1, 5))
    return [
        Rule(
            number=number,
            name=one["name"],
            shape=one["shape"],
            first_day=(one.get("days") or timing)[0],
            last_day=(one.get("days") or timing)[1],
            received_by_target=one.get("received_by_target", False),
            functional=one.get("currency") == "functional",
            any_entity=one.get("entity") == "any",
            suggested=one.get("result") == "suggested",
            tolerance=one.get("tolerance", {}),
            references=_references(one["key"]),
        )
        for number, one in enumerate(reconciliation["passes"])
    ]


def _references(key: Config) -> tuple[int, ...]:
    own = {"line_id", "settlement_batch", "event_id", "correlation_id", "reversal_of"}
    parts = zip(key["source"], key["target"], strict=True)
    columns = [[part.split("|")[0].strip() for part in both] for both in parts]
    return tuple(
        place
        for place, both in enumerate(columns)
        if all(column.endswith("_ref") or column in own for column in both)
    )


def reconcile(
    reconciliation: Config,
    kinds: Mapping[str, str],
    rows: Iterable[Row],
    currencies: Mapping[str, str] | None = None,
    decisions: Sequence[Row] = (),
) -> list[dict[str, Any]]:
    """The outcome of every line in scope, in the order of day, side, feed, line and delivery.

    `currencies`: entity -> its own currency. `decisions`: what persons decided, in order; each with
    its number, its kind, its label, and its lines by side, feed, line_id, entity, currency, amount
    and break class.
    """
    from tests.reference_alike import suggest
    from tests.reference_diagnosis import diagnose

    rows = list(rows)
    lines = [
        line
        for side in ("source", "target")
        for row in rows
        if row["feed"] in reconciliation[side]["feeds"]
        for line in [_line(reconciliation, side, kinds[row["feed"]], row)]
        if line.in_scope or (side == "target" and not _is_source(reconciliation, kinds, row))
    ]
    set_repeats_aside(lines)
    net_reversals(lines)
    gone = {one.get("takes_back") for one in decisions}
    standing = [one for one in decisions if one["id"] not in gone]
    for decision in standing:
        if decision["kind"] in ("match", "accept_suggestion"):
            match_by_hand(decision, lines)
    rejected = [d["lines"] for d in standing if d["kind"] == "reject_suggestion"]
    rules = [replace(rule, rejected=rejected) for rule in rules_of(reconciliation)]
    for rule in rules:
        run(rule, lines, currencies or CURRENCIES)
    source_kinds = {kinds[feed] for feed in reconciliation["source"]["feeds"]}
    usage = source_kinds == {"usage"}
    diagnose(rules, lines, usage, currencies or CURRENCIES)
    open_suggested(rules, lines, "rating_variance" if usage else "")
    suggest(rules, lines, rejected)
    for decision in standing:
        if decision["kind"] == "accept_break":
            accept_breaks(decision, lines)
    first, last = reconciliation.get("timing_days", (-1, 5))
    found = [_outcome(line, first, last) for line in lines if line.in_scope]
    return sorted(found, key=_published_order)


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


def component_of(kind: str, row: Row) -> str | None:
    """What a line is for."""
    if kind == "settlement":
        found = row.get("category")
    elif kind == "usage":
        found = row.get("meter")
    elif kind == "invoice":
        found = "tax" if row.get("line_type") == "tax" else "revenue"
    elif row.get("category") is not None:
        found = row["category"]
    else:
        found = row["account_class"]
        found = "revenue" if found == "deferred_revenue" else found
    return None if found is None else str(found)


def _line(reconciliation: Config, side: str, kind: str, row: Row) -> Line:
    here = reconciliation[side]
    component = component_of(kind, row)

    def value(column: str) -> Any:
        return component if column == "component" else row.get(column)

    def key(columns: Sequence[str]) -> Key:
        values = [part(column) for column in columns]
        return None if None in values else tuple(str(v) for v in values)

    def part(written: str) -> str | None:
        column, *steps = (piece.strip() for piece in written.split("|"))
        found = value(column)
        text = None if found is None else str(found)
        for step in steps:
            text = text and (step_after(step, text) or None)
        return text

    in_scope = all(value(column) in allowed for column, allowed in here.get("where", {}).items())
    if kind == "ledger" and row["account_class"] == "unmapped":
        in_scope = False
    return Line(
        side,
        row,
        row["amount"] * here.get("sign", 1),
        component,
        [key(one["key"][side]) for one in reconciliation["passes"]],
        in_scope,
        here.get("sign", 1),
    )


def step_after(step: str, text: str) -> str:
    """The text that a step of a key leaves."""
    name, _, argument = step.rstrip(")").partition("(")
    return {
        "upper": text.upper,
        "alphanumeric": lambda: "".join(c for c in text if c.isalnum()),
        "digits": lambda: "".join(c for c in text if c in "0123456789"),
        "without_zeros": lambda: text.lstrip("0"),
        "without_prefix": lambda: text.removeprefix(argument),
        "without_suffix": lambda: text.removesuffix(argument),
        "before": lambda: text.split(argument, maxsplit=1)[0],
        "after": lambda: text.partition(argument)[2] if argument in text else text,
        "first": lambda: text[: int(argument)],
        "last": lambda: text[-int(argument) :],
    }[name]()


def open_suggested(rules: Sequence[Rule], lines: Sequence[Line], variance: str) -> None:
    """Lines that a pass only suggests are open: missing, or of another amount."""
    suggesting = {rule.name for rule in rules if rule.suggested}
    left: dict[int, Decimal] = defaultdict(Decimal)
    members = [line for line in lines if line.rule in suggesting]
    for line in members:
        left[id(line.anchor)] += abs(line.residual)
    for line in members:
        line.suggested = True
        if not left[id(line.anchor)]:
            line.break_class = "missing_in_" + ("target" if line.side == "source" else "source")
        elif line.component in ("fee", "tax"):
            line.break_class = f"{line.component}_variance"
        else:
            line.break_class = variance or "amount_mismatch"


def _is_source(reconciliation: Config, kinds: Mapping[str, str], row: Row) -> bool:
    """Whether a row is a source line: where both sides read one feed, none is its own target."""
    shared = row["feed"] in reconciliation["source"]["feeds"]
    return shared and _line(reconciliation, "source", kinds[row["feed"]], row).in_scope


def set_repeats_aside(lines: Sequence[Line]) -> None:
    """Of the deliveries of one line the first counts; later ones repeat it, or contradict it."""
    by_name: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines:
        by_name[line.side, line.name].append(line)
    for deliveries in by_name.values():
        first, *later = sorted(deliveries, key=lambda line: line.delivery)
        for line in later:
            line.first = first
            line.take("repeated", first, first, line.period)
            if _content(line) != _content(first) and line.in_scope:
                line.diagnose(f"duplicate_in_{line.side}", first)


def _content(line: Line) -> tuple[object, ...]:
    account = line.row.get("account")
    return (*line.place, line.amount, line.period, line.keys, account, line.in_scope)


def net_reversals(lines: Sequence[Line]) -> None:
    """A posting that reverses a journal cancels the posting of that journal."""

    def shelves(
        journal: str, fits: Callable[[Row], bool], sign: int
    ) -> dict[tuple[object, ...], list[Line]]:
        found: dict[tuple[object, ...], list[Line]] = defaultdict(list)
        for line in sorted(lines, key=lambda line: (line.period, line.row["line_id"])):
            if line.free and line.row.get(journal) is not None and fits(line.row):
                where = (line.side, line.row["feed"], line.row[journal], line.row["account"])
                found[(*where, *line.place, sign * line.amount)].append(line)
        return found

    cancelled = shelves("journal_ref", lambda row: row.get("reversal_of") is None, 1)
    for what, cancelling in shelves("reversal_of", lambda _row: True, -1).items():
        for one, other in zip(cancelled.get(what, []), cancelling, strict=False):
            day = max(one.period, other.period)
            one.take("reversal", one, other, day)
            other.take("reversal", one, one, day)


def _as_decided(line: Line, named: Row) -> bool:
    """Whether a line is the one that a person decided upon, and still what it was."""
    same = (line.side, line.row["feed"], line.row["line_id"], *line.place, line.amount)
    wanted = ("side", "feed", "line_id", "entity", "currency", "amount")
    return same == tuple(named[column] for column in wanted)


def match_by_hand(decision: Row, lines: Sequence[Line]) -> None:
    """Match the lines of a decision, if each is there, as it was, and not taken."""
    found = []
    for named in decision["lines"]:
        here = [line for line in lines if line.free and _as_decided(line, named)]
        if len(here) != 1:
            return
        found += here
    found.sort(key=lambda line: line.name)
    sources, targets = ([line for line in found if line.side == s] for s in ("source", "target"))
    first = (sources or targets)[0]
    day = max(line.period for line in found)
    for line in found:
        facing = targets if line.side == "source" else sources
        beside = found[1] if line is first else first
        line.take("by_hand", first, facing[0] if facing else beside, day)
        line.decision = decision["id"]
    first.residual = amount_of(targets) - amount_of(sources)
    first.label = decision.get("label") if first.residual else None


def is_rejected(members: Sequence[Line], rejected: Sequence[Sequence[Row]]) -> bool:
    """Whether a person will not have exactly these lines suggested together."""
    return any(
        len(named) == len(members)
        and all(any(_as_decided(line, one) for one in named) for line in members)
        for named in rejected
    )


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


def accept_breaks(decision: Row, lines: Sequence[Line]) -> None:
    """Note on open lines that a person has accepted their break, if it is the same still."""
    for named in decision["lines"]:
        for line in lines:
            if line.break_class == named["break_class"] and _as_decided(line, named):
                line.decision = decision["id"]


Side = dict[tuple[Any, ...], list[Line]]


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


def crosses(lines: Iterable[Line]) -> bool:
    """Whether one of the lines is in another currency than the pass at work compares them in."""
    return any(line.row["currency"] != line.place[1] for line in lines)


def amount_of(lines: Iterable[Line]) -> Decimal:
    """The sum of amounts."""
    return sum((line.amount for line in lines), Decimal(0))


SHAPES: dict[str, Callable[[Rule, Sequence[Line]], None]] = {
    "one_to_one": match_one_to_one,
    "many_to_one": match_grouped,
    "one_to_many": match_grouped,
    "many_to_many": match_many_to_many,
    "subset_sum": match_subset,
}


def _outcome(line: Line, first_day: int, last_day: int) -> dict[str, Any]:
    row, other = line.row, line.other
    found: dict[str, Any] = {
        "side": line.side,
        **{c: row[c] for c in ("feed", "line_id", "extract_sha256", "row_number", "received_on")},
        **{c: row[c] for c in ("entity", "currency", "occurred_on", "period")},
        "amount": line.amount,
        "component": line.component,
    }
    if other is not None:
        found |= {"counterpart_feed": other.row["feed"], "counterpart": other.row["line_id"]}
    if line.break_class is None and line.first is not None:
        return found | {"outcome": "duplicate"}
    if line.break_class is None:
        assert line.anchor is not None
        return found | {
            "outcome": "matched",
            "pass": line.rule,
            "match_ref": line.anchor.row["line_id"],
            "cleared_on": line.cleared_on,
            "residual": line.residual,
            "label": line.label,
            "rounding": line.rounding,
            "decision": line.decision,
        }
    if other is not None:
        found |= {
            "other_entity": other.row["entity"],
            "other_currency": other.row["currency"],
            "other_amount": other.amount,
            "other_period": other.period,
            "other_account": other.row.get("account"),
        }
    if line.first is not None:
        due_on = line.period
    elif line.side == "source":
        due_on = line.period + timedelta(days=last_day)
    else:
        due_on = line.period - timedelta(days=first_day)
    amount, count, member = line.group
    if line.suggested:
        assert line.anchor is not None
        found |= {"pass": line.rule, "match_ref": line.anchor.row["line_id"]}
        found |= {"residual": line.residual, "label": line.label, "rounding": line.rounding}
    return found | {
        "outcome": "open",
        "break_class": line.break_class,
        "decision": line.decision,
        "due_on": due_on,
        "group_amount": amount,
        "group_count": count,
        "group_member": member,
        **line.alike,
    }


def _published_order(found: Row) -> tuple[Any, ...]:
    names = ("period", "side", "feed", "line_id", "received_on", "extract_sha256", "row_number")
    return tuple(found[name] for name in names)
