"""What tieout.yaml may say of a reconciliation: its sides, its passes, and what they allow."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from tieout.keyparts import parse

Shape = Literal["one_to_one", "many_to_one", "one_to_many", "many_to_many", "subset_sum"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Part(BaseModel):
    """A piece of the configuration: frozen, unknown keys refused.

    The text below a setting is its description in the JSON Schema, which editors show.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Side(Part):
    """The lines that take part on one side of a reconciliation."""

    feeds: tuple[Name, ...] = Field(min_length=1)
    """Feeds of one kind."""
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Canonical column -> the values that take part."""
    sign: int = 1
    """1, or -1 to turn credits positive (revenue, tax)."""
    expects: Name | None = None
    """A fee schedule: the side has no lines of its own, but the fees that the schedule expects on
    the lines of its feeds. Only a target can have it."""

    @field_validator("sign")
    @classmethod
    def _is_a_sign(cls, sign: int) -> int:
        if sign not in (1, -1):
            raise ValueError("sign is 1 or -1")
        return sign

    @model_validator(mode="after")
    def _expects_by_rules_alone(self) -> Side:
        if self.expects is not None and (self.where or self.sign != 1):
            raise ValueError("what a schedule expects is chosen by its rules: no where, no sign")
        return self


class Tolerance(Part):
    """How far two amounts may differ and still match. The residual is labelled, never hidden."""

    absolute: Decimal = Field(default=Decimal(0), ge=0, lt=Decimal(10) ** 14, decimal_places=12)
    """An amount, in whatever currency the lines have."""
    percent: Decimal = Field(default=Decimal(0), ge=0, le=100, decimal_places=6)
    """A share of the base."""
    base: Literal["source", "target", "larger"] = "source"
    """Which of the two amounts `percent` is of."""
    rule: Literal["either", "both"] = "either"
    """Whether a difference must be within absolute or percent, or within both."""
    label: Literal["tolerance", "rounding", "fee", "tax", "fx", "write_off"] = "tolerance"
    """What the residual is. `rounding` is proven, whatever the figures above: one side's amounts,
    rounded by a rule with a name, give the other's to the last digit."""


class PassKey(Part):
    """The parts whose texts, joined, are the match key; as many on one side as on the other.

    A part is a column, or a column and steps: `description | after(#) | upper` (tieout.keyparts).
    """

    source: tuple[str, ...] = Field(min_length=1)
    """Parts of the key of a source line."""
    target: tuple[str, ...] = Field(min_length=1)
    """Parts of the key of a target line, in the same order."""

    @field_validator("source", "target")
    @classmethod
    def _can_be_read(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        for part in parts:
            parse(part)
        return parts

    @model_validator(mode="after")
    def _same_length(self) -> PassKey:
        if len(self.source) != len(self.target):
            raise ValueError("source and target keys need as many columns as each other")
        return self


class Pass(Part):
    """One matching rule. Lines it matches are consumed."""

    name: Name
    """Matches and explanations name the pass by it."""
    shape: Shape
    """How many lines of either side a match has; `subset_sum` searches groups for equal sums."""
    key: PassKey
    """Only lines of equal key match."""
    tolerance: Tolerance = Tolerance()
    """How far the amounts may differ; not at all, unless said."""
    days: tuple[int, int] | None = None
    """Target date minus source date, from..to; default: the reconciliation's timing window."""
    received_by_target: bool = False
    """Only source lines received up to the target's date take part (late usage stays out)."""
    currency: Literal["same", "functional"] = "same"
    """`functional` compares what lines come to in their entity's own currency: a posting at its own
    rate, a source line where it is in that currency. The difference is told as one of rates."""
    entity: Literal["same", "any"] = "same"
    """`any` lets another entity answer, such as one that books for all."""
    result: Literal["confirmed", "suggested"] = "confirmed"
    """A suggested match is shown to a person; its lines stay open until it is accepted."""

    @model_validator(mode="after")
    def _searches_exactly(self) -> Pass:
        if self.shape == "subset_sum" and (
            self.tolerance != Tolerance() or self.received_by_target
        ):
            raise ValueError(
                "a subset_sum pass is exact: it has neither a tolerance nor received_by_target"
            )
        return self

    @field_validator("name")
    @classmethod
    def _is_not_a_step(cls, name: str) -> str:
        if name in ("repeated", "reversal", "by_hand"):
            raise ValueError(f"{name} is a step before the passes; name the pass by its key")
        return name

    @field_validator("days")
    @classmethod
    def _in_order(cls, days: tuple[int, int] | None) -> tuple[int, int] | None:
        if days is not None and days[0] > days[1]:
            raise ValueError(f"days go from the earlier to the later, e.g. [{days[1]}, {days[0]}]")
        return days


class Reconciliation(Part):
    """A named pair of sides with passes and timing, or a chain of two reconciliations."""

    description: str = ""
    """What it proves, in a sentence."""
    source: Side | None = None
    """The lines that something happened by."""
    target: Side | None = None
    """The lines that it should have led to."""
    passes: tuple[Pass, ...] = ()
    """Tried in this order; what one matches is consumed."""
    timing_days: tuple[int, int] = (-1, 5)
    """A line is a timing item while its counterpart may still come: target date - source date."""
    chain: tuple[Name, Name] | None = None
    """usage -> invoice -> ledger: the first reconciliation's targets are the second's sources."""

    @model_validator(mode="after")
    def _pair_or_chain(self) -> Reconciliation:
        pair = self.source is not None and self.target is not None and bool(self.passes)
        if pair == (self.chain is not None):
            raise ValueError("give source, target and passes, or a chain of two reconciliations")
        if self.source is not None and self.source.expects is not None:
            raise ValueError("the source is what was charged; a target expects, by a fee schedule")
        if self.timing_days[0] > 0 or self.timing_days[1] < 0:
            raise ValueError("timing_days must span 0, e.g. [-1, 5]")
        return self
