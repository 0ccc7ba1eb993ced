"""Mangled references: open lines that nothing resembles by its key, held against each other.

Two lines of equal entity, currency and amount, in the window of a one-to-one pass, whose keys
differ in one reference only and there but little, are suggested to a person as a match; they stay
open. A suggestion reaches across keys, so it is made from all lines around that are open, worked by
this run or not: those it leaves alone keep their outcome, and change what is suggested of them.

How alike: 1 - edits / characters of the longer reference, edits being those of Damerau (1964): a
character too many, too few, another, or two neighbours exchanged. Numbers of one series share their
beginning, which a measure that rewards it (Jaro-Winkler) would take for likeness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from tieout.engine.duck import Engine
from tieout.keyparts import parse
from tieout.rules import Reconciliation

LEAST_PERCENT: Final = 85
"""Less alike than that is another reference: one edit in seven characters, two in fourteen."""
MOST_EQUAL: Final = 20
"""So many open lines of a day, side and amount are held against others; where more stand open,
what is missing is a delivery, not a reference, and each would resemble many."""
_REFERENCES: Final = frozenset(
    {"line_id", "correlation_id", "settlement_batch", "reversal_of", "event_id"}
)


def days_around(reconciliation: Reconciliation, days: Sequence[date]) -> list[date]:
    """The days whose open lines bear upon suggestions when lines of the given days change.

    A suggestion depends on all that either line might be instead: three windows away at most.
    """
    reach = 3 * _widest(reconciliation)
    found = {day + timedelta(days=n) for day in days for n in range(-reach, reach + 1)}
    return sorted(found)


def suggest(engine: Engine, reconciliation: Reconciliation) -> list[date]:
    """Make table suggestion; the days, besides those of this run, on which it changes something.

    Inputs: line and diagnosis of this run, decision_line, known_line, affected, and near_outcome:
    the outcomes of `days_around` as published.
    """
    engine.run("residue")
    engine.run("missing_before")
    if engine.count("missing_before"):
        engine.run("residue_before")
    engine.run("alike")
    for number, rule in enumerate(reconciliation.passes, 1):
        first_day, last_day = rule.days or reconciliation.timing_days
        for part in _references(reconciliation, number):
            engine.run(
                "alike_grow",
                **{"pass": number, "part": part},
                first_day=first_day,
                last_day=last_day,
                least_percent=LEAST_PERCENT,
                most=MOST_EQUAL,
            )
    engine.run("drop_rejected_alike")
    engine.run("judged", reach=2 * _widest(reconciliation))
    engine.run("suggestion")
    return list(engine.table("suggested_days")["period"])


def _references(reconciliation: Reconciliation, number: int) -> Iterator[int]:
    """Places in the key of a pass where both sides have a reference, counted from 1.

    Of passes that take lines singly: what a group sums to is known only once its key is.
    """
    rule = reconciliation.passes[number - 1]
    if rule.shape != "one_to_one":
        return
    for place, parts in enumerate(zip(rule.key.source, rule.key.target, strict=True), 1):
        if all(_is_reference(parse(part).column) for part in parts):
            yield place


def _is_reference(column: str) -> bool:
    return column in _REFERENCES or column.endswith("_ref")


def _widest(reconciliation: Reconciliation) -> int:
    """The most days that lines of a suggestion can be apart; 0 where none can be made."""
    windows = [
        rule.days or reconciliation.timing_days
        for number, rule in enumerate(reconciliation.passes, 1)
        if any(True for _ in _references(reconciliation, number))
    ]
    return max((abs(day) for window in windows for day in window), default=0)
