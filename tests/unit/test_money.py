"""Money: no digit is lost, no currency mixed, nothing but a plain decimal read."""

from __future__ import annotations

import json
import pickle
from decimal import Decimal, Inexact, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tieout.errors import MixedCurrencyError, TieoutError
from tieout.model import Figure
from tieout.money import (
    Money,
    added,
    exact,
    known_currencies,
    minor_units,
    plain_amount,
    subtracted,
    text_amount,
    total,
)

# Up to DECIMAL(38,12) and beyond: 38 digits before the point, 12 after it.
AMOUNTS = st.builds(
    lambda whole, fraction, places: Decimal(f"{whole}.{fraction:012d}"[: len(str(whole)) + places]),
    st.integers(min_value=-(10**38), max_value=10**38),
    st.integers(min_value=0, max_value=10**12 - 1),
    st.integers(min_value=0, max_value=13),
)
CURRENCIES = st.sampled_from(sorted(known_currencies()))


@given(AMOUNTS, AMOUNTS)
@example(Decimal("99999999999999999999999999999999999999"), Decimal("0.000000000001"))
def test_sums_and_differences_are_exact(one: Decimal, other: Decimal) -> None:
    assert Fraction(added(one, other)) == Fraction(one) + Fraction(other)
    assert Fraction(subtracted(one, other)) == Fraction(one) - Fraction(other)
    figure = Figure(1, one) + Figure(2, other) - Figure(1, other)
    assert figure == Figure(2, one)
    assert Fraction((Money(one, "EUR") + Money(other, "EUR")).amount) == Fraction(one) + Fraction(
        other
    )
    assert Fraction((Money(one, "EUR") - Money(other, "EUR")).amount) == Fraction(one) - Fraction(
        other
    )
    assert Fraction((-Money(one, "EUR")).amount) == -Fraction(one)


@given(st.lists(AMOUNTS, max_size=20), st.integers(min_value=1, max_value=28))
def test_a_total_does_not_depend_on_the_callers_decimal_context(
    amounts: list[Decimal], precision: int
) -> None:
    with localcontext() as context:
        context.prec = precision
        found = total((Money(a, "USD") for a in amounts), "USD")
    assert Fraction(found.amount) == sum(map(Fraction, amounts), Fraction(0))


def test_what_cannot_be_added_exactly_raises() -> None:
    with pytest.raises(Inexact):
        added(Decimal("1e200"), Decimal("1e-200"))


@given(AMOUNTS, CURRENCIES)
@example(Decimal("-0.00"), "USD")
@example(Decimal("1E+3"), "JPY")
@example(Decimal("0.00000080"), "USD")
def test_text_reads_back_as_the_same_amount(amount: Decimal, currency: str) -> None:
    plain = plain_amount(amount, currency)
    assert exact(plain) == amount
    assert exact(text_amount(amount, currency).replace(",", "")) == amount
    assert "E" not in plain
    assert not (plain.startswith("-") and amount == 0)
    fraction = plain.partition(".")[2]
    assert len(fraction) >= minor_units(currency)
    if len(fraction) > minor_units(currency):
        assert not fraction.endswith("0")


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("1203311.2", "USD", "1,203,311.20"),
        ("-120", "USD", "-120.00"),
        ("0.0000008", "USD", "0.0000008"),
        ("1500", "JPY", "1,500"),
        ("1500.5", "JPY", "1,500.5"),
        ("1.2", "KWD", "1.200"),
        ("-0", "EUR", "0.00"),
        ("7", "XXX", "7.00"),
    ],
)
def test_text_shows_the_minor_unit(amount: str, currency: str, shown: str) -> None:
    assert text_amount(Decimal(amount), currency) == shown
    assert str(Money(Decimal(amount), currency)) == f"{shown} {currency}"


@given(st.sampled_from(["USD", "EUR", "JPY"]), st.sampled_from(["GBP", "KWD", "XXX"]))
def test_two_currencies_never_add_up(one: str, other: str) -> None:
    first, second = Money(Decimal(1), one), Money(Decimal(1), other)
    with pytest.raises(MixedCurrencyError, match=f"{one} and {other}"):
        _ = first + second
    with pytest.raises(MixedCurrencyError):
        _ = first - second
    with pytest.raises(MixedCurrencyError):
        total([first, second], one)


@pytest.mark.parametrize("amount", [1.5, 1, "1.50", Decimal("NaN"), Decimal("Infinity"), None])
def test_money_is_a_finite_decimal(amount: object) -> None:
    with pytest.raises(TypeError, match="finite Decimal"):
        Money(amount, "USD")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["", " ", "1 ", "1\n", "\n1", "NaN", "-Infinity", "1e400", "1E2", "0x1F", "1_000", "1,000.00"]
    + ["--1", "+-1", ".", "-", "1.2.3", "١٢", "1.5f", "١.٥", "=1+1", "$5"],
)
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(TieoutError, match="plain decimal"):
        exact(text)


@given(st.text(max_size=12))
def test_reading_accepts_exactly_the_plain_decimals(text: str) -> None:
    # The oracle knows nothing of the pattern: it takes the number apart by hand.
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    whole, point, fraction = unsigned.partition(".")
    plain = (whole + fraction) != "" and all(c in "0123456789" for c in whole + fraction)
    plain = plain and (whole != "" or point == ".")
    if plain:
        sign = -1 if text[0] == "-" else 1
        digits = Fraction(int(whole + fraction), 10 ** len(fraction))
        assert Fraction(exact(text)) == sign * digits
    else:
        with pytest.raises(TieoutError):
            exact(text)


@given(st.integers(min_value=-(10**60), max_value=10**60), st.integers(0, 40))
def test_long_numbers_are_read_to_the_last_digit(digits: int, places: int) -> None:
    text = f"{abs(digits):0{places + 1}d}"
    cut = len(text) - places
    text = ("-" if digits < 0 else "") + text[:cut] + "." + text[cut:]
    assert Fraction(exact(text)) == Fraction(digits, 10**places)


def test_minor_units_are_those_of_iso_4217() -> None:
    assert [minor_units(c) for c in ("USD", "JPY", "KWD", "CLF", "XAU", "XXX")] == [
        2,
        0,
        3,
        4,
        2,
        2,
    ]
    assert {"USD", "EUR", "GBP", "JPY"} <= known_currencies()


@pytest.mark.parametrize("code", ["usd", "ZZZ", "", "US", "840", "USD "])
def test_an_unknown_currency_is_an_error(code: str) -> None:
    with pytest.raises(TieoutError, match="unknown currency"):
        minor_units(code)
    assert code not in known_currencies()


@given(st.integers(0, 10**9), AMOUNTS, CURRENCIES)
def test_json_carries_amounts_as_text(count: int, amount: Decimal, currency: str) -> None:
    read = json.loads(json.dumps(Figure(count, amount).as_json(currency)))
    assert read["count"] == count
    assert isinstance(read["amount"], str)
    assert Decimal(read["amount"]) == amount


def test_an_error_says_where_what_and_the_remedy() -> None:
    error = TieoutError("amount is empty", "fill it", "ledger.csv:7")
    assert str(error) == "ledger.csv:7: amount is empty -> fill it"
    assert str(TieoutError("amount is empty")) == "amount is empty"
    assert len({error, TieoutError("amount is empty", "fill it", "ledger.csv:7")}) == 2
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301
