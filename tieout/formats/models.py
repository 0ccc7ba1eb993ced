"""What a format declaration may say: one YAML file a format, validated into these frozen models.

An expression is a short SQL expression (Polars' dialect) over the format's own column names, after
the cells have been typed. It is at once the rule and the documentation of where a value comes from.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from tieout.formats.webhook import Webhook
from tieout.rules import Name, Part
from tieout.settings import Kind

Expression = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
CellType = Literal["text", "decimal", "integer", "date", "timestamp"]
Encoding = Literal["utf-8", "utf-16", "latin-1", "windows-1252"]


class Trailer(Part):
    """A record that states control totals of the rows before it; cells are counted from 0."""

    record: str
    scope: Literal["file", "section"] = "file"
    """Whether it counts the whole file, or the rows since the last record of its type."""
    count: int | None = None
    """The cell with the number of rows."""
    total: int | None = None
    """The cell with the sum of the control amounts."""
    currency: int | None = None
    """The cell with the currency of the sum."""
    flag: int | None = None
    """The cell that says DR (or D, or -) where the sum is negative."""
    minor_units: bool = False
    """The sum is in minor units of its currency."""

    @model_validator(mode="after")
    def _units_have_a_currency(self) -> Trailer:
        if self.minor_units and self.currency is None:
            raise ValueError("minor_units need the cell of the currency")
        return self


class RecordTypes(Part):
    """A file of several record types: the first cell of every row names its type."""

    body: tuple[str, ...] = Field(min_length=1)
    """Record types that are rows."""
    header_row: str | None = None
    """Record type whose cells name the columns of the body."""
    positions: tuple[str, ...] = ()
    """Column names of the body by position (the record type first), where no row names them."""
    trailers: tuple[Trailer, ...] = ()
    """Record types that close the file or a section; a file that does not end with them is torn."""
    ignore: tuple[str, ...] = ()
    """Record types that carry nothing for the lines."""

    @model_validator(mode="after")
    def _columns_are_named(self) -> RecordTypes:
        if (self.header_row is None) == (not self.positions):
            raise ValueError("give header_row or positions, one of them")
        return self


class Reader(Part):
    """How the bytes are cut into rows and cells."""

    type: Literal["csv", "sections", "ndjson", "parquet"] = "csv"
    delimiter: str = ","
    quote: str = '"'
    encoding: Encoding = "utf-8"
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    nulls: tuple[str, ...] = ()
    """Words that stand for no value, besides the empty cell."""
    starts_at: str | None = None
    """The table begins at the first row that has this cell; what is above is a header block."""
    ends_with_line_break: bool = False
    """The sender ends every row with a line break, so a last row without one was cut off."""
    records: RecordTypes | None = None

    @model_validator(mode="after")
    def _sections_have_records(self) -> Reader:
        if (self.type == "sections") != (self.records is not None):
            raise ValueError("reader type sections, and only it, needs records")
        if len(self.delimiter) != 1 or len(self.quote) != 1:
            raise ValueError("delimiter and quote are one character each")
        return self


class Column(Part):
    """One typed cell of a row, and the sender's column it is read from."""

    header: str | tuple[str, ...]
    """The sender's column name; several are joined with a space (date and time)."""
    aliases: tuple[str, ...] = ()
    """Other spellings of the header that senders use; upper and lower case are one."""
    type: CellType = "text"
    required: bool = False
    """The file must have the column."""
    filled: bool = False
    """Every row must have a value."""
    format: str | tuple[str, ...] = ()
    """strptime patterns of a date or timestamp, tried in order."""
    zone: str = "UTC"
    """Zone of a timestamp: an abbreviation (CET), an offset (-0800) or an IANA name."""
    zone_column: Name | None = None
    """The column that states the zone of each row."""
    minor_units: Name | None = None
    """The column with the currency in whose minor units this amount is written."""
    values: dict[str, str] = Field(default_factory=dict)
    """What the sender writes -> our word."""
    otherwise: str | None = None
    """Our word for anything not in `values`; without it the row goes to quarantine."""
    description: str

    @property
    def headers(self) -> tuple[str, ...]:
        """The sender's column names this cell is read from."""
        return (self.header,) if isinstance(self.header, str) else self.header

    @property
    def formats(self) -> tuple[str, ...]:
        """strptime patterns, tried in order."""
        return (self.format,) if isinstance(self.format, str) else self.format

    @model_validator(mode="after")
    def _fits_its_type(self) -> Column:
        if (self.type in ("date", "timestamp")) != bool(self.formats):
            raise ValueError("format is for dates and timestamps, and they need one")
        if self.values and self.type != "text":
            raise ValueError("values map text")
        if self.minor_units and self.type != "decimal":
            raise ValueError("minor_units are for decimals")
        if self.filled and not self.required:
            raise ValueError("a filled column is required too")
        return self


class LineRule(Part):
    """One canonical line that a row gives."""

    suffix: str = Field(default="", pattern=r"^([a-z_]+)?$")
    """Added to the row's id after a colon; none for the row's main line."""
    when: Expression | None = None
    columns: dict[str, Expression] = Field(default_factory=dict)


class RowCheck(Part):
    """Two figures of a row that must be equal; a difference is a line_out_of_balance."""

    name: str
    stated: Expression
    found: Expression
    when: Expression | None = None
    stated_as: str
    """What the stated figure is, for the explanation: `the fee columns`."""
    found_as: str


class Batch(Part):
    """Rows that must sum to zero together: a payout and what it pays out."""

    ref: Name
    payout: Expression
    """True for the row by which the batch is paid out."""
    paid: Expression | None = None
    """True for a row that says it was paid out: without a batch it is money nobody accounts for."""
    carries_over: bool = False
    """A batch without a payout row must sum to zero too (the balance is carried forward)."""


class RunningBalance(Part):
    """The account's balance after every row."""

    balance: Name
    currency: Name


class Sequence(Part):
    """A number that goes up by one from extract to extract, for each account on its own."""

    number: Name
    account: Name


class Controls(Part):
    """What an extract of this format carries to be proven with."""

    batch: Batch | None = None
    running_balance: RunningBalance | None = None
    sequence: Sequence | None = None


class Format(Part):
    """One outside system's way of writing an extract."""

    name: Name
    title: str
    kind: Kind
    documentation: str
    """Where the sender documents it."""
    notes: tuple[str, ...] = ()
    reader: Reader = Reader()
    recognise: tuple[Name, ...] = Field(min_length=1)
    """Columns that only this format has together."""
    columns: dict[Name, Column] = Field(min_length=1)
    also: tuple[str, ...] = ()
    """Headers the sender is known to write and nothing is read from; `*` stands for anything."""
    derive: dict[Name, Expression] = Field(default_factory=dict)
    """Further columns, each from those before it."""
    skip: dict[Name, Expression] = Field(default_factory=dict)
    """Rows that are no lines (drafts), by the word they are counted under."""
    line_id: Expression
    """The sender's own stable id of a row."""
    row: dict[str, Expression]
    """Canonical columns that all lines of a row share."""
    lines: tuple[LineRule, ...] = Field(min_length=1)
    foots_to: Expression | None = None
    """What the amounts of a row's lines must sum to; the difference becomes a line of its own."""
    control_amount: Expression
    """What a sender's control total adds up, a row."""
    checks: tuple[RowCheck, ...] = ()
    controls: Controls = Controls()
    query: str | None = None
    """The query of a format that is read from a database by SQL."""
    webhook: Webhook | None = None
    """How the sender's events arrive. Such a declaration has this and no reader, columns or lines:
    they are those of the format `inbox_events`, by which events become lines."""

    @field_validator("lines")
    @classmethod
    def _suffixes_differ(cls, lines: tuple[LineRule, ...]) -> tuple[LineRule, ...]:
        plain = [r for r in lines if r.when is None]
        if len(plain) != len({r.suffix for r in plain}):
            raise ValueError("two lines without a condition have the same suffix")
        return lines

    def fingerprint(self) -> str:
        """sha256 of the declaration: lines made by another declaration are made anew."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def headers(self) -> tuple[str, ...]:
        """Every sender's column that is read, each once."""
        return tuple(dict.fromkeys(h for c in self.columns.values() for h in c.headers))
