"""Proposed journals on small worlds that an accountant can check by hand."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from tests import scenarios, worlds
from tests.scenarios import ACCOUNTS
from tests.worlds import Row, World, extract_sha256
from tieout.breaks import breaks
from tieout.errors import TieoutError
from tieout.journals.model import Journal, JournalLine, Proposals
from tieout.journals.propose import proposals
from tieout.matching.reconcile import reconcile
from tieout.periods import Period, parse_period
from tieout.settings import Journals
from tieout.workplace import Workplace

DAY = date(2026, 10, 5)
MONTH = parse_period("2026-10")
MAP: dict[str, str] = {
    "1010": "bank",
    "1090": "clearing",
    "1200": "receivable",
    "2200": "tax",
    "4000": "revenue",
    "6100": "fee",
    "7000": "fx",
    "7100": "rounding",
    "8990": "suspense",
    "8999": "write_off",
}
BY_LINE = {
    "name": "by_line",
    "shape": "one_to_one",
    "key": {"source": ["payment_ref", "component"], "target": ["line_ref", "component"]},
}
BY_BATCH = {
    "name": "by_batch",
    "shape": "many_to_one",
    "key": {"source": ["settlement_batch", "component"], "target": ["batch_ref", "component"]},
}
SETTLEMENT = {
    "source": {"feeds": ["psp"]},
    "target": {"feeds": ["erp"], "where": {"account_class": ["clearing"]}},
    "timing_days": [0, 2],
    "passes": [BY_LINE, BY_BATCH],
}
REVENUE = {
    "source": {"feeds": ["billing"]},
    "target": {"feeds": ["erp"], "where": {"account_class": ["revenue", "tax"]}, "sign": -1},
    "timing_days": [0, 2],
    "passes": [
        {
            "name": "by_line",
            "shape": "one_to_one",
            "key": {"source": ["line_id", "component"], "target": ["line_ref", "component"]},
        }
    ],
}
RECEIVABLE = {
    "source": {"feeds": ["billing"]},
    "target": {
        "feeds": ["erp"],
        "where": {"account_class": ["receivable"], "category": ["invoice"]},
    },
    "timing_days": [0, 2],
    "passes": [
        {
            "name": "by_document",
            "shape": "many_to_one",
            "key": {"source": ["invoice_ref"], "target": ["document_ref"]},
        }
    ],
}


def settled(line_id: str, amount: str, category: str = "charge", **more: Any) -> dict[str, Any]:
    return {
        "line_id": line_id,
        "extract_sha256": extract_sha256("psp"),
        "row_number": 1,
        "entity": "A",
        "currency": "USD",
        "amount": Decimal(amount),
        "period": DAY,
        "category": category,
        "settlement_batch": "b7",
        "payment_ref": line_id.partition(":")[0],
        **more,
    }


def invoiced(line_id: str, amount: str, line_type: str = "charge", **more: Any) -> dict[str, Any]:
    return {
        "line_id": line_id,
        "extract_sha256": extract_sha256("billing"),
        "row_number": 1,
        "entity": "A",
        "currency": "USD",
        "amount": Decimal(amount),
        "period": DAY,
        "invoice_ref": "INV-1",
        "line_type": line_type,
        **more,
    }


def posted(line_id: str, amount: str, account: str = "1090", **more: Any) -> dict[str, Any]:
    return {
        "line_id": line_id,
        "extract_sha256": extract_sha256("erp"),
        "row_number": 1,
        "entity": "A",
        "currency": "USD",
        "amount": Decimal(amount),
        "period": DAY,
        "account": account,
        "account_class": MAP.get(account, "unmapped"),
        "journal_ref": f"J-{line_id}",
        **more,
    }


def placed(
    workplace: Workplace, accounts: Mapping[str, Any], journals: Mapping[str, Any]
) -> Workplace:
    update = {"accounts": accounts, "journals": Journals.model_validate(journals)}
    return replace(workplace, settings=workplace.settings.model_copy(update=update))


@contextmanager
def books(
    reconciliations: Mapping[str, Any],
    rows: Mapping[str, Sequence[Row]],
    journals: Mapping[str, Any] | None = None,
    accounts: Mapping[str, Any] | None = None,
) -> Iterator[Workplace]:
    """A world in which feeds delivered rows, all of them due, with an account map."""
    with worlds.world(reconciliations) as world:
        windows: dict[tuple[str, str], list[Row]] = {}
        for feed, given_rows in rows.items():
            for row in given_rows:
                windows.setdefault((feed, str(row["period"])), []).append(row)
        later = {(feed, "2026-11-30"): [] for feed in ("psp", "billing", "erp")}
        world.deliver({**windows, **later})
        for name in reconciliations:
            world.reconcile(name)
        yield placed(world.workplace, accounts or {"*": MAP}, journals or {})


def lines_of(journal: Journal) -> list[tuple[str, str]]:
    return [(line.account, f"{line.amount:.2f}") for line in journal.lines]


def reasons(found: Proposals) -> dict[tuple[str, str], str]:
    return {(one.reconciliation, one.break_class): one.reason for one in found.not_proposed}


# One fact, one journal


def test_a_charge_and_its_fee_that_are_missing() -> None:
    rows = {"psp": [settled("ch_1", "100"), settled("ch_1:fee", "-3", "fee")]}
    with books({"psp_to_erp": SETTLEMENT}, rows) as workplace:
        found = proposals(workplace, MONTH)
    assert sorted(lines_of(one) for one in found.journals) == [
        [("1090", "-3.00"), ("6100", "3.00")],
        [("1090", "100.00"), ("1200", "-100.00")],
    ]
    charge = next(one for one in found.journals if one.total == 100)
    first, second = charge.lines
    assert (first.line_ref, first.batch_ref, first.category) == ("ch_1", "b7", "charge")
    assert (second.line_ref, second.batch_ref, second.category) == (None, None, None)
    assert (charge.entity, charge.subsidiary, charge.day) == ("A", "Entity A", DAY)


@pytest.mark.parametrize(
    ("category", "amount", "other"),
    [
        ("refund", "-8", "1200"),
        ("chargeback", "-8", "1200"),
        ("payout", "-8", "1010"),
        ("tax", "-8", "2200"),
        ("currency_conversion", "-8", "7000"),
        ("reserve", "-8", "8990"),
    ],
)
def test_the_other_half_follows_from_what_the_line_is(
    category: str, amount: str, other: str
) -> None:
    rows = {"psp": [settled("x", amount, category)]}
    with books({"psp_to_erp": SETTLEMENT}, rows) as workplace:
        (journal,) = proposals(workplace, MONTH).journals
    assert lines_of(journal) == [("1090", "-8.00"), (other, "8.00")]


def test_lines_that_the_ledger_has_by_batch_are_one_journal() -> None:
    rows = {"psp": [settled(f"ch_{n}", "10", period=date(2026, 10, 5 + n)) for n in range(3)]}
    with books({"psp_to_erp": SETTLEMENT}, rows, {"posted_by": {"psp": "by_batch"}}) as workplace:
        (journal,) = proposals(workplace, MONTH).journals
        days = [
            proposals(workplace, Period(d, d)).journals
            for d in Period(DAY, date(2026, 10, 7)).days()
        ]
    assert lines_of(journal) == [("1090", "30.00"), ("1200", "-30.00")]
    assert journal.lines[0].batch_ref == "b7"
    assert journal.lines[0].line_ref is None
    # The same from whichever day one of its lines is on.
    assert [one for some in days for one in some] == [journal] * 3


def test_a_wrong_amount_is_taken_back_and_posted_anew() -> None:
    rows = {
        "psp": [settled("ch_1:fee", "-3", "fee")],
        "erp": [posted("p", "-3.50", line_ref="ch_1", category="fee", journal_ref="J1")],
    }
    with books({"psp_to_erp": SETTLEMENT}, rows) as workplace:
        found = proposals(workplace, MONTH)
    (journal,) = found.journals
    assert lines_of(journal) == [("1090", "3.50"), ("1090", "-3.00"), ("6100", "-0.50")]
    assert [line.reversal_of for line in journal.lines] == ["J1", None, None]
    assert (found.breaks, sum(one.count for one in found.proposed)) == (2, 2)


def test_what_was_parked_is_where_the_difference_comes_from() -> None:
    rows = {
        "psp": [settled("ch_1:fee", "-3", "fee")],
        "erp": [
            posted("p", "-3.50", line_ref="ch_1", category="fee", journal_ref="J1"),
            posted("q", "3", "6100", journal_ref="J1"),
            posted("r", "0.50", "8990", journal_ref="J1"),
        ],
    }
    with books({"psp_to_erp": SETTLEMENT}, rows) as workplace:
        (journal,) = proposals(workplace, MONTH).journals
    assert lines_of(journal)[-1] == ("8990", "-0.50")


def test_a_posting_on_another_account_is_moved() -> None:
    rows = {
        "psp": [settled("ch_1", "100")],
        "erp": [posted("p", "100", "6100", line_ref="ch_1", category="charge", journal_ref="J1")],
    }
    with books({"psp_to_erp": SETTLEMENT}, rows) as workplace:
        (journal,) = proposals(workplace, MONTH).journals
    assert sorted(lines_of(journal)) == [("1090", "100.00"), ("6100", "-100.00")]


def test_a_duplicate_is_taken_back_with_the_other_half_of_its_journal() -> None:
    one = {"line_ref": "ch_1", "category": "charge"}
    rows = {
        "psp": [settled("ch_1", "100")],
        "erp": [
            posted("p", "100", **one),
            posted("q", "100", **one, journal_ref="J2"),
            posted("r", "-100", "1010", journal_ref="J2"),
        ],
    }
    with books({"psp_to_erp": SETTLEMENT}, rows) as workplace:
        (journal,) = proposals(workplace, MONTH).journals
    assert lines_of(journal) == [("1090", "-100.00"), ("1010", "100.00")]
    assert journal.lines[0].reversal_of == "J2"


def test_the_wrong_month_takes_two_journals() -> None:
    november = date(2026, 11, 9)
    rows = {
        "psp": [settled("ch_1", "100", period=date(2026, 10, 30))],
        "erp": [posted("p", "100", line_ref="ch_1", category="charge", period=november)],
    }
    with books({"psp_to_erp": SETTLEMENT}, rows) as workplace:
        october = proposals(workplace, MONTH)
        assert proposals(workplace, parse_period("2026-11")).journals == october.journals
    assert [(one.day, lines_of(one)) for one in october.journals] == [
        (date(2026, 10, 30), [("1090", "100.00"), ("1200", "-100.00")]),
        (november, [("1090", "-100.00"), ("1200", "100.00")]),
    ]
    assert len({one.external_id for one in october.journals}) == 2


def test_another_entity_takes_intercompany_accounts_or_is_left() -> None:
    rows = {
        "psp": [settled("ch_1", "100")],
        "erp": [posted("p", "100", line_ref="ch_1", category="charge", entity="B")],
    }
    with books({"psp_to_erp": SETTLEMENT}, rows) as workplace:
        found = proposals(workplace, MONTH)
        assert found.journals == ()
        assert "intercompany account" in reasons(found)["psp_to_erp", "entity_mismatch"]
        own = placed(workplace, {"*": MAP | {"1300": "intercompany"}}, {})
        here, there = proposals(own, MONTH).journals
        assert proposals(own, MONTH, entity="B").journals == (there,)
    assert (here.entity, lines_of(here)) == ("A", [("1090", "100.00"), ("1300", "-100.00")])
    assert (there.entity, lines_of(there)) == ("B", [("1090", "-100.00"), ("1300", "100.00")])


@pytest.mark.parametrize(("label", "account"), [("tolerance", "8999"), ("rounding", "7100")])
def test_what_a_match_leaves_goes_where_its_label_says(label: str, account: str) -> None:
    tolerance = {"absolute": "0.01", "label": label} if label == "tolerance" else {"label": label}
    rule = {**SETTLEMENT, "passes": [BY_LINE | {"tolerance": tolerance}]}
    rows = {
        "psp": [settled("ch_1", "100", currency="KWD")],
        "erp": [posted("p", "100.005", line_ref="ch_1", category="charge", currency="KWD")],
    }
    if label == "rounding":  # half a minor unit is nothing that can be posted
        rows["erp"][0]["amount"] = Decimal("100.0005")
    with books({"psp_to_erp": rule}, rows) as workplace:
        found = proposals(workplace, MONTH)
    if label == "rounding":
        assert reasons(found)["psp_to_erp", "residual"].startswith("its amount is finer")
        return
    (journal,) = found.journals
    shown = [(line.account, line.amount) for line in journal.lines]
    assert shown == [("1090", Decimal("-100.005")), ("1090", 100), (account, Decimal("0.005"))]
    assert (found.breaks, journal.classes) == (0, ("residual",))


def test_a_difference_of_rates_is_not_added_to_a_posting_in_another_currency() -> None:
    rate = {"currency": "functional", "tolerance": {"percent": "1"}}
    rule = {**SETTLEMENT, "passes": [BY_LINE | rate | {"shape": "many_to_one"}]}
    in_euros = {"currency": "EUR", "functional_amount": Decimal("108.20")}
    rows = {
        "psp": [settled("ch_1", "108.50")],
        "erp": [posted("p", "100", line_ref="ch_1", category="charge", **in_euros)],
    }
    with books({"psp_to_erp": rule}, rows) as workplace:
        found = proposals(workplace, MONTH)
    assert found.journals == ()
    assert "its lines are no pair" in reasons(found)["psp_to_erp", "residual"]


def test_what_rates_leave_is_posted_in_the_currency_that_was_settled() -> None:
    """100 EUR stand in the books for 108.20 USD and came to 108.50: 0.30 gained, on 7000."""
    tolerance = {"tolerance": {"percent": "1", "label": "fx"}, "currency": "functional"}
    rule = {**SETTLEMENT, "passes": [{**BY_LINE, **tolerance}]}
    refs = {"line_ref": "s", "category": "charge", "currency": "EUR"}
    there = posted("t", "100", functional_amount=Decimal("108.20"), **refs)
    rows = {"psp": [settled("s", "108.50")], "erp": [there]}
    with books({"psp_to_erp": rule}, rows) as workplace:
        found = proposals(workplace, MONTH)
    assert {j.currency: [(n.account, n.amount) for n in j.lines] for j in found.journals} == {
        "EUR": [("1090", Decimal(-100)), ("7000", Decimal(100))],
        "USD": [("1090", Decimal("108.50")), ("7000", Decimal("-108.50"))],
    }
    assert [j.lines[0].reversal_of for j in found.journals] == ["J-t", None]


def test_a_wrong_rate_is_one_fact_for_both_its_lines() -> None:
    tolerance = {"tolerance": {"percent": "1", "label": "fx"}, "currency": "functional"}
    rule = {**SETTLEMENT, "passes": [{**BY_LINE, **tolerance}]}
    refs = {"line_ref": "s", "category": "charge", "journal_ref": "J", "currency": "EUR"}
    there = posted("t", "100", functional_amount=Decimal(98), **refs)
    contra = posted("u", "-100", "1200", journal_ref="J", currency="EUR")
    rows = {"psp": [settled("s", "108.50")], "erp": [there, contra]}
    with books({"psp_to_erp": rule}, rows) as workplace:
        found = proposals(workplace, MONTH)
    assert {j.currency: sorted(lines_of(j)) for j in found.journals} == {
        "EUR": [("1090", "-100.00"), ("1200", "100.00")],
        "USD": [("1090", "108.50"), ("1200", "-108.50")],
    }
    assert (found.breaks, found.not_proposed) == (2, ())


# One fact, two reconciliations


def test_an_invoice_that_is_nowhere_is_one_journal() -> None:
    rows = {
        "billing": [invoiced("l1", "70"), invoiced("l2", "30"), invoiced("l1:tax", "19", "tax")]
    }
    both = {"to_revenue": REVENUE, "to_receivable": RECEIVABLE}
    with books(both, rows) as workplace:
        found = proposals(workplace, MONTH)
        (only,) = proposals(workplace, MONTH, reconciliation="to_receivable").journals
    (journal,) = found.journals
    assert only == journal
    assert journal.reconciliations == ("to_receivable", "to_revenue")
    assert sorted(lines_of(journal)) == [
        ("1200", "119.00"),
        ("2200", "-19.00"),
        ("4000", "-30.00"),
        ("4000", "-70.00"),
    ]
    receivable = next(line for line in journal.lines if line.account == "1200")
    assert (receivable.document_ref, receivable.category) == ("INV-1", "invoice")
    assert found.breaks == 6


def test_the_receivable_is_not_booked_twice() -> None:
    rows = {
        "billing": [invoiced("l1", "70")],
        "erp": [posted("p", "70", "1200", document_ref="INV-1", category="invoice")],
    }
    both = {"to_revenue": REVENUE, "to_receivable": RECEIVABLE}
    with books(both, rows) as workplace:
        (journal,) = proposals(workplace, MONTH).journals
    assert lines_of(journal) == [("4000", "-70.00"), ("8990", "70.00")]
    with books({"to_revenue": REVENUE}, rows) as workplace:
        (journal,) = proposals(workplace, MONTH).journals
    assert lines_of(journal) == [("4000", "-70.00"), ("1200", "70.00")]


def test_two_reconciliations_of_the_same_account_propose_once() -> None:
    rows = {
        "psp": [settled("ch_1", "100"), settled("ch_2", "7")],
        "erp": [posted("p", "90", line_ref="ch_1", category="charge")],
    }
    with books({"one": SETTLEMENT, "other": SETTLEMENT}, rows) as workplace:
        found = proposals(workplace, MONTH)
    assert {one.reconciliations for one in found.journals} == {("one",)}
    assert len(found.journals) == 2
    assert set(reasons(found).values()) == {"one proposes it already"}
    assert found.breaks == 6


# The idempotency key


def test_the_key_changes_with_an_amount_and_not_with_an_account() -> None:
    def key(amount: str, journals: Mapping[str, Any]) -> tuple[str, str]:
        rows = {"psp": [settled("ch_1", amount, "fee")]}
        accounts = {"*": MAP | {"6200": "fee"}}
        with books({"psp_to_erp": SETTLEMENT}, rows, journals, accounts) as workplace:
            (journal,) = proposals(workplace, MONTH).journals
        return journal.external_id, journal.lines[1].account

    first, account = key("-3", {"accounts": {"*": {"fee": "6100"}}})
    second, other = key("-3", {"accounts": {"*": {"fee": "6200"}}})
    assert (account, other) == ("6100", "6200")
    assert first == second
    assert key("-3.01", {"accounts": {"*": {"fee": "6100"}}})[0] != first


def test_equal_amounts_of_two_lines_are_two_keys() -> None:
    rows = {"psp": [settled("ch_1", "100"), settled("ch_2", "100")]}
    with books({"psp_to_erp": SETTLEMENT}, rows) as workplace:
        first, second = proposals(workplace, MONTH).journals
    assert first.external_id != second.external_id


def test_a_class_with_several_accounts_waits_for_one_to_be_named() -> None:
    rows = {"psp": [settled("ch_1", "-3", "fee")]}
    accounts = {"*": MAP | {"6200": "fee"}}
    with books({"psp_to_erp": SETTLEMENT}, rows, {}, accounts) as workplace:
        found = proposals(workplace, MONTH)
    told = "which fee account of A is meant? name it in journals.accounts"
    assert reasons(found) == {("psp_to_erp", "missing_in_target"): told}


def test_a_configured_other_half_comes_before_the_table() -> None:
    rows = {"psp": [settled("r", "-8", "reserve"), settled("c", "-9")]}
    offsets = {"offsets": {"clearing": {"reserve": "receivable"}}}
    with books({"psp_to_erp": SETTLEMENT}, rows, offsets) as workplace:
        found = proposals(workplace, MONTH)
    assert {one.lines[1].account for one in found.journals} == {"1200"}


def test_a_journal_that_does_not_balance_is_refused() -> None:
    lines = (JournalLine("1090", "clearing", Decimal(1)), JournalLine("1", None, Decimal(-2)))
    with pytest.raises(TieoutError, match="does not balance"):
        Journal("x", (), (), "A", "Entity A", "USD", DAY, "", lines)


def test_a_posting_of_nothing_cannot_be_taken_back() -> None:
    rows = {
        "psp": [settled("ch_1", "5")],
        "erp": [posted("p", "0", line_ref="ch_1", category="charge")],
    }
    with books({"psp_to_erp": SETTLEMENT}, rows) as workplace:
        found = proposals(workplace, MONTH)
    assert (found.breaks, found.journals) == (2, ())
    assert "of nothing" in reasons(found)["psp_to_erp", "amount_mismatch"]


# Whatever happens, every break is counted once


@worlds.examples(3, phases=[Phase.generate])
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_every_break_of_a_random_world_is_counted_once(seed: int) -> None:
    pairs = ["settlement_to_ledger", "invoice_to_ledger", "ledger_to_ledger", "usage_to_invoice"]
    small = scenarios.crowd(random.Random(seed).choice, 6, pairs=pairs)
    with worlds.world({"small": small.reconciliation}) as world:
        _counted_once(world, small)


def _counted_once(world: World, small: scenarios.Scenario) -> None:
    world.deliver(small.deliveries)
    reconcile(world.workplace, "small", run_id="run")
    mapped = {a: c for a, c in ACCOUNTS.items() if c != "unmapped"}
    accounts = {"*": mapped | MAP | {"1300": "intercompany"}}
    chosen = {"accounts": {"*": {"clearing": "1090", "revenue": "4000", "tax": "2200"}}}
    workplace = placed(world.workplace, accounts, chosen)
    days = sorted({row["period"] for row in small.rows})
    whole = Period(days[0], days[-1])
    found = proposals(workplace, whole)
    listed = breaks(workplace, "small", whole)
    assert found.breaks == len(listed)
    for entity in ("A", "B"):
        own = proposals(workplace, whole, entity=entity)
        assert own.breaks == sum(one.entity in (entity, "*") for one in listed)
        assert all(one.entity == entity for one in own.journals)
    ids = [one.external_id for one in found.journals]
    assert len(ids) == len(set(ids))
    middle = days[len(days) // 2]
    halves = [Period(days[0], middle), Period(middle, days[-1])]
    parts = {one for half in halves for one in proposals(workplace, half).journals}
    assert parts == set(found.journals)
