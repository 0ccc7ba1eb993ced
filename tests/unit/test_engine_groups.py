"""Groups beside single lines: what a finer key explains does not keep the rest of a batch open."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests import worlds
from tieout.explanation import explain

DAY = date(2026, 10, 5)
LATER = DAY + timedelta(days=12)
Row = dict[str, Any]
RECONCILIATION = {
    "source": {"feeds": ["psp"]},
    "target": {"feeds": ["erp"]},
    "passes": [
        {
            "name": "by_line",
            "shape": "one_to_one",
            "key": {"source": ["payment_ref"], "target": ["line_ref"]},
        },
        {
            "name": "by_batch",
            "shape": "many_to_one",
            "key": {"source": ["settlement_batch"], "target": ["batch_ref"]},
        },
    ],
}


def row(line_id: str, amount: str, **refs: str) -> Row:
    """A fee or a posting of one batch."""
    common = {"entity": "A", "currency": "USD", "period": DAY, "occurred_on": DAY}
    common |= {"category": "fee", "account_class": "clearing", "row_number": 1}
    common |= {"settlement_batch": "B1", "batch_ref": "B1"}
    name = {"line_id": line_id, "extract_sha256": worlds.extract_sha256(line_id)}
    return common | name | {"amount": Decimal(amount)} | refs


def outcomes(sources: list[Row], targets: list[Row]) -> dict[str, Row]:
    """What becomes of the lines, by their ids."""
    with worlds.world({"small": RECONCILIATION}) as world:
        world.deliver(
            {
                ("psp", str(DAY)): sources,
                ("erp", str(DAY)): targets,
                ("psp", str(LATER)): [],
                ("erp", str(LATER)): [],
            }
        )
        world.reconcile("small")
        return {one["line_id"]: one for one in world.outcomes("small")}


def test_a_wrong_fee_leaves_the_batchs_own_fee_matched() -> None:
    found = outcomes(
        [row("fee", "-0.31", payment_ref="P1"), row("batch", "-25.00")],
        [row("wrong", "-0.30", line_ref="P1"), row("whole", "-25.00")],
    )
    assert {found[n]["break_class"] for n in ("fee", "wrong")} == {"fee_variance"}
    assert {found[n]["outcome"] for n in ("batch", "whole")} == {"matched"}
    assert found["batch"]["pass"] == "by_batch"


def test_several_own_fees_of_a_batch_are_matched_as_a_group_beside_a_wrong_one() -> None:
    found = outcomes(
        [row("fee", "-0.31", payment_ref="P1"), row("b1", "-20.00"), row("b2", "-5.00")],
        [row("wrong", "-0.30", line_ref="P1"), row("whole", "-25.00")],
    )
    assert {found[n]["outcome"] for n in ("b1", "b2", "whole")} == {"matched"}


def test_a_group_that_does_not_sum_is_still_compared_as_a_whole() -> None:
    found = outcomes(
        [row("fee", "-0.31", payment_ref="P1"), row("b1", "-20.00"), row("b2", "-5.00")],
        [row("wrong", "-0.30", line_ref="P1"), row("whole", "-24.00")],
    )
    assert {found[n]["break_class"] for n in ("b1", "b2", "whole")} == {"fee_variance"}
    assert found["whole"]["group_amount"] == Decimal("-25.00")


def test_under_a_key_that_says_nothing_lines_are_not_held_each_against_each() -> None:
    """600 against 500 of one key: no pair is sought, and the sentence says so."""
    sources = [row(f"s{n}", f"{2 * n + 1}", payment_ref="P") for n in range(600)]
    targets = [row(f"t{n}", f"{2 * n + 2}", line_ref="P", batch_ref="B2") for n in range(500)]
    found = outcomes(sources, targets)
    assert {one["break_class"] for one in found.values()} == {
        "missing_in_target",
        "missing_in_source",
    }
    assert "1100 lines are open under one key" in explain(found["s1"])
