"""Deliveries: the same content is one extract, a changed file is a new version."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tieout.errors import TieoutError
from tieout.register.records import TakenExtract
from tieout.register.register import Register

FIRST = TakenExtract(
    feed="adyen",
    window="2026-10-05",
    name="settlement_2026-10-05.csv",
    sha256="a" * 64,
    bytes=100,
    evidence=f"evidence/aa/{'a' * 64}.csv",
    taken_at=datetime(2026, 10, 6, 1, 2, 3, 456789, tzinfo=UTC),
    manifest={"rows": 3, "amount": "12.30"},
)


def test_an_extract_reads_back_as_it_was_taken(register: Register) -> None:
    assert register.record_extract(FIRST)
    assert register.extracts("adyen") == [FIRST]
    assert register.extracts("adyen", ["2026-10-05", "2026-10-06"]) == [FIRST]
    assert register.extracts("adyen", ["2026-10-06"]) == []
    assert register.extracts("stripe") == []


def test_the_same_content_in_a_window_is_one_extract(register: Register) -> None:
    assert register.record_extract(FIRST)
    assert not register.record_extract(FIRST)
    assert not register.record_extract(replace(FIRST, name="copy of it.csv"))
    assert register.record_extract(replace(FIRST, window="2026-10-06"))
    assert register.record_extract(replace(FIRST, feed="adyen_eu", manifest=None))
    assert register.extracts("adyen_eu")[0].manifest is None
    assert len(register.extracts("adyen")) == 2


def test_other_content_under_the_name_is_its_next_version(register: Register) -> None:
    changed = replace(FIRST, sha256="b" * 64)
    other = replace(FIRST, name="another.csv", sha256="c" * 64)
    for taken in (FIRST, changed, other):
        assert register.record_extract(taken)
    assert register.extracts("adyen") == [other, changed]
    assert register.extracts("adyen", current=False) == [other, FIRST, changed]


def test_a_file_put_back_to_what_it_was_is_current_again(register: Register) -> None:
    changed = replace(FIRST, sha256="b" * 64)
    assert [register.record_extract(e) for e in (FIRST, changed, FIRST)] == [True] * 3
    assert register.extracts("adyen") == [FIRST]
    assert register.extracts("adyen", current=False) == [FIRST, changed, FIRST]


@given(
    arrivals=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from("01")), max_size=15
    )
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_current_follows_a_naive_model(
    register: Register, arrivals: list[tuple[str, str, str]]
) -> None:
    """Oracle: a dictionary of name -> content per window."""
    number = int(register.notes("n").get("n", {"n": 0})["n"]) + 1
    register.note("n", "n", {"n": number})
    feed, model = f"feed{number}", dict[tuple[str, str], str]()
    for window, name, content in arrivals:
        sha256 = content * 64
        known = any(s == sha256 for (w, _), s in model.items() if w == window)
        taken = replace(FIRST, feed=feed, window=window, name=name, sha256=sha256)
        assert register.record_extract(taken) is not known
        if not known:
            model[(window, name)] = sha256
    found = {(e.window, e.name): e.sha256 for e in register.extracts(feed)}
    assert found == model


def test_one_of_several_takers_at_once_records_it(register: Register) -> None:
    barrier, told = Barrier(6), list[bool]()

    def take(number: int) -> None:
        barrier.wait(timeout=30)
        told.append(register.record_extract(replace(FIRST, name=f"{number % 2}.csv")))

    threads = [Thread(target=take, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(told) == [False] * 5 + [True]
    assert len(register.extracts("adyen", current=False)) == 1


@pytest.mark.parametrize("name", ["..", "a/b", "a b", ""])
def test_feed_and_window_are_keys(register: Register, name: str) -> None:
    for bad in (replace(FIRST, feed=name), replace(FIRST, window=name)):
        with pytest.raises(TieoutError):
            register.record_extract(bad)
