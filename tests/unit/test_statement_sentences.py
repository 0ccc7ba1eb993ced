"""Every break says in one sentence what it is, with the figures and the references in it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import Phase, given
from hypothesis import strategies as st

from tests import reference, scenarios, worlds
from tests.reference_line import MINOR_UNITS
from tests.scenarios import Scenario
from tests.unit.test_statement_oracle import through_of
from tieout.breaks import breaks
from tieout.explanation import explain
from tieout.matching.columns import OUTCOMES
from tieout.model import Break
from tieout.periods import month_of

ENGINE_CLASSES = {
    *("missing_in_target", "missing_in_source", "duplicate_in_source", "duplicate_in_target"),
    *("amount_mismatch", "fee_variance", "tax_variance", "rating_variance"),
    *("account_mismatch", "unmapped_account", "entity_mismatch", "currency_mismatch"),
    *("period_mismatch", "late_arrival", "late_usage"),
}
"""Break classes that lines can have so far."""


def months_of(scenario: Scenario) -> list[Any]:
    return sorted({month_of(row["period"]) for row in scenario.rows})


def breaks_of(scenario: Scenario) -> list[Break]:
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        world.reconcile("small")
        return [b for month in months_of(scenario) for b in breaks(world.workplace, "small", month)]


def expected_of(scenario: Scenario) -> list[dict[str, Any]]:
    through = through_of(scenario)
    return [
        one
        for one in reference.reconcile(scenario.reconciliation, worlds.FEEDS, scenario.rows)
        if one["outcome"] == "open"
        and one["due_on"] <= through["target" if one["side"] == "source" else "source"]
    ]


def money(amount: Decimal, currency: str) -> str:
    """The amount as an accountant writes it: the digits of the currency, and more where needed."""
    whole, _, rest = f"{(amount + 0).normalize():,f}".partition(".")
    rest = rest.ljust(MINOR_UNITS[currency], "0")
    return f"{whole}.{rest} {currency}" if rest else f"{whole} {currency}"


def said_of(one: Mapping[str, Any]) -> list[str]:
    """What the sentence about a break cannot do without."""
    kind, other = one["break_class"], one.get("counterpart")
    said = [money(one["amount"], one["currency"]), one["feed"], str(one["period"])]
    itself = (one.get("counterpart_feed"), other) == (one["feed"], one["line_id"])
    if itself and kind.startswith("duplicate"):
        said += [other, str(one["received_on"]), money(one["other_amount"], one["other_currency"])]
    elif other is not None:
        said += [other, one["counterpart_feed"], str(one["other_period"])]
    if one["group_amount"] is not None and one["group_count"] > 1:
        currency = one["currency"] if one["group_member"] else one["other_currency"]
        said += [f"{one['group_count']} lines", money(one["group_amount"], currency)]
    if kind.endswith("variance") or kind == "amount_mismatch":
        said.append(f"differs by {money(gap(one), one['currency'])}")
    if kind in ("account_mismatch", "unmapped_account") and one["other_account"] is not None:
        said.append(f"account {one['other_account']}")
    if kind == "entity_mismatch":
        said += [one["entity"], one["other_entity"]]
    if kind == "currency_mismatch":
        said.append(one["other_currency"])
    if one.get("reason") is not None:
        said += [one["reason"], f"pass {one['pass']} suggests"]
    return said + dates_of(one)


def dates_of(one: Mapping[str, Any]) -> list[str]:
    """The days that the sentence of a break about time names."""
    kind = one["break_class"]
    if kind in ("missing_in_target", "missing_in_source"):
        return [] if one.get("match_ref") else [str(one["due_on"])]
    if kind in ("late_arrival", "period_mismatch"):
        return distance_of(one)
    return [str(one["received_on"])] if kind == "late_usage" else []


def distance_of(one: Mapping[str, Any]) -> list[str]:
    """How far off the counterpart is dated; a date it missed only where it came after that."""
    days = (one["other_period"] - one["period"]).days
    words = {-1: "1 day earlier", 0: "the same day", 1: "1 day later"}
    distance = words.get(days, f"{abs(days)} days {'later' if days > 0 else 'earlier'}")
    return [distance, *([str(one["due_on"])] if one["other_period"] > one["due_on"] else [])]


def gap(one: Mapping[str, Any]) -> Decimal:
    """The other side less this one; a group counts as a whole."""
    own, other = one["amount"], one["other_amount"]
    if one["group_amount"] is not None:
        own, other = (
            (one["group_amount"], other) if one["group_member"] else (own, one["group_amount"])
        )
    assert isinstance(other - own, Decimal)
    return Decimal(other - own)


def assert_every_break_is_explained(scenario: Scenario) -> set[str]:
    found, expected = breaks_of(scenario), expected_of(scenario)
    assert [(b.side, b.feed, b.line_id, b.break_class, b.amount, b.period) for b in found] == [
        (o["side"], o["feed"], o["line_id"], o["break_class"], o["amount"], o["period"])
        for o in expected
    ]
    for one, wanted in zip(found, expected, strict=True):
        missing = [said for said in [*said_of(wanted), str(one.ref)] if said not in one.explanation]
        assert not missing, f"{one.break_class}: {one.explanation!r} does not say {missing}"
        assert "None" not in one.explanation, one
        assert one.explanation.endswith("."), one
        assert one.counterpart == wanted.get("counterpart")
    return {one.break_class for one in found}


@worlds.examples(3, phases=[Phase.generate])
@given(st.integers(min_value=0, max_value=2**32))
def test_every_explanation_holds_its_figures_and_references(seed: int) -> None:
    assert_every_break_is_explained(scenarios.crowd(random.Random(seed).choice, 40))


DAY, LATER = date(2026, 9, 28), date(2026, 10, 2)


def row(line_id: str, amount: str, **more: Any) -> dict[str, Any]:
    common = {"entity": "A", "currency": "USD", "period": DAY, "occurred_on": DAY}
    return common | {"line_id": line_id, "amount": Decimal(amount), "row_number": 1} | more


def delivered(feed: str, rows: Sequence[dict[str, Any]]) -> dict[Any, list[dict[str, Any]]]:
    """Every row in the window of its day; and an empty last window, so that all is overdue."""
    found: dict[Any, list[dict[str, Any]]] = {}
    hour = "-23:00" if worlds.FEEDS[feed] == "usage" else ""
    for one in [*rows, None]:
        day = one.pop("received_on", one["period"]) if one else date(2026, 12, 1)
        here = found.setdefault((feed, f"{day}{hour}"), [])
        if one:
            own = {"feed": feed, "received_on": day, "extract_sha256": feed}
            here.append(one | own | {"row_number": len(here) + 1})
    return found


def charge(line_id: str, amount: str, **more: Any) -> dict[str, Any]:
    return row(line_id, amount, **{"payment_ref": line_id.upper(), "category": "charge"} | more)


def posting(line_id: str, amount: str, ref: str, **more: Any) -> dict[str, Any]:
    own = {"account": "1090", "account_class": "clearing", "line_ref": ref, "journal_ref": "J"}
    return row(line_id, amount, **own | {"category": "charge"} | more)


CASH = Scenario(
    "settlement_to_ledger",
    {
        "source": {"feeds": ["psp"], "where": {}},
        "target": {"feeds": ["erp"], "where": {"account_class": ["clearing"]}},
        "timing_days": [-1, 3],
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
    },
    delivered(
        "psp",
        [
            charge("alone", "1250"),
            charge("twice", "10", payment_ref="TWICE"),
            charge("twice2", "10", payment_ref="TWICE"),
            charge("again", "7"),
            charge("again", "8", received_on=LATER),
            charge("short", "1000.5"),
            charge("fee", "-3", category="fee"),
            charge("tax", "-0.19", category="tax"),
            charge("moved", "20"),
            charge("lost", "21"),
            charge("abroad", "22"),
            charge("yen", "23"),
            charge("month", "24"),
            charge("slow", "25"),
            charge("m1", "30", payment_ref=None, settlement_batch="B1"),
            charge("m2", "31", payment_ref=None, settlement_batch="B1"),
        ],
    )
    | delivered(
        "erp",
        [
            posting("e1", "99", "NOBODY"),
            posting("e2", "10", "TWICE"),
            posting("e3", "7", "AGAIN"),
            posting("e4", "1000", "SHORT"),
            posting("e5", "-3.01", "FEE"),
            posting("e6", "-0.2", "TAX"),
            posting("e7", "20", "MOVED", account="4000", account_class="revenue"),
            posting("e8", "21", "LOST", account="9999", account_class="unmapped"),
            posting("e9", "22", "ABROAD", entity="B"),
            posting("e10", "23", "YEN", currency="JPY"),
            posting("e11", "24", "MONTH", period=LATER),
            posting("e12", "25", "SLOW", period=date(2026, 9, 20)),
            posting("e13", "60", None, batch_ref="B1"),  # type: ignore[arg-type]
        ],
    ),
)
SAID_OF_CASH = {
    "alone": "1,250.00 USD of ALONE (psp, 2026-09-28) has no counterpart: none arrived by "
    "2026-10-01.",
    "twice2": "10.00 USD of TWICE (psp, 2026-09-28) repeats twice (psp, 2026-09-28), which is "
    "matched already; one of them is too many.",
    "again": "8.00 USD of AGAIN (psp, 2026-09-28) is another delivery of line again, on 2026-10-02 "
    "and with other content; the first counts: 7.00 USD in A on 2026-09-28.",
    "short": "1,000.50 USD of SHORT (psp, 2026-09-28) stands against 1,000.00 USD of e4 (erp, "
    "2026-09-28): the amount differs by -0.50 USD.",
    "fee": "-3.00 USD of FEE (psp, 2026-09-28) stands against -3.01 USD of e5 (erp, 2026-09-28): "
    "the fee differs by -0.01 USD.",
    "tax": "-0.19 USD of TAX (psp, 2026-09-28) stands against -0.20 USD of e6 (erp, 2026-09-28): "
    "the tax differs by -0.01 USD.",
    "moved": "20.00 USD of MOVED (psp, 2026-09-28) was posted to account 4000 by e7 (erp, "
    "2026-09-28), which this reconciliation does not expect.",
    "lost": "21.00 USD of LOST (psp, 2026-09-28) was posted to account 9999 by e8 (erp, "
    "2026-09-28); that account is in no account map.",
    "abroad": "22.00 USD of ABROAD (psp, 2026-09-28) belongs to A, but e9 (erp, "
    "2026-09-28) was posted in B.",
    "yen": "23.00 USD of YEN (psp, 2026-09-28) stands against 23 JPY of e10 (erp, 2026-09-28): "
    "another currency.",
    "month": "24.00 USD of MONTH (psp, 2026-09-28) agrees with e11 (erp, 2026-10-02), but that "
    "one is dated 4 days later (it was due by 2026-10-01), in another month.",
    "slow": "25.00 USD of SLOW (psp, 2026-09-28) agrees with e12 (erp, 2026-09-20), but that "
    "one is dated 8 days earlier, outside the days allowed.",
    "m1": "30.00 USD of B1 (psp, 2026-09-28), one of 2 lines that sum to 61.00 USD, stands against "
    "60.00 USD of e13 (erp, 2026-09-28): the amount differs by -1.00 USD.",
    "e1": "99.00 USD of NOBODY (erp, 2026-09-28) has nothing behind it: no source line for it "
    "arrived by 2026-09-29.",
    "e13": "60.00 USD of B1 (erp, 2026-09-28) stands against 2 lines that sum to 61.00 USD, among "
    "them m1 (psp, 2026-09-28): the amount differs by 1.00 USD.",
}
USAGE = Scenario(
    "usage_to_invoice",
    {
        "source": {"feeds": ["meter"], "where": {}},
        "target": {"feeds": ["billing"], "where": {}},
        "timing_days": [0, 9],
        "passes": [
            {
                "name": "by_cycle",
                "shape": "many_to_one",
                "key": {"source": ["subscription_ref"], "target": ["subscription_ref"]},
                "tolerance": {"label": "rounding"},
                "received_by_target": True,
            }
        ],
    },
    delivered(
        "meter",
        [
            row("u1", "0.0034", subscription_ref="S1", meter="api"),
            row("u2", "5", subscription_ref="S1", meter="api", received_on=LATER),
            row("u3", "1.000000000001", subscription_ref="S2", meter="api"),
        ],
    )
    | delivered(
        "billing",
        [
            row("i1", "0", subscription_ref="S1", invoice_ref="INV-1", line_type="usage"),
            row("i2", "2", subscription_ref="S2", invoice_ref="INV-1", line_type="usage"),
        ],
    ),
)
SAID_OF_USAGE = {
    "u2": "5.00 USD of S1 (meter, 2026-09-28) was received on 2026-10-02, after invoice line i1 "
    "(billing, 2026-09-28) had been issued without it; it is not billed.",
    "u3": "1.000000000001 USD of S2 (meter, 2026-09-28) stands against 2.00 USD of i2 (billing, "
    "2026-09-28): the rated amount differs by 0.999999999999 USD.",
}


def test_the_sentences_as_they_are_written() -> None:
    seen = set()
    for scenario, written in ((CASH, SAID_OF_CASH), (USAGE, SAID_OF_USAGE)):
        assert_every_break_is_explained(scenario)
        found = {one.line_id: one for one in breaks_of(scenario)}
        assert {line: found[line].explanation for line in written} == written
        seen |= {one.break_class for one in found.values()}
    assert seen | {"duplicate_in_target"} == ENGINE_CLASSES


def test_a_counterpart_out_of_scope_that_has_no_account_is_told_without_one() -> None:
    target = {"feeds": ["psp_b"], "where": {"category": ["refund"]}}
    key = {"source": ["payment_ref"], "target": ["payment_ref"]}
    passes = [{"name": "by_payment", "shape": "one_to_one", "key": key}]
    reconciliation = CASH.reconciliation | {"target": target, "passes": passes}
    deliveries = delivered("psp", [charge("c", "5")]) | delivered("psp_b", [charge("c", "5")])
    [found] = breaks_of(Scenario("settlement_to_settlement", reconciliation, deliveries))
    assert (found.break_class, found.explanation) == (
        "account_mismatch",
        "5.00 USD of C (psp, 2026-09-28) agrees with c (psp_b, 2026-09-28), but that line is none "
        "of those this reconciliation expects.",
    )


def test_a_posting_entered_twice_is_told_like_a_charge_sent_twice() -> None:
    deliveries = delivered("psp", [charge("c", "5")]) | delivered(
        "erp", [posting("e1", "5", "C"), posting("e2", "5", "C")]
    )
    scenario = Scenario(CASH.pair, CASH.reconciliation, deliveries)
    [found] = breaks_of(scenario)
    assert (found.break_class, found.explanation) == (
        "duplicate_in_target",
        "5.00 USD of C (erp, 2026-09-28) repeats e1 (erp, 2026-09-28), which is matched already; "
        "one of them is too many.",
    )


def test_what_a_row_is_out_of_balance_by_is_said_to_be_that() -> None:
    """The line stands in no extract: whoever looks for its amount there does not find it."""
    line = {
        **dict.fromkeys(OUTCOMES),
        "component": "out_of_balance",
        "break_class": "missing_in_target",
        "amount": Decimal("0.50"),
        "currency": "USD",
        "ref": "ch_7",
        "feed": "psp",
        "period": date(2026, 10, 4),
        "due_on": date(2026, 10, 9),
    }
    assert explain(line) == (
        "0.50 USD of ch_7 (psp, 2026-10-04), what its row is out of balance by, has no "
        "counterpart: none arrived by 2026-10-09."
    )
