"""Searching and knowing no answer, in small books that an accountant can check."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests import worlds
from tests.scenarios import Row
from tieout.errors import ConfigurationError, TieoutError
from tieout.explanation import explain

DAY = date(2026, 10, 5)
LATER = DAY + timedelta(days=12)


def outcomes(
    sources: Mapping[str, str], targets: Mapping[str, str], **rule: Any
) -> dict[str, dict[str, Any]]:
    """What becomes of settlement lines and postings of one batch, by their ids."""
    pair = {"source": ["settlement_batch"], "target": ["batch_ref"]}
    reconciliation = {
        "source": {"feeds": ["psp"]},
        "target": {"feeds": ["erp"]},
        "timing_days": [-1, 5],
        "passes": [{"name": "p", "key": pair, **rule}],
    }
    common = {"entity": "A", "currency": "USD", "period": DAY, "occurred_on": DAY}
    psp = [common | {"settlement_batch": "B1", "category": "charge"} for _ in sources]
    erp = [common | {"batch_ref": "B1", "account_class": "clearing"} for _ in targets]
    for rows, given in ((psp, sources), (erp, targets)):
        for n, (row, (name, amount)) in enumerate(zip(rows, given.items(), strict=True), 1):
            row |= {"line_id": name, "amount": Decimal(amount), "row_number": n}
            row |= {"extract_sha256": worlds.extract_sha256("x")}
    windows: dict[tuple[str, str], Sequence[Row]] = {
        ("psp", str(DAY)): psp,
        ("erp", str(DAY)): erp,
        ("psp", str(LATER)): [],
        ("erp", str(LATER)): [],
    }
    with worlds.world({"small": reconciliation}) as world:
        world.deliver(windows)  # type: ignore[arg-type]
        world.reconcile("small")
        return {one["line_id"]: one for one in world.outcomes("small")}


def numbered(prefix: str, amounts: Sequence[object]) -> dict[str, str]:
    return {f"{prefix}{n:02d}": str(amount) for n, amount in enumerate(amounts)}


def test_the_published_example_is_found_and_the_rest_stays_open() -> None:
    found = outcomes(
        numbered("s", [983, 637, 288, 500, 818]),
        numbered("t", [-475, 2095, -725]),
        shape="subset_sum",
    )
    matched = {name for name, one in found.items() if one["outcome"] == "matched"}
    assert matched == {"s00", "s01", "t00", "t01"}
    assert {found[name]["match_ref"] for name in matched} == {"s00"}
    assert all(found[name]["residual"] == 0 for name in matched)


def test_equal_sums_that_share_a_line_are_ambiguous_and_none_is_taken() -> None:
    found = outcomes(
        {"a": "10.00", "b": "30.00", "c": "25.00", "d": "15.00", "e": "7.77"},
        {"x": "40.00", "y": "7.77"},
        shape="subset_sum",
    )
    assert (found["e"]["outcome"], found["y"]["outcome"]) == ("matched", "matched")
    told = {name: found[name] for name in "abcdx"}
    assert {one["break_class"] for one in told.values()} == {"ambiguous"}
    assert {one["group_count"] for one in told.values()} == {2}
    assert explain(found["x"] | {"feed": "erp"}) == (
        "40.00 USD of B1 (erp, 2026-10-05) has several explanations that are equally good: 2 ways "
        "to match lines of both sides share lines with each other, and none is taken."
    )


def test_a_search_that_is_too_large_says_so_and_takes_nothing() -> None:
    pick = random.Random(5)
    amounts = [Decimal(pick.randint(10**9, 10**12)).scaleb(-2) for _ in range(80)]
    found = outcomes(numbered("s", amounts[:40]), numbered("t", amounts[40:]), shape="subset_sum")
    assert {one["outcome"] for one in found.values()} == {"open"}
    limit = "80 lines could take part, 36 can be searched"
    assert {one["search_limit"] for one in found.values()} == {limit}
    assert all(limit in explain(one) for one in found.values())


def test_two_counterparts_that_are_equally_near_are_ambiguous() -> None:
    near = {"shape": "one_to_one", "tolerance": {"absolute": "0.05"}}
    found = outcomes({"s": "100.00"}, {"over": "100.02", "under": "99.98"}, **near)
    assert {one["break_class"] for one in found.values()} == {"ambiguous"}
    found = outcomes({"s": "100.00"}, {"over": "100.02", "under": "99.99"}, **near)
    assert found["s"]["counterpart"] == "under"
    assert found["over"]["break_class"] == "missing_in_source"


def test_the_same_counterpart_twice_is_a_duplicate_not_a_doubt() -> None:
    found = outcomes(
        {"s": "100.00"},
        {"once": "100.02", "twice": "100.02"},
        shape="one_to_one",
        tolerance={"absolute": "0.05"},
    )
    assert (found["s"]["outcome"], found["once"]["outcome"]) == ("matched", "matched")
    assert found["twice"]["break_class"] == "duplicate_in_target"


def test_a_tie_goes_when_a_better_partner_takes_one_of_the_two() -> None:
    found = outcomes(
        {"s": "100.00", "better": "100.02"},
        {"over": "100.02", "under": "99.98"},
        shape="one_to_one",
        tolerance={"absolute": "0.05"},
    )
    assert (found["better"]["counterpart"], found["s"]["counterpart"]) == ("over", "under")


@pytest.mark.parametrize("more", [{"tolerance": {"absolute": "1"}}, {"received_by_target": True}])
def test_a_search_is_exact(more: dict[str, Any]) -> None:
    with pytest.raises((ConfigurationError, TieoutError, ValueError), match="exact"):
        outcomes({"s": "1"}, {"t": "1"}, shape="subset_sum", **more)


@pytest.mark.parametrize("shape", ["many_to_one", "subset_sum", "many_to_many"])
def test_no_group_absorbs_what_was_posted_twice(shape: str) -> None:
    """P is posted twice, Q of the same amount and batch not at all: two breaks, and no match."""
    by_line = {"source": ["payment_ref"], "target": ["line_ref"]}
    by_batch = {"source": ["settlement_batch"], "target": ["batch_ref"]}
    common = {"entity": "A", "currency": "USD", "period": DAY, "occurred_on": DAY}
    common |= {"amount": Decimal(20), "extract_sha256": worlds.extract_sha256("x")}
    psp = common | {"settlement_batch": "B", "category": "charge"}
    erp = common | {"batch_ref": "B", "account_class": "clearing"}
    reconciliation = {
        "source": {"feeds": ["psp"]},
        "target": {"feeds": ["erp"]},
        "passes": [
            {"name": "by_line", "shape": "one_to_one", "key": by_line},
            {"name": "by_batch", "shape": shape, "key": by_batch},
        ],
    }
    windows: dict[tuple[str, str], list[Row]] = {
        ("psp", str(DAY)): [
            psp | {"line_id": ref, "payment_ref": ref, "row_number": n}
            for n, ref in enumerate("PQ", 1)
        ],
        ("erp", str(DAY)): [
            erp | {"line_id": line_id, "line_ref": "P", "row_number": n}
            for n, line_id in enumerate(("once", "twice"), 1)
        ],
    }
    with worlds.world({"small": reconciliation}) as world:
        world.deliver(windows)
        world.reconcile("small")
        found = {one["line_id"]: one["break_class"] for one in world.outcomes("small")}
    assert found == {
        "P": None,
        "once": None,
        "Q": "missing_in_target",
        "twice": "duplicate_in_target",
    }
