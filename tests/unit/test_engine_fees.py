"""What a fee schedule expects: figures made by hand, a loop in plain Python, and whole runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from checks.expected import expected_fees
from checks.scope import lines_in_scope
from tests import reference_fees, worlds
from tests.reference_fees import Rule
from tests.worlds import World, examples
from tieout.breaks import breaks
from tieout.fees import FeeRule, overlaps
from tieout.lines.columns import columns
from tieout.lookup import find
from tieout.matching.expected import expected
from tieout.periods import Period
from tieout.statement import statements

NAME = "fees_to_schedule"
DAY = date(2026, 9, 27)
MONTH = Period(date(2026, 9, 1), date(2026, 9, 30))
RECONCILIATION = {
    NAME: {
        "source": {"feeds": ["psp"], "where": {"component": ["fee"]}},
        "target": {"feeds": ["psp"], "expects": "prices"},
        "timing_days": [0, 0],
        "passes": [
            {
                "name": "by_row",
                "shape": "one_to_one",
                "key": {"source": ["row_ref"], "target": ["row_ref"]},
            }
        ],
    }
}
CARDS = {"name": "cards", "currencies": ["USD"], "percent": "2.9", "fixed": "0.30"}


def row(name: str, gross: str | None, fee: str, **own: Any) -> list[dict[str, Any]]:
    """The lines of a row: the line itself, and its fee where it was charged one."""
    shared = {
        "feed": "psp",
        "row_ref": name,
        "extract_sha256": worlds.extract_sha256("x"),
        "row_number": 1,
        "received_on": DAY,
        "entity": "A",
        "currency": "USD",
        "occurred_on": DAY,
        "period": DAY,
        "payment_ref": f"pay-{name}",
        "payment_method": None,
        "category": "charge",
        "fee_passed_through": None,
    } | own
    passed, kept = shared["fee_passed_through"], Decimal(fee)
    amount = None if gross is None else Decimal(gross)
    main = shared | {
        "line_id": name,
        "amount": amount if amount is not None else -kept,
        "gross": amount,
        "fee": kept,
        "fee_passed_through": None if passed is None else Decimal(passed),
    }
    if not kept or shared["category"] == "fee":
        return [main]
    of_fee = {"line_id": f"{name}:fee", "category": "fee", "amount": -kept, "gross": None}
    return [main, shared | of_fee | {"fee": None, "fee_passed_through": None}]


def frame(lines: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(lines, columns("settlement"))


def by_the_engine(rules: Sequence[Rule], lines: Sequence[Mapping[str, Any]]) -> list[Any]:
    typed = [FeeRule.model_validate(rule) for rule in rules]
    with duckdb.connect() as connection:
        relation = connection.from_arrow(
            frame(lines).to_arrow(compat_level=pl.CompatLevel.oldest())
        )
        found = expected(relation, typed).pl()
    assert set(found["category"]) <= {"fee"}
    assert found["amount"].dtype == pl.Decimal(18, 4)
    named = found["fee_rule"].str.split(" ").list.first()
    return sorted(zip(found["line_id"], named, found["amount"], strict=True))


def by_the_checks(rules: Sequence[Rule], lines: Sequence[Mapping[str, Any]]) -> list[Any]:
    typed = [FeeRule.model_validate(rule) for rule in rules]
    found = expected_fees(frame(lines).lazy(), typed).collect()
    return sorted(zip(found["line_id"], found["amount"], strict=True))


@pytest.mark.parametrize(
    ("rule", "gross", "due"),
    [
        ({"percent": "2.9", "fixed": "0.30"}, "100.00", "3.20"),
        ({"percent": "2.9", "fixed": "0.30"}, "0.01", "0.30"),
        # 2.9 % of 5.00 is 0.145, and of 15.00 0.435: half a cent over 0.14 and over 0.43.
        ({"percent": "2.9"}, "5.00", "0.15"),
        ({"percent": "2.9", "rounding": "half_even"}, "5.00", "0.14"),
        ({"percent": "2.9", "rounding": "half_even"}, "15.00", "0.44"),
        ({"percent": "2.9", "rounding": "truncated"}, "15.00", "0.43"),
        ({"percent": "2.9", "rounding": "half_even"}, "15.01", "0.44"),
        ({"percent": "2.9", "rounding": "half_even"}, "4.99", "0.14"),
        # A refund gives the share back, halves away from zero, and costs the fixed sum.
        ({"percent": "2.9"}, "-5.00", "-0.15"),
        ({"percent": "2.9", "fixed": "0.30"}, "-100.00", "-2.60"),
        ({"percent": "-1"}, "-80.00", "0.80"),
        ({"percent": "1", "minimum": "0.50"}, "10.00", "0.50"),
        ({"percent": "1", "maximum": "5"}, "1000.00", "5.00"),
        ({"percent": "1", "maximum": "5"}, "-1000.00", "-5.00"),
        # The yen has no smaller unit, the dinar has a thousandth.
        ({"percent": "1.5", "currencies": ["JPY"]}, "1033", "15"),
        ({"percent": "1.5", "currencies": ["JPY"]}, "1034", "16"),
        ({"percent": "1.5", "fixed": "30", "currencies": ["JPY"]}, "100", "32"),
        ({"percent": "0.25", "currencies": ["KWD"]}, "1.000", "0.003"),
        ({"percent": "0.25", "currencies": ["KWD"], "rounding": "half_even"}, "1.000", "0.002"),
        ({"percent": "99", "fixed": "999999999"}, "99999999999999.9999", "99000999999999"),
    ],
)
def test_a_price_is_what_one_works_out_by_hand(rule: Rule, gross: str, due: str) -> None:
    named = {"name": "rule", "currencies": ["USD"]} | rule
    lines = row("a", gross, "0", currency=named["currencies"][0])
    assert by_the_engine([named], lines) == [("a", "rule", -Decimal(due))]
    assert by_the_checks([named], lines) == [("a", -Decimal(due))]
    assert reference_fees.price(named, lines[0]) == -Decimal(due)


def test_interchange_plus_plus_expects_the_markup_and_takes_the_rest_as_charged() -> None:
    rule = {"name": "icpp", "percent": "0.6", "pass_through": "interchange_plus_plus"}
    # 100.00: markup 0.60, interchange and scheme fees 0.4215, which are not rounded.
    lines = row("a", "100.00", "1.0215", fee_passed_through="0.4215")
    assert by_the_engine([rule], lines) == [("a", "icpp", Decimal("-1.0215"))]
    too_much = row("b", "100.00", "1.12", fee_passed_through="0.42")
    with worlds.world(RECONCILIATION, fees={"prices": [rule]}) as world:
        world.deliver({("psp", str(DAY)): [*lines, *too_much]})
        world.reconcile(NAME)
        told = {b.line_id: b.explanation for b in breaks(world.workplace, NAME, MONTH)}
    said = (
        "1.12 USD was charged and 1.02 USD is expected by icpp (0.6 % + scheme fees and "
        f"interchange) on pay-b (psp, {DAY}): 0.10 USD too much."
    )
    assert told == {"b": said, "b:fee": said}


def test_without_rules_nothing_is_expected() -> None:
    assert by_the_engine([], row("a", "100.00", "3.20")) == []
    assert by_the_checks([], row("a", "100.00", "3.20")) == []


def test_a_price_changes_on_a_day() -> None:
    until = CARDS | {"name": "old", "valid_to": "2026-09-26"}
    since = CARDS | {"name": "new", "valid_from": "2026-09-27", "percent": "3"}
    before = row("a", "100.00", "0", occurred_on=DAY - timedelta(days=1))
    found = by_the_engine([until, since], [*before, *row("b", "100.00", "0")])
    assert found == [("a", "old", Decimal("-3.20")), ("b", "new", Decimal("-3.30"))]


def test_every_case_has_a_sentence_and_both_sides_add_up() -> None:
    rules = [
        CARDS,
        {"name": "monthly", "categories": ["fee"], "currencies": ["USD"], "fixed": "49"},
    ]
    lines = [
        *row("right", "100.00", "3.20"),
        *row("low", "100.00", "3.00"),
        *row("waived", "100.00", "0"),
        *row("refund", "-100.00", "0", category="refund"),
        *row("odd", "-100.00", "1.00", category="refund"),
        *row("month", "-49.00", "0", category="fee"),
        *row("more", "-51.00", "0", category="fee"),
        *row("nothing", None, "0"),
    ]
    with worlds.world(RECONCILIATION, fees={"prices": rules}) as world:
        world.deliver({("psp", str(DAY)): lines})
        world.reconcile(NAME)
        found = breaks(world.workplace, NAME, MONTH)
        made = {one.side: one for one in statements(world.workplace, NAME, MONTH)}
        line, fee = find(world.workplace, "right").lines
        (month,) = find(world.workplace, "month").lines
    assert [one.explanation for one in (*line.outcomes, *fee.outcomes, *month.outcomes)] == [
        f"Charged as cards (2.9 % + 0.30) expects, by right:fee (psp), complete on {DAY}.",
        f"Charged as cards (2.9 % + 0.30) expects, complete on {DAY}.",
        f"Charged as monthly (49.00) expects, complete on {DAY}.",
        f"Charged as monthly (49.00) expects, by month (psp), complete on {DAY}.",
    ]
    told = {(b.side, b.line_id): b.explanation for b in found}
    low = (
        "3.00 USD was charged and 3.20 USD is expected by cards (2.9 % + 0.30) on pay-low "
        f"(psp, {DAY}): 0.20 USD too little."
    )
    more = (
        "51.00 USD was charged and 49.00 USD is expected by monthly (49.00) on pay-more "
        f"(psp, {DAY}): 2.00 USD too much."
    )
    assert told == {
        ("source", "low:fee"): low,
        ("target", "low"): low,
        ("source", "more"): more,
        ("target", "more"): more,
        ("target", "waived"): (
            "3.20 USD is expected by cards (2.9 % + 0.30) on pay-waived "
            f"(psp, {DAY}), and nothing was charged."
        ),
        ("source", "odd:fee"): (
            f"1.00 USD was charged on pay-odd (psp, {DAY}), and no rule of the fee schedule "
            "expects it."
        ),
    }
    for side, received, matched in (("source", 5, 2), ("target", 5, 2)):
        assert made[side].rows["received"].count == received
        assert made[side].rows["matched"].amount == Decimal("-52.20")
        assert made[side].rows["matched"].count == matched
        assert made[side].rows["unexplained"].count == 0
        assert made[side].holds
    assert made["target"].rows["received"].amount == -(49 * 2 + Decimal("3.20") * 3)


GROSS = ["100.00", "5.00", "15.00", "-5.00", "33.33", "0.01", "1033", "1034", "-250", "0", "1.0050"]
FEES = ["0", "3.20", "0.15", "0.14", "15", "16", "1.00", "-0.15"]
PRICES: dict[str, Sequence[Any]] = {
    "percent": ["0", "2.9", "0.25", "1.5", "-1", "50", "0.000001"],
    "fixed": ["0", "0.30", "0.005", "30"],
    "minimum": [None, "0.50", "0.015"],
    "maximum": [None, "0.75", "20"],
    "rounding": ["half_up", "half_even", "truncated"],
    "pass_through": [None, None, "interchange_plus_plus", "everything"],
}
CHOICES: dict[str, list[str]] = {
    "feeds": ["psp"],
    "categories": ["charge", "refund", "fee"],
    "entities": ["A", "B"],
    "methods": ["visa", "SEPA"],
}


@st.composite
def schedules(draw: st.DrawFn) -> list[Rule]:
    """Rules that exclude each other; those that do not are left out."""
    kept: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 6))):
        rule: dict[str, Any] = {"name": f"rule{number}"}
        for key, words in CHOICES.items():
            if draw(st.booleans()):
                rule[key] = draw(st.lists(st.sampled_from(words), min_size=1, unique=True))
        several = st.lists(st.sampled_from(sorted(reference_fees.UNITS)), min_size=1, unique=True)
        rule["currencies"] = draw(several)
        if draw(st.booleans()):
            rule["valid_from"] = str(DAY)
        if draw(st.booleans()):
            rule["valid_to"] = str(DAY + timedelta(days=draw(st.integers(0, 2))))
        drawn = {key: draw(st.sampled_from(values)) for key, values in PRICES.items()}
        if drawn["pass_through"] == "everything":
            drawn = {"pass_through": "everything"}
        if "fee" in rule.get("categories", ()):
            drawn["percent"] = "0"
        rule |= {key: value for key, value in drawn.items() if value is not None}
        if Decimal(rule.get("minimum", 0)) > Decimal(rule.get("maximum", 99)):
            del rule["maximum"]
        typed = [FeeRule.model_validate(one) for one in [*kept, rule]]
        if not list(overlaps(typed)):
            kept.append(rule)
    return kept


@st.composite
def rows(draw: st.DrawFn, names: str = "r") -> list[dict[str, Any]]:
    """Lines of some rows."""
    lines: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 30))):
        day = DAY + timedelta(days=draw(st.integers(-1, 2)))
        category = draw(st.sampled_from(["charge", "charge", "refund", "fee", "payout"]))
        lines += row(
            f"{names}{number}",
            draw(st.sampled_from(GROSS)),
            "0" if category == "fee" else draw(st.sampled_from(FEES)),
            category=category,
            entity=draw(st.sampled_from("AB")),
            currency=draw(st.sampled_from(sorted(reference_fees.UNITS))),
            payment_method=draw(st.sampled_from([None, "visa", "sepa", "VISA"])),
            fee_passed_through=draw(st.sampled_from([None, "0", "0.42", "-0.10"])),
            occurred_on=day,
            period=day,
        )
    return lines


@examples(20, phases=[Phase.generate])
@given(schedules(), rows())
def test_the_engine_and_the_checks_expect_what_the_oracle_does(
    rules: list[Rule], lines: list[dict[str, Any]]
) -> None:
    due = list(reference_fees.expected(rules, lines))
    wanted = sorted((line["line_id"], rule["name"], amount) for line, rule, amount in due)
    assert by_the_engine(rules, lines) == wanted
    assert by_the_checks(rules, lines) == [(name, amount) for name, _, amount in wanted]


def deliver(world: World, windows: Mapping[date, Sequence[Mapping[str, Any]]]) -> None:
    world.deliver(
        {
            ("psp", str(day)): [{**line, "received_on": day} for line in lines]
            for day, lines in windows.items()
        }
    )


@examples(2, phases=[Phase.generate])
@given(schedules(), schedules(), rows("a"), rows("b"), rows("b"))
def test_a_reconciliation_follows_its_lines_and_its_schedule(
    rules: list[Rule],
    later: list[Rule],
    first: list[dict[str, Any]],
    second: list[dict[str, Any]],
    corrected: list[dict[str, Any]],
) -> None:
    """Windows that come one after the other, one of them corrected, and then other prices."""
    end = DAY + timedelta(days=5)
    with worlds.world(RECONCILIATION, fees={"prices": rules}) as world:
        deliver(world, {DAY: first})
        world.reconcile(NAME)
        deliver(world, {end: second})
        world.reconcile(NAME)
        assert_as_the_oracle_says(world, rules, [*first, *second])
        deliver(world, {end: corrected})
        world.reconcile(NAME)
        assert_as_the_oracle_says(world, rules, [*first, *corrected])
        assert world.reconcile(NAME).days == ()
        repriced = worlds.settings(RECONCILIATION, {"prices": later})
        object.__setattr__(world.workplace, "settings", repriced)
        world.reconcile(NAME)
        assert_as_the_oracle_says(world, later, [*first, *corrected])


def assert_as_the_oracle_says(world: World, rules: list[Rule], lines: list[dict[str, Any]]) -> None:
    wanted = reference_fees.verdicts(rules, lines)
    found = {}
    for one in world.outcomes(NAME):
        assert one["outcome"] == ("open" if one["break_class"] else "matched")
        rule = one["fee_rule"].split(" ")[0]
        found[one["side"], one["line_id"]] = (
            one["break_class"],
            None if one["fee_rule"] == "no rule" else rule,
            one["other_amount"],
        )
    assert found == wanted
    heads = world.workplace.register.heads("lines/psp")
    versions = {("lines/psp", window): head.version for window, head in heads.items()}
    checked = lines_in_scope(world.workplace, NAME, versions).collect()
    assert sorted(zip(checked["side"], checked["line_id"], strict=True)) == sorted(wanted)
    for statement in statements(world.workplace, NAME, MONTH):
        assert statement.rows["unexplained"].count == 0
        assert statement.rows["unexplained"].amount == 0
