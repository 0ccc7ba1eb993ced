"""What tieout.yaml may say: the typed, frozen model of the configuration.

Reading the file, with line numbers in every error, is `tieout.config`.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
    StringConstraints,
    model_validator,
)

from tieout.alerts.settings import Alerts
from tieout.close.settings import Closing
from tieout.fees import FeeRule
from tieout.money import known_currencies
from tieout.periods import FIRST_YEAR, LAST_YEAR, window_end
from tieout.retention import Retention
from tieout.rules import Name, Part, Reconciliation
from tieout.timetable import Timetable, Zone

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
Filled = Annotated[str, StringConstraints(min_length=1)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]


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


class Expected(Part):
    """What an event lets one expect of the batch, and by when."""

    feeds: tuple[Name, ...] = Field(min_length=1)
    """Feeds in whose extracts lines with the reference must come."""
    line_within_hours: int = Field(default=30, ge=0)
    """Hours from the event until the line is late."""
    posted_by: Name | None = None
    """The reconciliation that must match those lines to the ledger."""
    posted_within_hours: int = Field(default=96, ge=0)
    """Hours from the event until the posting is late."""


class Inbox(Part):
    """How `tieout intake` takes a sender's events in, at /v1/events/<feed>."""

    secrets: tuple[Filled, ...] = Field(min_length=1, max_length=2, repr=False)
    """Signing keys, the newest first; two while they are rotated. Written `${NAME}`: they come from
    the environment and are never shown."""
    expects: dict[Literal["invoice", "payment", "payout", "usage"], Expected] = Field(
        default_factory=dict
    )
    """Kind of subject -> what its events let one expect."""


class Feed(Part):
    """One stream from one outside system: files at a location, a query, or events of the inbox."""

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
    inbox: Inbox | None = None
    """For a feed of events that senders push: its keys, and what its events let one expect."""
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
    expected: Timetable = Timetable()
    """On which days an extract is expected, and a time of day by which it must be there."""
    settle_hours: int = Field(default=0, ge=0, le=24 * 31)
    """How long after the end of a window the schedules wait before they work it."""

    @property
    def names_windows(self) -> bool:
        """Whether an extract is due for every window; other files come when they come."""
        return self.location is None or "{date}" in self.location or "{hour}" in self.location

    def expects(self, window: str) -> bool:
        """Whether an extract is expected for a window."""
        return self.names_windows and self.expected.why_not(window) is None

    def is_overdue(self, window: str, now: datetime) -> bool:
        """Whether a window without an extract should have had one by now."""
        return self.expects(window) and now >= self.due(window)

    def due(self, window: str) -> datetime:
        """Until when the extract of a window may arrive."""
        return self.expected.due(window, timedelta(hours=self.arrives_within_hours))

    def settled(self, window: str, now: datetime) -> bool:
        """Whether a window has ended, and for as long as schedules wait."""
        return now >= window_end(window) + timedelta(hours=self.settle_hours)

    @model_validator(mode="after")
    def _one_source(self) -> Feed:
        if [self.location, self.url, self.inbox].count(None) != 2:
            raise ValueError("a feed has a location (files), a url (SQL) or an inbox (events)")
        if self.query is not None and self.url is None:
            raise ValueError("a query needs a url")
        return self

    @model_validator(mode="after")
    def _one_due_time(self) -> Feed:
        if self.expected.arrives_by is not None and "arrives_within_hours" in self.model_fields_set:
            raise ValueError("expected.arrives_by is in place of arrives_within_hours; name one")
        if not self.names_windows and self.expected != Timetable():
            raise ValueError("files whose names tell no window are not expected for any day")
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
    timezone: Zone = "UTC"
    """The time zone in which reports and pages show moments, by its IANA name. Windows, periods and
    statements are in UTC whatever it is."""
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
    alerts: Alerts = Alerts()
    """Who is told of what waits for a person."""
    close: Closing = Closing()
    """Who closes months, and by whose keys it is proven."""
    retention: Retention = Retention()
    """What `tieout prune` may take away; without it everything is kept."""
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
