"""The oracle's third part: which open lines a person may match, their references being alike."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from tests.reference_line import Line, Row, Rule, is_rejected

MOST_EQUAL = 20
LEAST = Decimal("0.85")


def plain(reference: str) -> str:
    """Lower case letters and digits alone; zeros in front of a number do not count."""
    words = re.findall(r"[0-9]+|[^0-9]+", reference.lower())
    text = "".join(word.lstrip("0") or "0" if word.isdigit() else word for word in words)
    return "".join(sign for sign in text if sign in "abcdefghijklmnopqrstuvwxyz0123456789")


@lru_cache(maxsize=100_000)
def edits(one: str, other: str) -> int:
    """The distance of Damerau and Levenshtein: characters too many, too few, other, or exchanged.

    What was exchanged may have others put between it, so the rows of all earlier characters count.
    """
    far = len(one) + len(other)
    table = {(-1, -1): far}
    for n in range(len(one) + 1):
        table[n, -1], table[n, 0] = far, n
    for m in range(len(other) + 1):
        table[-1, m], table[0, m] = far, m
    seen: dict[str, int] = {}
    for n in range(1, len(one) + 1):
        same = 0
        for m in range(1, len(other) + 1):
            row, column = seen.get(other[m - 1], 0), same
            differ = one[n - 1] != other[m - 1]
            same = same if differ else m
            table[n, m] = min(
                table[n - 1, m - 1] + differ,
                table[n, m - 1] + 1,
                table[n - 1, m] + 1,
                table[row - 1, column - 1] + (n - row - 1) + 1 + (m - column - 1),
            )
        seen[one[n - 1]] = n
    return table[len(one), len(other)]


def likeness(one: str, other: str) -> Decimal:
    """1 for equal references, less an edit for each character of the longer, four decimals."""
    one, other = plain(one), plain(other)
    size = max(len(one), len(other))
    if not one or not other:
        return Decimal(0)
    share = Decimal(size - edits(one, other)) / size
    return share if share < LEAST else share.quantize(Decimal("0.0001"), rounding=ROUND_DOWN)


def suggest(
    rules: Sequence[Rule], lines: Sequence[Line], rejected: Sequence[Sequence[Row]] = ()
) -> None:
    """Tell both lines of every pair that are each other's most alike, if no second is as much.

    Pairs that a person has rejected are as good as unlike.
    """
    missing = ("missing_in_target", "missing_in_source")
    lonely = [line for line in lines if line.break_class in missing and line.rule is None]
    found: dict[tuple[int, int], tuple[Decimal, int, str, str]] = {}
    both: dict[int, Line] = {id(line): line for line in lonely}
    for rule in rules:
        for part in rule.references if rule.shape == "one_to_one" else ():
            for source, target, alike in _pairs(rule, part, lonely):
                pair = id(source), id(target)
                if is_rejected([source, target], rejected):
                    continue
                # The most alike counts, then the first pass.
                if pair not in found or (-alike[0], *alike[1:]) < (
                    -found[pair][0],
                    *found[pair][1:],
                ):
                    found[pair] = alike
    for (source_id, target_id), alike in found.items():
        rivals = [f for pair, f in found.items() if source_id == pair[0] or target_id == pair[1]]
        if sum(rival[0] >= alike[0] for rival in rivals) == 1:
            _tell(rules[alike[1]], both[source_id], both[target_id], alike)


def _pairs(
    rule: Rule, part: int, lonely: Sequence[Line]
) -> Iterator[tuple[Line, Line, tuple[Decimal, int, str, str]]]:
    shelves: dict[Any, dict[str, list[Line]]] = defaultdict(lambda: defaultdict(list))
    for line in lonely:
        key = line.keys[rule.number]
        if key is not None:
            others = key[:part] + key[part + 1 :]
            shelves[others, line.place, line.amount][line.side].append(line)
    for shelf in shelves.values():
        sources, targets = (_few(shelf[side]) for side in ("source", "target"))
        for source in sources:
            for target in targets:
                here, there = (str(one.keys[rule.number][part]) for one in (source, target))  # type: ignore[index]
                if here != there and rule.inside(source, target):
                    score = likeness(here, there)
                    if score >= LEAST:
                        yield source, target, (score, rule.number, here, there)


def _few(lines: Sequence[Line]) -> list[Line]:
    days = [line.period for line in lines]
    return [line for line in lines if days.count(line.period) <= MOST_EQUAL]


def _tell(rule: Rule, source: Line, target: Line, alike: tuple[Decimal, int, str, str]) -> None:
    score, _, here, there = alike
    shown = score.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    for line, other, own, far in ((source, target, here, there), (target, source, there, here)):
        line.other = other
        line.alike = {
            "pass": rule.name,
            "match_ref": source.row["line_id"],
            "score": score,
            "reason": f"reference '{own}' resembles '{far}' ({shown}), amount and currency equal",
        }
