"""Which days are stated again: whatever came or was cut off, no published statement is stale."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds import World, examples, extract_sha256, settings, world
from tieout.periods import Period
from tieout.stale import feeds_of, mark_stated, stale_days
from tieout.statement import publish_statements, statements_of

FIRST = date(2026, 3, 2)
NAME = "psp_to_erp"
RECONCILIATIONS: dict[str, Any] = {
    NAME: {
        "source": {"feeds": ["psp"]},
        "target": {"feeds": ["erp"], "where": {"account_class": ["clearing"]}},
        "timing_days": [-1, 3],
        "passes": [
            {
                "name": "by_ref",
                "shape": "one_to_one",
                "key": {"source": ["payment_ref"], "target": ["line_ref"]},
            }
        ],
    }
}


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def source(ref: str, on: date, amount: str = "10") -> dict[str, Any]:
    return _line(ref, on, amount) | {"category": "charge", "payment_ref": ref}


def posting(ref: str, on: date, amount: str = "10") -> dict[str, Any]:
    more = {"account": "1090", "account_class": "clearing", "journal_ref": f"J{ref}"}
    return _line(ref, on, amount) | more | {"line_ref": ref, "status": "posted"}


def _line(ref: str, on: date, amount: str) -> dict[str, Any]:
    return {
        "line_id": ref,
        "extract_sha256": extract_sha256(ref, on, amount),
        "row_number": 1,
        "entity": "A",
        "currency": "USD",
        "amount": Decimal(amount),
        "occurred_on": on,
        "period": on,
    }


def state(small: World, own: Sequence[date], *, cut_off: bool = False) -> list[date]:
    """Reconcile and state as the assets do; cut off before it is noted what was looked at."""
    small.reconcile(NAME)
    stale = stale_days(small.workplace, NAME)
    publish_statements(small.workplace, NAME, {*own, *stale.days}, run_id="run")
    if not cut_off:
        mark_stated(small.workplace, NAME, stale, run_id="run")
    return list(stale.days)


def assert_nothing_is_stale(small: World) -> None:
    """Every published statement is what would be stated of its day now."""
    place = small.workplace
    heads = place.register.heads(f"statements/{NAME}")
    days = [date.fromisoformat(key) for key in heads]
    fresh = statements_of(place, NAME, [Period(d, d) for d in days]) if days else {}
    for key, head in heads.items():
        on = date.fromisoformat(key)
        paths = place.store.paths([head])
        published = [json.loads(t) for path in paths for t in pl.read_parquet(path)["json"]]
        assert published == [s.as_json() for s in fresh[Period(on, on)]], key


@pytest.fixture
def small() -> Any:
    with world(RECONCILIATIONS) as made:
        yield made


def test_nothing_new_makes_nothing_stale(small: World) -> None:
    small.deliver({("psp", str(day(0))): [source("a", day(0))], ("erp", str(day(0))): []})
    small.deliver({("erp", str(day(9))): [posting("a", day(0))]})
    state(small, [day(0)])
    assert state(small, [day(0)]) == []


def test_a_late_answer_makes_its_day_and_all_later_ones_stale(small: World) -> None:
    for n in range(4):
        small.deliver({("psp", str(day(n))): [source(f"s{n}", day(n))]})
        small.deliver({("erp", str(day(n))): []})
    state(small, [day(n) for n in range(4)])
    small.deliver({("erp", str(day(3))): [posting("s1", day(2))]})
    assert set(state(small, [day(3)])) >= {day(1), day(2), day(3)}
    assert_nothing_is_stale(small)


def test_a_timing_item_whose_time_is_over_makes_its_day_stale(small: World) -> None:
    """The line is no longer in time, though nothing about it has come."""
    small.deliver({("psp", str(day(0))): [source("a", day(0))], ("erp", str(day(0))): []})
    state(small, [day(0)])
    small.deliver({("psp", str(day(9))): [], ("erp", str(day(9))): []})
    assert day(0) in state(small, [day(9)])
    assert_nothing_is_stale(small)
    assert state(small, [day(9)]) == []


def test_what_was_cut_off_is_stale_still(small: World) -> None:
    small.deliver({("psp", str(day(0))): [source("a", day(0))], ("erp", str(day(5))): []})
    state(small, [day(0)])
    small.deliver({("erp", str(day(5))): [posting("a", day(0))]})
    assert state(small, [], cut_off=True) == state(small, [], cut_off=True) != []
    assert day(0) in state(small, [])
    assert state(small, []) == []


def test_a_refused_row_makes_the_day_it_counts_in_stale(small: World) -> None:
    small.deliver({("psp", str(day(0))): [source("a", day(0))], ("erp", str(day(0))): []})
    state(small, [day(0), day(1)])
    refused = _line("bad", day(0), "5") | {"reason": "unknown_entity"}
    row = {k: v for k, v in refused.items() if k != "occurred_on"}
    small.beside("quarantine", "psp", str(day(1)), [row])
    assert day(0) in state(small, [])
    assert_nothing_is_stale(small)


REFS = st.sampled_from("abcdef")
AMOUNTS = st.sampled_from(["10", "10", "11"])
NUMBERS = st.integers(0, 6)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["psp", "erp"]),
        NUMBERS,
        st.lists(st.tuples(REFS, NUMBERS, AMOUNTS), max_size=3, unique_by=lambda row: row[0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@examples(5)
@given(STEPS)
def test_whatever_comes_in_whatever_order_nothing_published_is_stale(
    steps: list[tuple[str, int, list[tuple[str, int, str]], bool]],
) -> None:
    """Windows come and come again, lines belong to other days, runs are cut off."""
    with world(RECONCILIATIONS) as small:
        for feed, window, rows, cut_off in steps:
            line = source if feed == "psp" else posting
            lines = [line(ref, day(n), amount) for ref, n, amount in rows]
            small.deliver({(feed, str(day(window))): lines})
            state(small, [day(window)], cut_off=cut_off)
            assert_nothing_is_stale(small)


def test_a_chain_is_stated_from_the_feeds_of_both_its_links() -> None:
    chained = {
        "first": RECONCILIATIONS[NAME],
        "second": RECONCILIATIONS[NAME] | {"target": {"feeds": ["erp_b"]}},
        "whole": {"chain": ["first", "second"]},
    }
    assert feeds_of(settings(chained), "whole") == ["psp", "erp", "erp_b"]
