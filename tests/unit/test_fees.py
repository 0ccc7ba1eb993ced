"""Fee schedules in the configuration: which rules exclude each other, and what is no price."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cli import tieout
from tests import reference_fees
from tests.worlds import examples
from tieout.fees import FeeRule, overlaps

RIGHT = dedent("""\
    company: Example GmbH
    calendar: {start: 2026-10-01}
    entities:
      DE01: {name: Example GmbH, currency: EUR}
    feeds:
      adyen: {format: adyen_settlement_detail, location: "adyen/{date}.csv"}
      paypal: {format: paypal_activity, location: "paypal/{date}.csv", entity: DE01}
      ledger: {format: ledger_csv, location: "ledger/{date}.csv"}
    fees:
      prices:
        - {name: cards, feeds: [adyen], methods: [visa, mc], percent: 0.6}
        - {name: transfers, feeds: [adyen], methods: [sepa], percent: 1}
        - {name: wallets, feeds: [paypal], currencies: [EUR], percent: 2.49, fixed: 0.35}
    reconciliations:
      fees_to_schedule:
        source: {feeds: [adyen, paypal], where: {component: [fee]}}
        target: {feeds: [adyen, paypal], expects: prices}
        timing_days: [0, 0]
        passes:
          - {name: by_row, shape: one_to_one, key: {source: [row_ref], target: [row_ref]}}
    """)


def run(tmp_path: Path, text: str) -> Result:
    (tmp_path / "tieout.yaml").write_text(text)
    return CliRunner().invoke(tieout, ["validate", "--config", str(tmp_path / "tieout.yaml")])


def test_a_schedule_is_valid(tmp_path: Path) -> None:
    result = run(tmp_path, RIGHT)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("was", "becomes", "line", "said"),
    [
        ("expects: prices", "expects: princes", 17, "no fee schedule 'princes'; schedules are pri"),
        ("[sepa]", "[SEPA, visa]", 12, "rules 'cards' and 'transfers' could both apply to one"),
        ("[sepa]", "[SEPA, visa]", 12, "(adyen, charge, visa)"),
        ("methods: [sepa], ", "", 12, "could both apply"),
        ("name: transfers", "name: cards", 12, "two rules are named 'cards'"),
        ("feeds: [paypal], c", "feeds: [paypall], c", 13, "no such feeds: 'paypall'"),
        ("name: wallets", "name: wallets, entities: [FR]", 13, "no such entities: 'FR'; DE01"),
        ("currencies: [EUR], ", "", 13, "amounts: name their currencies"),
        ("currencies: [EUR]", "currencies: [EURO]", 13, "unknown currency 'EURO'"),
        ("percent: 1}", "percent: 1, categories: [charges]}", 12, "(did you mean 'charge'?)"),
        ("percent: 1}", "percent: 1, categories: [fee]}", 12, "has a fixed price, not a percent"),
        ("percent: 1}", "percent: 101}", 12, "less than or equal to 99"),
        ("percent: 1}", "percent: 0.0000001}", 12, "no more than 6 decimal places"),
        ("percent: 1}", "percnt: 1}", 12, "did you mean 'percent'?"),
        ("percent: 1}", "percent: 1, pass_through: everything}", 12, "has no price of its own"),
        (
            "percent: 1}",
            "percent: 1, valid_from: 2026-02-01, valid_to: 2026-01-31}",
            12,
            "is befor",
        ),
        (", fixed: 0.35", ", minimum: 2, maximum: 1", 13, "minimum 2 is more than maximum 1"),
        ("name: wallets, ", "name: wallets, methods: [paypal], ", 13, "does not say its payment_m"),
        ("fixed: 0.35", "pass_through: interchange_plus_plus", 13, "its fee_passed_through; name"),
        ("expects: prices", "expects: prices, sign: -1", 17, "no where, no sign"),
        ("{component: [fee]}", "{component: [fee]}, expects: prices", 16, "chosen by its rules"),
        ("where: {component: [fee]}", "expects: prices", 15, "the source is what was charged"),
        ("{feeds: [adyen, paypal], e", "{feeds: [ledger], e", 17, "ledger has ledger lines"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, was: str, becomes: str, line: int, said: str
) -> None:
    assert RIGHT.count(was) == 1
    result = run(tmp_path, RIGHT.replace(was, becomes))
    assert result.exit_code == 2, result.output
    found = [row for row in result.stderr.splitlines() if said in row]
    assert len(found) == 1, result.stderr
    assert f"tieout.yaml:{line}: " in found[0]


def test_the_schedule_in_the_documentation_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "domain.md").read_text()
    example = page.partition("```yaml\nfees:")[2].partition("```")[0]
    assert "provider_prices" in example
    feeds = RIGHT.partition("  paypal:")[0] + (
        '  stripe: {format: stripe_balance, location: "stripe/{date}.csv", entity: DE01}\n'
    )
    result = run(tmp_path, f"{feeds}fees:{example}")
    assert result.exit_code == 0, result.output


DAYS = [date(2026, 1, 1) + timedelta(days=n) for n in range(4)]
WORDS: dict[str, list[str]] = {
    "feeds": ["psp", "psp_b"],
    "categories": ["charge", "refund"],
    "entities": ["A", "B"],
    "currencies": ["USD", "JPY"],
    "methods": ["visa", "Sepa"],
}
EVERY_LINE = [
    {
        "feed": feed,
        "category": category,
        "entity": entity,
        "currency": currency,
        "payment_method": method,
        "occurred_on": day,
        "gross": 1,
    }
    for feed, category, entity, currency, method, day in product(
        *WORDS.values(), [DAYS[0] - timedelta(days=9), *DAYS, DAYS[-1] + timedelta(days=9)]
    )
]


@st.composite
def selections(draw: st.DrawFn) -> dict[str, Any]:
    """What lines a rule is about; seldom anything at all is named."""
    chosen: dict[str, Any] = {"name": "r"}
    for key, words in WORDS.items():
        if draw(st.booleans()):
            chosen[key] = draw(st.lists(st.sampled_from(words), min_size=1, unique=True))
    begins, ends = draw(st.sampled_from([None, *DAYS])), draw(st.sampled_from([None, *DAYS]))
    if begins is not None and ends is not None:
        begins, ends = min(begins, ends), max(begins, ends)
    for key, day in (("valid_from", begins), ("valid_to", ends)):
        if day is not None:
            chosen[key] = str(day)
    return chosen


@examples(300)
@given(selections(), selections())
def test_rules_overlap_just_where_a_line_exists_that_both_apply_to(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    rules = [FeeRule.model_validate(rule) for rule in (one, other)]
    both = [
        line
        for line in EVERY_LINE
        if reference_fees.applies(one, line) and reference_fees.applies(other, line)
    ]
    assert bool(list(overlaps(rules))) == bool(both)
