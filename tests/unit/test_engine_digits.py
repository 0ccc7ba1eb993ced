"""To the last digit: large and fine amounts, and tolerances at their very edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from tests import worlds

DAY = date(2026, 10, 5)
SHAPES = ("one_to_one", "many_to_one", "one_to_many", "many_to_many")
Row = dict[str, Any]


def usage(line_id: str, amount: str, **more: Any) -> Row:
    return row(line_id, amount) | {"subscription_ref": "S", "meter": "api", **more}


def billed(line_id: str, amount: str, **more: Any) -> Row:
    return row(line_id, amount) | {"subscription_ref": "S", "line_type": "usage", **more}


def settled(line_id: str, amount: str, **more: Any) -> Row:
    return row(line_id, amount) | {"payment_ref": "S", "category": "charge", **more}


def posted(line_id: str, amount: str, **more: Any) -> Row:
    return row(line_id, amount) | {"line_ref": "S", "account_class": "clearing", **more}


def row(line_id: str, amount: str) -> Row:
    common = {"entity": "A", "currency": "USD", "period": DAY, "occurred_on": DAY, "row_number": 1}
    sha256 = worlds.extract_sha256("x")
    return common | {"line_id": line_id, "amount": Decimal(amount), "extract_sha256": sha256}


KEYS = {"meter": "subscription_ref", "billing": "subscription_ref"}
KEYS |= {"psp": "payment_ref", "erp": "line_ref"}


def matched(
    feeds: tuple[str, str], rows: Sequence[Sequence[Row]], **rule: Any
) -> dict[str, Mapping[str, Any]]:
    """Outcomes by line of the lines that one pass matched."""
    source, target = feeds
    key = {"source": [KEYS[source]], "target": [KEYS[target]]}
    reconciliation = {
        "source": {"feeds": [source]},
        "target": {"feeds": [target]},
        "passes": [{"name": "p", "key": key, **rule}],
    }
    hours = {feed: "-03:00" if worlds.FEEDS[feed] == "usage" else "" for feed in feeds}
    with worlds.world({"small": reconciliation}) as world:
        there = {(f, f"{DAY}{hours[f]}"): list(r) for f, r in zip(feeds, rows, strict=True)}
        later = {(f, f"{DAY + timedelta(days=12)}{hours[f]}"): [] for f in feeds}
        world.deliver(there | later)
        world.reconcile("small")
        found = world.outcomes("small")
    return {one["line_id"]: one for one in found if one["outcome"] == "matched"}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("used", "invoiced", "percent", "fits"),
    [
        ("0.000125", "0.0001", "20", True),  # 0.000025 differ, and 0.000025 may
        ("0.000125000001", "0.0001", "20", False),  # 0.000025000001 and 0.0000250000002
        ("0.000160", "0.0001", "30", False),  # 0.00006 and 0.000048
        ("2.500000000001", "1", "60", False),  # 1.500000000001 and 1.5000000000006
        ("2.5", "1", "60", True),
    ],
)
def test_a_share_of_fine_amounts_is_exact(
    shape: str, used: str, invoiced: str, percent: str, fits: bool
) -> None:
    tolerance = {"percent": percent, "base": "source"}
    rows = [usage("s", used)], [billed("t", invoiced)]
    found = matched(("meter", "billing"), rows, shape=shape, tolerance=tolerance)
    assert bool(found) == fits


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("more", "fits"), [("0.0000", True), ("0.0001", False)])
def test_a_tolerance_may_be_as_large_as_an_amount(shape: str, more: str, fits: bool) -> None:
    """14 digits before the point, 4 after it: what a line can hold, a tolerance can too."""
    posting = str(Decimal("99999999999999.9998") + Decimal(more))
    rows = [settled("s", "0.0001")], [posted("t", posting)]
    tolerance = {"absolute": "99999999999999.9997"}
    found = matched(("psp", "erp"), rows, shape=shape, tolerance=tolerance)
    assert bool(found) == fits
    if fits:
        left = {one["residual"] for one in found.values()}
        assert left == {0, Decimal("99999999999999.9997")}


@pytest.mark.parametrize("shape", ["many_to_one", "many_to_many", "subset_sum"])
def test_a_sum_of_the_largest_amounts_is_exact(shape: str) -> None:
    """300 times 333,333,333,333.3333, and one line that is what they come to."""
    each = Decimal("333333333333.3333")
    several = 20 if shape == "subset_sum" else 300
    sources = [settled(f"s{n}", str(each)) for n in range(several)]
    rows = sources, [posted("t", str(each * several))]
    assert len(matched(("psp", "erp"), rows, shape=shape)) == several + 1
    rows = sources, [posted("t", str(each * several + Decimal("0.0001")))]
    assert not matched(("psp", "erp"), rows, shape=shape)


def test_a_tolerance_finer_than_it_can_be_held_is_refused() -> None:
    for tolerance in ({"percent": "0.0000001"}, {"absolute": "0.0000000000001"}):
        with pytest.raises(ValidationError, match="decimal places"):
            matched(("psp", "erp"), ([], []), shape="one_to_one", tolerance=tolerance)
