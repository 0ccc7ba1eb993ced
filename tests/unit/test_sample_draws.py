"""Draws: the set-based ones equal the plain ones, are even, and never touch a float."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tieout.sample.draws import chosen, draw, draw_one, half_up, key

ROWS = st.lists(st.integers(0, 2**62), min_size=1, max_size=50)


@given(ROWS, st.integers(0, 2**64 - 1), st.integers(1, 2**31))
def test_a_column_of_draws_equals_draws_one_by_one(
    rows: list[int], stream: int, choices: int
) -> None:
    drawn = pl.DataFrame({"row": rows}).select(draw(pl.col("row"), stream, choices))
    assert drawn.to_series().to_list() == [draw_one(row, stream, choices) for row in rows]


def test_known_values_of_the_mixer() -> None:
    """splitmix64 from state 0: its published first outputs, the state being row x golden."""
    outputs = [draw_one(row, 0, 2**64) for row in (1, 2, 3)]
    assert outputs == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_draws_are_even_and_streams_differ() -> None:
    rows = pl.DataFrame({"row": range(100_000)})
    one, other = (key(7, "x", date(2026, 10, day)) for day in (1, 2))
    first = rows.select(draw(pl.col("row"), one, 10)).to_series()
    second = rows.select(draw(pl.col("row"), other, 10)).to_series()
    assert all(9_600 < count < 10_400 for count in Counter(first).values())
    assert 9_000 < (first == second).sum() < 11_000


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**6))
def test_halves_round_away_from_zero(number: int, divisor: int) -> None:
    found = pl.DataFrame({"n": [number]}).select(half_up(pl.col("n"), divisor)).item()
    exact = (Decimal(number) / Decimal(divisor)).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    assert found == int(exact)


def test_chosen_keeps_the_place_of_every_row() -> None:
    frame = pl.DataFrame({"i": [2, 0, None, 1]}, schema={"i": pl.Int64})
    assert frame.select(chosen("a b c".split(), pl.col("i"))).to_series().to_list() == [
        "c",
        "a",
        None,
        "b",
    ]
