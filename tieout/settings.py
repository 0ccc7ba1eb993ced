"""What tieout.yaml may say: the typed, frozen model of the configuration.

Reading the file, with line numbers in every error, is `tieout.config`.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from tieout.fees import FeeRule
from tieout.keyparts import parse
from tieout.money import known_currencies
from tieout.periods import FIRST_YEAR, LAST_YEAR, window_end

Kind = Literal["settlement", "usage", "invoice", "ledger", "event"]
AccountClass = Literal[
    "clearing",
    "bank",
    "receivable",
    "revenue",
    "deferred_revenue",
    "tax",
    "fee",
    "fx",
    "rounding",
    "write_off",
    "suspense",
    "intercompany",
]
Shape = Literal["one_to_one", "many_to_one", "one_to_many", "many_to_many", "subset_sum"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Filled = Annotated[str, StringConstraints(min_length=1)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]


class Part(BaseModel):
    """A piece of the configuration: frozen, unknown keys refused.

    The text below a setting is its description in the JSON Schema, which editors show.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Calendar(Part):
    """The first day of the first period; nothing before it is read."""

    start: date = Field(ge=date(FIRST_YEAR, 1, 1), le=date(LAST_YEAR, 12, 31))
    """The first day."""


class Entity(Part):
    """A legal entity, and the names outside systems know it by (merchant accounts and such)."""

    name: str
    """As statements and journals name it."""
    currency: str
    """The functional currency: the one its books are kept in."""
    known_as: tuple[str, ...] = ()
    """What other systems call it: merchant accounts, subsidiaries, account ids."""

    @model_validator(mode="after")
    def _currency_exists(self) -> Entity:
        if self.currency not in known_currencies():
            raise ValueError(f"unknown currency {self.currency!r}; use an ISO 4217 code")
        return self


class Feed(Part):
    """One stream of extracts from one outside system: files at a location, or a query."""

    format: str
    """How the extracts are written: a format of `tieout formats`, or one of your own."""
    every: Literal["hour", "day"] = "day"
    """How often an extract is due."""
    location: Filled | None = None
    """A path or URL, relative to the configuration file. `{date}` and `{hour}` stand for the window
    (2026-10-05, 2026-10-05T13); `*` matches anything. Without either, a file belongs to the day of
    its latest line."""
    url: Filled | None = Field(default=None, repr=False)
    """SQLAlchemy URL of a database, for a SQL feed. It may hold a password: never shown."""
    query: Filled | None = None
    """A query with the bound parameters :window_start and :window_end; without it the format's."""
    entity: Code | None = None
    """The entity of every line, where the extract does not say."""
    options: dict[str, str] = Field(default_factory=dict, repr=False)
    """Values for what the format leaves open (a default currency, a column's name)."""
    rates: Name | None = None
    """The rate table (one of `rates`) that says what lines in a foreign currency come to, where the
    lines themselves do not; without it such lines have no functional amount."""
    control_totals: Literal["optional", "required"] = "optional"
    """Whether an extract without a sender's control total is an error."""
    arrives_within_hours: int = Field(default=24, ge=0)
    """After the end of its window an extract is late."""

    @property
    def names_windows(self) -> bool:
        """Whether an extract is due for every window; other files come when they come."""
        return self.location is None or "{date}" in self.location or "{hour}" in self.location

    def is_overdue(self, window: str, now: datetime) -> bool:
        """Whether a window without an extract should have had one by now."""
        return self.names_windows and now >= self.due(window)

    def due(self, window: str) -> datetime:
        """Until when the extract of a window may arrive."""
        return window_end(window) + timedelta(hours=self.arrives_within_hours)

    @model_validator(mode="after")
    def _one_source(self) -> Feed:
        if (self.location is None) == (self.url is None):
            raise ValueError("a feed has either a location (files) or a url (SQL)")
        if self.query is not None and self.url is None:
            raise ValueError("a query needs a url")
        return self


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


class Journals(Part):
    """How corrections of the ledger are proposed."""

    accounts: dict[str, dict[AccountClass, Filled]] = Field(default_factory=dict)
    """Entity (or "*" for all) -> account class -> the account to post to. Needed only where the
    account map has several accounts of a class."""
    offsets: dict[AccountClass, dict[Filled, AccountClass]] = Field(default_factory=dict)
    """Account class that a reconciliation expects its lines on -> component (or "*") -> class of
    the other half of the journal, where it is another than docs/domain.md says."""
    posted_by: dict[Name, Name] = Field(default_factory=dict)
    """Source feed -> the many_to_one pass by whose key the ledger has its lines in one posting."""


class Limits(Part):
    """Bounds on what is read and used."""

    memory_mb: int = Field(default=2048, ge=128)
    """Memory of the engine; beyond it, it works on disk."""
    threads: int = Field(default=2, ge=1)
    """Threads of the engine."""
    extract_mb: int = Field(default=2048, ge=1)
    """Largest extract after unpacking."""
    unpack_ratio: int = Field(default=100, ge=2)
    """How many times its packed size an archive may unpack to."""
    batch_rows: int = Field(default=100_000, ge=100)
    """Rows read at a time."""


class Settings(Part):
    """The whole configuration. `base` is the folder of the file: locations are relative to it."""

    company: str
    """The name at the head of reports."""
    team: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,63}$")] = "finance"
    """The team that owns the assets, as the pages of the UI show it."""
    calendar: Calendar
    """From when on is reconciled."""
    entities: dict[Code, Entity] = Field(min_length=1)
    """Entity code -> your legal entities."""
    accounts: dict[str, dict[str, AccountClass]] = Field(default_factory=dict)
    """Entity (or "*" for all) -> ledger account -> account class."""
    feeds: dict[Name, Feed] = Field(min_length=1)
    """Name -> where extracts come from."""
    fees: dict[Name, tuple[FeeRule, ...]] = Field(default_factory=dict)
    """Fee schedules: what providers may charge, by the contract."""
    reconciliations: dict[Name, Reconciliation] = Field(min_length=1)
    """Name -> which lines are held against which, and how."""
    rates: dict[Name, Filled] = Field(default_factory=dict)
    """Rate tables: CSV files with the columns date, currency, to, rate, relative to the
    configuration file."""
    journals: Journals = Journals()
    """Where proposed corrections are posted, as far as the account map leaves a choice."""
    formats: str | None = None
    """A folder with formats of your own, relative to the configuration file."""
    register_url: Filled | None = Field(default=None, repr=False)
    """SQLAlchemy URL of the register; default SQLite in the home folder."""
    limits: Limits = Limits()
    """Bounds of memory, threads and sizes."""
    base: Path = Field(default=Path(), exclude=True)

    def entity_names(self) -> dict[str, str]:
        """Every name an entity is known by, its own code first -> its code."""
        names = {other: code for code, e in self.entities.items() for other in e.known_as}
        return names | {code: code for code in self.entities}

    def account_class(self, entity: str, account: str) -> str | None:
        """The class of a ledger account in an entity, or None where it is not mapped."""
        own = self.accounts.get(entity, {})
        return own.get(account) or self.accounts.get("*", {}).get(account)
