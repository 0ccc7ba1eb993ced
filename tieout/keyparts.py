"""What a part of a match key may say: a column, and steps that bring its text to a common form.

`payment_ref` is the column as it is; `payment_ref | upper | without_prefix(PAY-)` is its text after
two steps. Steps are few and total: none can fail, and none sees anything but the one text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

STEPS: Final = {
    "upper": "text in capitals",
    "alphanumeric": "letters and digits only: no blanks, no punctuation",
    "digits": "digits only",
    "without_zeros": "without zeros at the beginning",
    "without_prefix": "without this beginning, where it has it",
    "without_suffix": "without this end, where it has it",
    "before": "what stands before the first such text, or all of it",
    "after": "what stands after the first such text, or all of it",
    "first": "so many characters from the left",
    "last": "so many characters from the right",
}
"""Each step and what is left after it. A text that a step leaves empty is no key."""
_WITH_TEXT = frozenset(("without_prefix", "without_suffix", "before", "after"))
_WITH_NUMBER = frozenset(("first", "last"))
_STEP = re.compile(r"([a-z_]+)(?:\((.*)\))?")
_COLUMN = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `text` or `number` is what stands in its brackets."""

    name: str
    text: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class KeyPart:
    """A column and the steps its text goes through, from left to right."""

    column: str
    steps: tuple[Step, ...] = ()


def parse(written: str) -> KeyPart:
    """`column | step | step(argument)` -> KeyPart.

    Raises ValueError that says what is allowed.
    """
    column, *steps = (piece.strip() for piece in written.split("|"))
    if not _COLUMN.fullmatch(column):
        raise ValueError(f"{written!r} must begin with a column's name, e.g. payment_ref | upper")
    return KeyPart(column, tuple(_step(step, written) for step in steps))


def _step(step: str, written: str) -> Step:
    found = _STEP.fullmatch(step)
    name, argument = (found[1], found[2]) if found else (step, None)
    if name not in STEPS:
        raise ValueError(f"{written!r}: no step {step!r}; steps are {', '.join(STEPS)}")
    if name in _WITH_TEXT:
        if not argument or len(argument) > _LONGEST:
            raise ValueError(f"{written!r}: {name} needs a text in brackets, e.g. {name}(INV-)")
        return Step(name, text=argument)
    if name in _WITH_NUMBER:
        if argument is None or not re.fullmatch(r"[1-9][0-9]{0,2}", argument):
            raise ValueError(f"{written!r}: {name} needs a number in brackets, e.g. {name}(10)")
        return Step(name, number=int(argument))
    if argument is not None:
        raise ValueError(f"{written!r}: {name} takes nothing in brackets")
    return Step(name)
