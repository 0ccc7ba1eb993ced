"""The expressions of a format declaration, compiled once.

Polars' SQL expressions, plus two functions of our own on columns of text: `slug(column)` turns it
into what an id may hold (every run of other characters becomes one hyphen), `digest(column)` is
the first 32 hex digits of its sha256, for an id made of what identifies a row.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache

import polars as pl

from tieout.errors import ConfigurationError

_OWN = re.compile(r"\b(slug|digest)\((\w+)\)")
_MADE = re.compile(r"^(slug|digest)__")


@cache
def compiled(expression: str) -> pl.Expr:
    """The expression, ready for a frame that has its columns. Raises ConfigurationError."""
    try:
        return pl.sql_expr(_OWN.sub(r"\1__\2", expression))
    except (pl.exceptions.PolarsError, TypeError) as problem:
        raise ConfigurationError(
            f"{expression!r} is not an expression: {problem}",
            "write SQL over the format's columns, e.g. coalesce(credit, 0) - coalesce(debit, 0)",
        ) from None


@cache
def reads(expression: str) -> frozenset[str]:
    """The columns an expression reads."""
    return frozenset(_MADE.sub("", n) for n in compiled(expression).meta.root_names())


@cache
def made(expression: str) -> tuple[pl.Expr, ...]:
    """The columns that our own functions in an expression need beside the frame's."""
    calls = dict.fromkeys(_OWN.findall(expression))
    return tuple((_slug if f == "slug" else _digest)(c).alias(f"{f}__{c}") for f, c in calls)


def _slug(column: str) -> pl.Expr:
    return pl.col(column).str.replace_all(r"[^A-Za-z0-9_.:]+", "-").str.strip_chars("-")


def _digest(column: str) -> pl.Expr:
    return pl.col(column).map_batches(_sha256, return_dtype=pl.String)


def _sha256(texts: pl.Series) -> pl.Series:
    # Polars has no digest that is the same on every machine and in every version.
    return pl.Series(
        [None if t is None else hashlib.sha256(t.encode()).hexdigest()[:32] for t in texts],
        dtype=pl.String,
    )
