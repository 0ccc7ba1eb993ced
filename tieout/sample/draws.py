"""Seeded draws that depend on what is drawn for, never on what was drawn before.

A draw is a hash of (seed, day, purpose) and a row's own number, so the same day comes out the same
whatever was generated before it, in whatever order. The mixer is splitmix64 (Steele, Lea and
Flood, "Fast splittable pseudorandom number generators", 2014), written as Polars integer
arithmetic, which wraps modulo 2^64. Whole numbers only: no float comes near an amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from hashlib import blake2b

import polars as pl

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB


def key(seed: int, purpose: str, day: date | None = None) -> int:
    """The 64-bit key of one stream of draws."""
    text = f"{seed}/{purpose}/{day.isoformat() if day else ''}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def draw(row: pl.Expr, stream: int, choices: int) -> pl.Expr:
    """A whole number in 0..choices-1 for each row number (Int64)."""
    mixed = row.cast(pl.UInt64) * _word(_GOLDEN) + _word(stream)
    mixed = (mixed ^ (mixed // _word(1 << 30))) * _word(_FIRST)
    mixed = (mixed ^ (mixed // _word(1 << 27))) * _word(_SECOND)
    mixed = mixed ^ (mixed // _word(1 << 31))
    # The remainder of 64 even bits by a small number is even to within choices / 2^64.
    return (mixed % _word(choices)).cast(pl.Int64)


def draw_one(row: int, stream: int, choices: int) -> int:
    """The same draw for a single row, in plain Python."""
    mask = (1 << 64) - 1
    mixed = (row * _GOLDEN + stream) & mask
    mixed = ((mixed ^ (mixed >> 30)) * _FIRST) & mask
    mixed = ((mixed ^ (mixed >> 27)) * _SECOND) & mask
    return int((mixed ^ (mixed >> 31)) % choices)


def chosen(values: Sequence[object], index: pl.Expr) -> pl.Expr:
    """The value at each row's index."""
    return pl.lit(pl.Series(values)).gather(index)


def half_up(number: pl.Expr, divisor: int | pl.Expr) -> pl.Expr:
    """Whole-number division, halves away from zero: -5 by 2 is -3."""
    return number.sign() * ((number.abs() * 2 + divisor) // (divisor * 2))


def _word(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)
