"""Across currencies and entities: functional amounts, the difference of rates, and whom to ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests import worlds
from tieout.errors import ConfigurationError
from tieout.explanation import explain
from tieout.matching.rates import rates
from tieout.workplace import Workplace

DAY = date(2026, 10, 5)
LATER = DAY + timedelta(days=12)
Row = dict[str, Any]


def line(line_id: str, amount: str, currency: str, **more: Any) -> Row:
    """A settlement line or posting of payment P1."""
    texts = {
        name: Decimal(v) if name.endswith(("amount", "rate")) else v for name, v in more.items()
    }
    common = {"entity": "A", "period": DAY, "occurred_on": DAY, "row_number": 1}
    common |= {"payment_ref": "P1", "line_ref": "P1", "category": "charge"}
    common |= {"account_class": "clearing", "extract_sha256": worlds.extract_sha256("x")}
    return common | {"line_id": line_id, "amount": Decimal(amount), "currency": currency} | texts


def outcomes(source: Row, target: Row, **rule: Any) -> dict[str, Row]:
    """What becomes of one settlement line and one posting, by their ids."""
    return outcomes_of(source, target, [rule])


def outcomes_of(source: Row, target: Row, rules: Sequence[Row]) -> dict[str, Row]:
    """The same after several passes, one_to_one by the payment unless they say otherwise."""
    key = {"source": ["payment_ref"], "target": ["line_ref"]}
    reconciliation = {
        "source": {"feeds": ["psp"]},
        "target": {"feeds": ["erp"]},
        "passes": [
            {"name": f"p{n}", "shape": "one_to_one", "key": key, **rule}
            for n, rule in enumerate(rules, 1)
        ],
    }
    with worlds.world({"small": reconciliation}) as world:
        world.deliver(windows({"psp": source, "erp": target}))
        world.reconcile("small")
        return {one["line_id"]: one for one in world.outcomes("small")}


def windows(rows: Mapping[str, Row]) -> dict[tuple[str, str], list[Row]]:
    first = {(feed, str(DAY)): [row] for feed, row in rows.items()}
    return first | {(feed, str(LATER)): [] for feed in rows}


PERCENT = {"tolerance": {"percent": "1"}, "currency": "functional"}


def test_a_payment_in_euros_is_matched_at_the_rate_of_its_posting() -> None:
    paid = line("s", "108.50", "USD", presentment_amount="100", exchange_rate="1.085")
    posted = line("t", "100", "EUR", functional_amount="108.20")
    found = outcomes(paid, posted, **PERCENT)
    assert {one["outcome"] for one in found.values()} == {"matched"}
    assert found["s"]["residual"] == Decimal("-0.30")
    assert (found["s"]["label"], found["s"]["rounding"]) == ("fx rate difference", 0)
    assert (found["t"]["residual"], found["t"]["label"]) == (0, None)


def test_what_the_sender_rounded_is_told_apart_from_the_rates() -> None:
    # 99.99 x 1.0853 = 108.519147, which the sender paid out as 108.52
    paid = line("s", "108.52", "USD", presentment_amount="99.99", exchange_rate="1.0853")
    posted = line("t", "99.99", "EUR", functional_amount="108.49")
    found = outcomes(paid, posted, **PERCENT)["s"]
    assert found["residual"] == Decimal("-0.03")
    assert found["rounding"] == Decimal("-0.000853")


def test_equal_functional_amounts_leave_nothing() -> None:
    found = outcomes(
        line("s", "108.50", "USD"),
        line("t", "100", "EUR", functional_amount="108.50"),
        currency="functional",
    )
    assert {(one["outcome"], one["residual"], one["label"]) for one in found.values()} == {
        ("matched", 0, None)
    }


def test_a_difference_of_rates_beyond_the_tolerance_is_a_break_of_its_own() -> None:
    paid = line("s", "108.50", "USD", presentment_amount="100", exchange_rate="1.085")
    found = outcomes(paid, line("t", "100", "EUR", functional_amount="98.00"), **PERCENT)
    assert {one["break_class"] for one in found.values()} == {"fx_difference"}
    assert "comes to 98" in explain(found["s"])
    assert "comes to 108.5" in explain(found["t"])


FX: Row = {"tolerance": {"percent": "1", "label": "fx"}, "currency": "functional"}
AS_SHOWN: Row = {
    "key": {
        "source": ["payment_ref", "presentment_currency"],
        "target": ["line_ref", "currency"],
    }
}


def test_a_wrong_rate_is_told_where_a_pass_in_own_currencies_comes_first() -> None:
    paid = line("s", "108.50", "USD", presentment_currency="EUR")
    wrong = outcomes_of(paid, line("t", "100", "EUR", functional_amount="98.00"), [{}, FX])
    assert {one["break_class"] for one in wrong.values()} == {"fx_difference"}
    assert {one["group_amount"] for one in wrong.values()} == {Decimal(98), Decimal("108.50")}
    assert "comes to 98" in explain(wrong["s"])
    right = outcomes_of(paid, line("t", "100", "EUR", functional_amount="108.00"), [{}, FX])
    assert (right["s"]["pass"], right["s"]["label"]) == ("p2", "fx rate difference")


def test_a_currency_that_nobody_presented_is_wrong_whatever_its_rate() -> None:
    posted = line("t", "100", "EUR", functional_amount="98.00")
    found = {}
    for shown in ("USD", "EUR"):
        paid = line("s", "108.50", "USD", presentment_currency=shown)
        (found[shown],) = {
            one["break_class"] for one in outcomes_of(paid, posted, [{}, FX | AS_SHOWN]).values()
        }
    assert found == {"USD": "currency_mismatch", "EUR": "fx_difference"}


@pytest.mark.parametrize(
    ("posted_on", "told"),
    [(LATER - timedelta(days=1), "late_arrival"), (date(2026, 11, 2), "period_mismatch")],
)
def test_equal_at_the_rates_but_late_is_late(posted_on: date, told: str) -> None:
    paid = line("s", "108.50", "USD")
    posted = line(
        "t", "100", "EUR", functional_amount="108.50", period=posted_on, occurred_on=posted_on
    )
    found = outcomes_of(paid, posted, [{}, FX])
    assert {one["break_class"] for one in found.values()} == {told}


@pytest.mark.parametrize("shape", ["one_to_one", "many_to_one", "one_to_many", "many_to_many"])
def test_a_tolerance_for_rates_hides_no_difference_within_a_currency(shape: str) -> None:
    found = outcomes(line("s", "100", "USD"), line("t", "99.50", "USD"), **FX, shape=shape)
    assert {one["outcome"] for one in found.values()} == {"open"}
    abroad = line("t", "90", "EUR", functional_amount="99.50")
    across = outcomes(line("s", "100", "USD"), abroad, **FX, shape=shape)
    assert {one["outcome"] for one in across.values()} == {"matched"}


def test_equal_foreign_amounts_at_different_rates_are_a_difference_of_rates() -> None:
    source = line("s", "100", "EUR", feed="erp_b", functional_amount="108")
    target = line("t", "100", "EUR", functional_amount="98")
    key = {"source": ["line_ref"], "target": ["line_ref"]}
    reconciliation = {
        "source": {"feeds": ["erp_b"]},
        "target": {"feeds": ["erp"]},
        "passes": [{"name": "p", "shape": "one_to_one", "key": key, **PERCENT}],
    }
    for one in (source, target):
        del one["payment_ref"]
    with worlds.world({"small": reconciliation}) as world:
        world.deliver(windows({"erp_b": source, "erp": target}))
        world.reconcile("small")
        found = world.outcomes("small")
    assert {one["break_class"] for one in found} == {"fx_difference"}


def test_no_currency_matches_just_any() -> None:
    found = outcomes(line("s", "100", "USD"), line("t", "100", "EUR"), **PERCENT)
    assert {one["break_class"] for one in found.values()} == {"currency_mismatch"}
    same = outcomes(line("s", "100", "USD"), line("t", "100", "EUR", functional_amount="100"))
    assert {one["break_class"] for one in same.values()} == {"currency_mismatch"}


def test_a_pass_may_ask_for_no_entity() -> None:
    other = line("t", "100", "USD", entity="B")
    strict = outcomes(line("s", "100", "USD"), other)
    assert {one["break_class"] for one in strict.values()} == {"entity_mismatch"}
    found = outcomes(line("s", "100", "USD"), other, entity="any")
    assert {(one["outcome"], one["entity"]) for one in found.values()} == {
        ("matched", "A"),
        ("matched", "B"),
    }


def test_a_suggested_match_stays_open_and_says_with_whom() -> None:
    found = outcomes(
        line("s", "100", "USD"),
        line("t", "99", "USD"),
        result="suggested",
        tolerance={"absolute": "1"},
    )
    assert {one["outcome"] for one in found.values()} == {"open"}
    assert {(one["pass"], one["match_ref"]) for one in found.values()} == {("p1", "s")}
    assert found["s"]["residual"] == -1
    assert "pass p1 suggests" in explain(found["s"])


def with_rates(place: Workplace, text: str, folder: Path) -> Workplace:
    """The workplace with a rate table for the feeds of invoices and settlements."""
    (folder / "ecb.csv").write_text(text, encoding="utf-8")
    feeds = dict(place.settings.feeds)
    for name in ("billing", "psp"):
        feeds[name] = feeds[name].model_copy(update={"rates": "ecb"})
    changed = {"base": folder, "rates": {"ecb": "ecb.csv"}, "feeds": feeds}
    return replace(place, settings=place.settings.model_copy(update=changed))


INVOICES = {
    "source": {"feeds": ["billing"]},
    "target": {"feeds": ["erp"], "sign": -1},
    "passes": [
        {
            "name": "p",
            "shape": "one_to_one",
            "key": {"source": ["invoice_ref"], "target": ["document_ref"]},
            "currency": "functional",
        }
    ],
}
TABLE = "date,currency,to,rate\n2026-10-01,EUR,USD,1.0850\n2026-10-05,EUR,USD,1.0917\n"


def test_a_feed_may_take_its_rates_from_a_table(tmp_path: Path) -> None:
    invoice = line("i", "12.34", "EUR", invoice_ref="I1", line_type="charge")
    del invoice["payment_ref"], invoice["line_ref"], invoice["category"], invoice["account_class"]
    # 12.34 x 1.0917 = 13.471578, of the day's own rate and not of the older one
    posting = line("t", "-13.47", "USD", document_ref="I1")
    del posting["payment_ref"]
    with worlds.world({"small": INVOICES}) as world:
        place = with_rates(world.workplace, TABLE, tmp_path)
        told = worlds.World(place)
        told.deliver(windows({"billing": invoice, "erp": posting}))
        told.reconcile("small")
        assert {one["outcome"] for one in told.outcomes("small")} == {"matched"}
        (tmp_path / "ecb.csv").write_text(TABLE.replace("1.0917", "1.2"), encoding="utf-8")
        assert told.reconcile("small").days, "a new rate must be worked in"
        assert {one["break_class"] for one in told.outcomes("small")} == {"fx_difference"}


def test_what_the_sender_rounded_in_euros_is_no_part_of_a_difference_in_dollars(
    tmp_path: Path,
) -> None:
    # 100 x 0.92166 = 92.166, paid out as 92.17 EUR; 92.17 x 1.0917 = 100.62 USD
    paid = line("s", "92.17", "EUR", presentment_amount="100", exchange_rate="0.92166")
    rule = {"name": "p", "shape": "one_to_one", **PERCENT}
    rule |= {"key": {"source": ["payment_ref"], "target": ["line_ref"]}}
    reconciliation = {"source": {"feeds": ["psp"]}, "target": {"feeds": ["erp"]}, "passes": [rule]}
    with worlds.world({"small": reconciliation}) as world:
        told = worlds.World(with_rates(world.workplace, TABLE, tmp_path))
        told.deliver(windows({"psp": paid, "erp": line("t", "100.60", "USD")}))
        told.reconcile("small")
        found = {one["line_id"]: one for one in told.outcomes("small")}["t"]
    assert (found["residual"], found["rounding"]) == (Decimal("-0.02"), 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("date,currency,to\n", "no column rate"),
        (TABLE + "2026-10-09,EUR,USD,0\n", "row 4, column rate: '0'"),
        (TABLE + "2026-10-09,EUR,USD,1.0000000000001\n", "row 4, column rate: '1.0000000000001'"),
        (TABLE + "2026-10-09,EUR,USD,100000000\n", "row 4, column rate: '100000000'"),
        (TABLE + "2026-10-09,XYZ,USD,1\n", "row 4, column currency: 'XYZ'"),
        (TABLE + "05.10.2026,EUR,USD,1\n", "row 4, column date: '05.10.2026'"),
        (TABLE + "2026-10-05,EUR,USD,1\n", "a second rate for the same day"),
    ],
)
def test_a_rate_table_that_cannot_be_used_is_told_with_row_and_value(
    text: str, told: str, tmp_path: Path
) -> None:
    with worlds.world({"small": INVOICES}) as world:
        settings = with_rates(world.workplace, text, tmp_path).settings
        with pytest.raises(ConfigurationError) as refused:
            rates(settings, settings.reconciliations["small"])
    assert told in str(refused.value)
