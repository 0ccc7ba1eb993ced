"""How a pass of the oracle sees lines: as they are, in functional amounts, or of any entity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal

from tests.reference_line import MINOR_UNITS, Line, Rule


@contextmanager
def looking(
    rule: Rule, lines: Sequence[Line], currencies: Mapping[str, str]
) -> Iterator[list[Line]]:
    """The lines that a pass can see, with the amounts and places it sees while the block lasts.

    `currencies`: entity -> its own currency.
    """
    seen = []
    before = [(line, line.amount) for line in lines]
    for line in lines:
        entity, currency = line.row["entity"], line.row["currency"]
        if rule.functional:
            own = currencies[entity]
            if currency != own:
                posted = line.row.get("functional_amount")
                if posted is None:
                    continue
                line.amount = posted * line.sign
            currency = own
        line.seen_place = ("*" if rule.any_entity else entity, currency)
        seen.append(line)
    yield seen
    for line, amount in before:
        line.amount, line.seen_place = amount, None


def note_rates(rule: Rule, lines: Sequence[Line]) -> None:
    """Of matches that were converted: the residual stands on one line and is one of rates."""
    found: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        if line.rule == rule.name and line.anchor is not None:
            found[id(line.anchor)].append(line)
    for members in found.values():
        if all(line.row["currency"] == line.place[1] for line in members):
            continue
        first, *others = sorted(
            members, key=lambda m: (m.row["currency"] != m.place[1], m.side, m.name)
        )
        first.residual = sum((line.residual for line in members), Decimal(0))
        for line in others:
            line.residual, line.label = Decimal(0), None
        first.label = "fx rate difference" if first.residual else None
        if first.residual:
            own = first.place[1]
            told = [m for m in members if m.side == "source" and m.row["currency"] == own]
            first.rounding = sum(map(rounded_off, told), Decimal(0))


def rounded_off(line: Line) -> Decimal:
    """What a sender's own conversion left below half a minor unit; nothing where it tells none."""
    presented, rate = line.row.get("presentment_amount"), line.row.get("exchange_rate")
    if presented is None or rate is None:
        return Decimal(0)
    left = presented * line.sign * rate - line.row["amount"] * line.sign
    half = Decimal(5).scaleb(-MINOR_UNITS[line.row["currency"]] - 1)
    return left if abs(left) <= half else Decimal(0)
