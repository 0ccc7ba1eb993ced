"""pandera models of the canonical lines: what every line must be before it is published.

The columns and types come from `columns`; here are the rules on values. A line that breaks one
sends its whole row to quarantine, with a reason code and a remedy.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Final

import pandera.polars as pa
import polars as pl

from tieout.formats.refusals import KEYS, REFUSALS, refuse
from tieout.lines.columns import INVOICE_LINE_TYPES, SETTLEMENT_CATEGORIES, columns
from tieout.money import known_currencies
from tieout.settings import Kind

LINE_ID: Final = r"^[A-Za-z0-9_.:-]{1,128}$"
_RANK: Final = 600

_FILLED: Final = {
    "settlement": {"category"},
    "usage": {"meter", "rated_amount"},
    "invoice": {"invoice_ref", "line_type"},
    "ledger": {"journal_ref", "account", "account_class", "posting_date", "accounting_period"},
    "event": {"event_id", "type"},
}
_FILLED_ALWAYS: Final = frozenset(
    "feed line_id extract_sha256 row_number received_on entity currency amount occurred_on "
    "period".split()
)
_REASONS: Final = {
    "line_id": "bad_line_id",
    "currency": "unknown_currency",
    "occurred_on": "date_out_of_range",
    "period": "date_out_of_range",
    "category": "unknown_category",
    "line_type": "unknown_line_type",
    "accounting_period": "bad_period",
}
_REMEDIES: Final = {
    "bad_line_id": "an id has 1 to 128 letters, digits and _ . : -; map it so in the format",
    "unknown_currency": "use an ISO 4217 code such as USD",
    "date_out_of_range": "correct the date, or move calendar.start",
    "unknown_category": "map the sender's word to one of ours in the format",
    "unknown_line_type": "map the sender's word to one of ours in the format",
    "bad_period": "write the accounting period as 2026-10",
    "missing_value": "the sender must fill it, or the format must say where it comes from",
}
BEFORE_CALENDAR = timedelta(days=366)
AFTER_CALENDAR = timedelta(days=18_263)
"""A line may lie up to a year before the calendar's start and fifty years after it ..."""
AFTER_RECEIPT = timedelta(days=366)
"""... and no more than a year after the day it was delivered for."""


def calendar_range(start: date | None) -> tuple[date, date]:
    """First and last day a line may lie in; without a calendar 1990 to 2100."""
    if start is None:
        return date(1990, 1, 1), date(2100, 12, 31)
    return start - BEFORE_CALENDAR, start + AFTER_CALENDAR


@lru_cache(maxsize=32)
def schema(kind: Kind, first: date, last: date) -> pa.DataFrameSchema:
    """The model of a kind: its columns in order, their types, and the rules on their values."""
    in_range = pa.Check.in_range(first, last)
    rules: dict[str, pa.Check] = {
        "line_id": pa.Check.str_matches(LINE_ID),
        "currency": pa.Check.isin(sorted(known_currencies())),
        "occurred_on": in_range,
        "period": in_range,
    }
    if kind == "settlement":
        rules["category"] = pa.Check.isin(SETTLEMENT_CATEGORIES)
    if kind == "invoice":
        rules["line_type"] = pa.Check.isin(INVOICE_LINE_TYPES)
    if kind == "ledger":
        rules["accounting_period"] = pa.Check.str_matches(r"^[0-9]{4}-[0-9]{2}$")
    filled = _FILLED_ALWAYS | _FILLED[kind]
    return pa.DataFrameSchema(
        {
            name: pa.Column(dtype, rules.get(name), nullable=name not in filled)
            for name, dtype in columns(kind).items()
        },
        strict=True,
        ordered=True,
        name=f"{kind} lines",
    )


def broken_rules(lines: pl.DataFrame, kind: Kind, start: date | None) -> pl.DataFrame:
    """Refusals for lines that break a rule; `lines` has KEYS besides the model's columns."""
    model = schema(kind, *calendar_range(start))
    try:
        model.validate(lines.select(*columns(kind)), lazy=True)
    except pa.errors.SchemaErrors as broken:
        cases = broken.failure_cases
        wrong_schema = cases.filter(pl.col("index").is_null())
        if wrong_schema.height:
            raise AssertionError(f"lines are not of the model: {wrong_schema.to_dicts()}") from None
        return pl.concat([_as_refusals(lines, cases), _too_late(lines)], rechunk=True)
    return _too_late(lines)


def _too_late(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines that would count more than a year after they were delivered."""
    latest = pl.col("received_on") + AFTER_RECEIPT
    late = lines.filter(pl.max_horizontal("period", "occurred_on") > latest)
    if not late.height:
        return pl.DataFrame(schema=REFUSALS)
    shown = pl.max_horizontal("period", "occurred_on").cast(pl.String)
    return refuse(
        late,
        _RANK,
        "date_out_of_range",
        "period",
        shown,
        pl.format("{} is more than a year after {}, when it was delivered", shown, "received_on"),
        _REMEDIES["date_out_of_range"],
    )


def _as_refusals(lines: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    empty = pl.col("check") == "not_nullable"
    rule = pl.col("column").replace_strict(_REASONS, default="bad_value")
    reason = pl.when(empty).then(pl.lit("missing_value")).otherwise(rule)
    value = pl.col("failure_case").cast(pl.String)
    where = lines.select(*KEYS).with_row_index("index")
    return (
        cases.with_columns(pl.col("index").cast(pl.UInt32), reason.alias("reason"))
        .join(where, on="index", how="left")
        .select(
            *KEYS,
            rank=pl.lit(_RANK, pl.Int32),
            reason="reason",
            column="column",
            value=pl.when(empty.not_()).then(value),
            message=pl.when(empty)
            .then(pl.format("{} has no value", "column"))
            .otherwise(pl.format("{}: {} is not allowed", "column", value)),
            remedy=pl.col("reason").replace_strict(_REMEDIES, default=""),
        )
    )
