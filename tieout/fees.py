"""A fee schedule: what a provider may charge, by the contract, rule by rule.

The rules of one schedule exclude each other, so that at most one applies to a line; two that could
apply to the same line are an error of the configuration (see `overlaps`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import combinations
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tieout.money import known_currencies

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Method = Annotated[str, StringConstraints(min_length=1, to_lower=True, strip_whitespace=True)]
_Amount = Annotated[Decimal, Field(ge=0, lt=Decimal(10) ** 9, decimal_places=4)]
_PLUS_PLUS, _EVERYTHING = "interchange_plus_plus", "everything"
_SELECTORS = ("feeds", "categories", "entities", "currencies", "methods")


class FeeRule(BaseModel):
    """One price. What is not named (feeds, entities, currencies, methods) may be any."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: RuleName
    """Explanations name the rule by it."""
    feeds: tuple[str, ...] = ()
    """Feeds that it is for; all, unless said."""
    categories: tuple[str, ...] = Field(default=("charge",), min_length=1)
    """What the line is: charge, refund, chargeback, ...; `fee` for a row that is a fee itself."""
    entities: tuple[str, ...] = ()
    """Entity codes that it is for; all, unless said."""
    currencies: tuple[str, ...] = ()
    """Currencies that it is for; all, unless said. Amounts need theirs named."""
    methods: tuple[Method, ...] = ()
    """Payment methods as the provider writes them; upper and lower case are the same."""
    valid_from: date | None = None
    """The first day it holds, by the day the payment happened (occurred_on)."""
    valid_to: date | None = None
    """The last day it holds, included."""
    percent: Decimal = Field(default=Decimal(0), ge=-99, le=99, decimal_places=6)
    """Of the gross with its sign: a refund gives that share back; below zero it costs it."""
    fixed: _Amount = Decimal(0)
    """An amount for each line; it always charges, on refunds too."""
    minimum: _Amount | None = None
    """Least size of percent and fixed together, before rounding, whatever their sign."""
    maximum: _Amount | None = None
    """Greatest size of percent and fixed together, before rounding, whatever their sign."""
    rounding: Literal["half_up", "half_even", "truncated"] = "half_up"
    """To the minor unit of the line's currency, once, after percent, fixed and bounds."""
    pass_through: Literal["interchange_plus_plus", "everything"] | None = None
    """`interchange_plus_plus`: the price is the markup; scheme fees and interchange are taken as
    charged and come on top. `everything`: whatever is charged is expected."""

    @model_validator(mode="after")
    def _is_a_price(self) -> FeeRule:
        for currency in self.currencies:
            if currency not in known_currencies():
                raise ValueError(f"unknown currency {currency!r}; use an ISO 4217 code")
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} is before valid_from {self.valid_from}")
        if "fee" in self.categories and self.percent:
            raise ValueError("a row that is a fee itself has a fixed price, not a percent")
        self._check_amounts()
        return self

    def _check_amounts(self) -> None:
        amounts = [self.fixed, self.minimum or 0, self.maximum or 0]
        if any(amounts) and not self.currencies:
            raise ValueError("fixed, minimum and maximum are amounts: name their currencies")
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and low > high:
            raise ValueError(f"minimum {low} is more than maximum {high}")
        priced = self.percent or any(amounts) or self.maximum is not None
        if self.takes_everything and priced:
            raise ValueError("what passes through as a whole has no price of its own")

    @property
    def adds_costs(self) -> bool:
        """Whether scheme fees and interchange come on top, as charged."""
        return self.pass_through == _PLUS_PLUS

    @property
    def takes_everything(self) -> bool:
        """Whether whatever is charged is expected."""
        return self.pass_through == _EVERYTHING

    def described(self) -> str:
        """The rule in a few words, for explanations: `us_cards (2.9 % + 0.30)`."""
        parts = [f"{_plain(self.percent)} %"] if self.percent else []
        parts += [_money(self.fixed)] if self.fixed else []
        parts += ["scheme fees and interchange"] if self.adds_costs else []
        price = " + ".join(parts) or "0.00"
        price = "as charged" if self.takes_everything else price
        price += f", at least {_money(self.minimum)}" if self.minimum else ""
        price += f", at most {_money(self.maximum)}" if self.maximum is not None else ""
        return f"{self.name} ({price})"


def overlaps(rules: Sequence[FeeRule]) -> Iterator[tuple[int, int, str]]:
    """Pairs of rules, by position, that could apply to the same line, and an example of one.

    Everything that chooses lines is a finite list or a range of days, so this is always decidable.
    """
    for (first, one), (second, other) in combinations(enumerate(rules), 2):
        example = _both(one, other)
        if example is not None:
            yield first, second, example


def _both(one: FeeRule, other: FeeRule) -> str | None:
    said = []
    for name in _SELECTORS:
        mine, theirs = getattr(one, name), getattr(other, name)
        shared = [v for v in mine if v in theirs] if mine and theirs else mine or theirs
        if mine and theirs and not shared:
            return None
        said += [str(shared[0])] if shared else []
    first = max(one.valid_from or date.min, other.valid_from or date.min)
    last = min(one.valid_to or date.max, other.valid_to or date.max)
    if first > last:
        return None
    return ", ".join(said) + (f", on {first}" if first > date.min else "")


def _plain(number: Decimal) -> str:
    """A number without zeros that only fill up."""
    shown = f"{number:f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _money(amount: Decimal) -> str:
    """An amount that may be of several currencies: two decimals, more where they are not zero."""
    whole, _, rest = f"{amount:f}".partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"
