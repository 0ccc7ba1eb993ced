"""A rounding is proven by the rule that gives it, or it is a variance. Figures made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import worlds

DAY = date(2026, 10, 5)
LATER = DAY + timedelta(days=20)
CYCLE = date(2026, 10, 1)


def billed(
    usage: Sequence[str | Decimal], invoice: str | Decimal, currency: str = "USD"
) -> dict[str, Any]:
    """What becomes of an invoice line that bills some usage records."""
    reconciliation = {
        "source": {"feeds": ["meter"]},
        "target": {"feeds": ["billing"]},
        "timing_days": [0, 9],
        "passes": [
            {
                "name": "by_cycle",
                "shape": "many_to_one",
                "key": {"source": ["subscription_ref"], "target": ["subscription_ref"]},
                "tolerance": {"label": "rounding"},
            }
        ],
    }
    common = {
        "entity": "A",
        "currency": currency,
        "period": DAY,
        "occurred_on": DAY,
        "subscription_ref": "S1",
        "extract_sha256": worlds.extract_sha256("x"),
    }
    records = [
        common | {"line_id": f"u{n}", "row_number": n, "amount": Decimal(amount), "meter": "api"}
        for n, amount in enumerate(usage, 1)
    ]
    line = common | {"line_id": "i", "row_number": 1, "amount": Decimal(invoice)}
    with worlds.world({"small": reconciliation}) as world:
        world.deliver(
            {
                ("meter", f"{DAY}-03:00"): records,
                ("billing", str(DAY)): [line | {"line_type": "usage"}],
                ("meter", f"{LATER}-03:00"): [],
                ("billing", str(LATER)): [],
            }
        )
        world.reconcile("small")
        return next(one for one in world.outcomes("small") if one["line_id"] == "i")


@pytest.mark.parametrize(
    ("usage", "invoice", "currency", "rule"),
    [
        (["0.004", "0.004"], "0.01", "USD", "per document, half-up"),
        (["0.004", "0.004"], "0", "USD", "per document, truncated"),
        (["0.125"], "0.13", "USD", "per document, half-up"),
        (["0.125"], "0.12", "USD", "per document, half-even"),
        (["0.135"], "0.13", "USD", "per document, truncated"),  # to even it would be 0.14
        (["-0.125"], "-0.13", "USD", "per document, half-up"),
        (["-0.125"], "-0.12", "USD", "per document, half-even"),
        (["0.006", "0.006", "0.006"], "0.03", "USD", "per line, half-up"),
        (["0.005", "0.005", "0.015"], "0.04", "USD", "per line, half-up"),
        (["0.004", "0.004", "0.004"], "0", "USD", "per line, half-up"),
        (["0.025", "0.045"], "0.06", "USD", "per line, half-even"),
        (["0.019", "0.001", "0.001", "0.001"], "0.01", "USD", "per line, truncated"),
        (["0.5"], "1", "JPY", "per document, half-up"),
        (["0.5"], "0", "JPY", "per document, half-even"),
        (["1.0005"], "1.001", "KWD", "per document, half-up"),
        (["1.0005"], "1", "KWD", "per document, half-even"),
    ],
)
def test_the_rule_that_gives_the_billed_amount_is_named(
    usage: list[str], invoice: str, currency: str, rule: str
) -> None:
    found = billed(usage, invoice, currency)
    assert (found["outcome"], found["label"]) == ("matched", f"rounding {rule}")
    assert found["residual"] == Decimal(invoice) - sum(map(Decimal, usage))


@pytest.mark.parametrize(
    ("usage", "invoice"),
    [
        (["0.009"], "0"),  # cut off, but more than half a cent for its one line
        (["1.234"], "1.24"),
        (["0.004", "0.004"], "0.02"),
        (["1.001"], "1.002"),  # within half a cent, and no rule gives tenths of cents
    ],
)
def test_what_no_rule_gives_is_a_variance(usage: list[str], invoice: str) -> None:
    found = billed(usage, invoice)
    assert (found["outcome"], found["break_class"]) == ("open", "rating_variance")


WAYS = {"half-up": ROUND_HALF_UP, "half-even": ROUND_HALF_EVEN, "truncated": ROUND_DOWN}
FINE = st.integers(-30_000, 30_000).map(lambda units: Decimal(units).scaleb(-3))


@worlds.examples(12, deadline=None)
@given(
    st.lists(FINE, min_size=1, max_size=6),
    st.sampled_from(["document", "line"]),
    st.sampled_from(list(WAYS)),
)
def test_whatever_a_rule_gives_is_explained_by_a_rule(
    usage: list[Decimal], per: str, way: str
) -> None:
    cent = Decimal("0.01")
    parts = [sum(usage, Decimal(0))] if per == "document" else usage
    invoice = sum((part.quantize(cent, WAYS[way]) for part in parts), Decimal(0))
    residual = invoice - sum(usage, Decimal(0))
    found = billed(usage, invoice)
    if abs(residual) > len(usage) * cent / 2:
        assert found["break_class"] == "rating_variance"
    else:
        assert (found["outcome"], found["residual"]) == ("matched", residual)
        assert (found["label"] is None) == (residual == 0)
