"""What the oracle knows of a line and of a pass, and the sums that both need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
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


def as_decided(line: Line, named: Row) -> bool:
    """Whether a line is the one that a person decided upon, and still what it was."""
    same = (line.side, line.row["feed"], line.row["line_id"], *line.place, line.amount)
    wanted = ("side", "feed", "line_id", "entity", "currency", "amount")
    return same == tuple(named[column] for column in wanted)


def is_rejected(members: Sequence[Line], rejected: Sequence[Sequence[Row]]) -> bool:
    """Whether a person will not have exactly these lines suggested together."""
    return any(
        len(named) == len(members)
        and all(any(as_decided(line, one) for one in named) for line in members)
        for named in rejected
    )


def crosses(lines: Iterable[Line]) -> bool:
    """Whether one of the lines is in another currency than the pass at work compares them in."""
    return any(line.row["currency"] != line.place[1] for line in lines)


def amount_of(lines: Iterable[Line]) -> Decimal:
    """The sum of amounts."""
    return sum((line.amount for line in lines), Decimal(0))
