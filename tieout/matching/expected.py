"""What a fee schedule expects, in place of lines that somebody delivered.

Grain: one settlement line that carries a gross and that a rule applies to. It keeps its references
and becomes a fee: the price of the rule on its gross, rounded once to the currency's minor unit.
Built as expressions from the validated schedule, like the sides themselves, in exact decimals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import reduce

import duckdb
from duckdb import (
    CaseExpression,
    CoalesceOperator,
    ColumnExpression,
    ConstantExpression,
    FunctionExpression,
)

from tieout.fees import FeeRule
from tieout.lines.columns import columns
from tieout.money import known_currencies, minor_units

Expression = duckdb.Expression

NO_RULE = "no rule"
"""`fee_rule` of a fee that was charged; the name of a rule has no space."""

_USUAL = 2
_FULL = Decimal(10) ** 14
"""Above every line amount; what would be more is expected of nothing."""
_PRODUCT = "DECIMAL(30,12)"
_UNITS = "DECIMAL(24,0)"
_SUM = "DECIMAL(30,4)"
_LINE = "DECIMAL(18,4)"


def expected(
    relation: duckdb.DuckDBPyRelation, rules: Sequence[FeeRule]
) -> duckdb.DuckDBPyRelation:
    """The fees that the rules expect on settlement lines, as settlement lines with `fee_rule`.

    A line whose fee should be nothing, and is, is left out.
    """
    kept = [ColumnExpression(name) for name in columns("settlement")]
    position = ColumnExpression("rule_position")
    chosen = relation.select(*kept, _position(rules).alias("rule_position"))
    costed = chosen.filter(position.isnotnull()).select(
        *kept,
        position,
        _by_rule(rules, _cost).cast(_PRODUCT).alias("cost"),
        _by_rule(rules, _taken_as_charged).cast(_SUM).alias("as_charged"),
    )
    counted = costed.select(
        *kept,
        position,
        *(ColumnExpression(name) for name in ("cost", "as_charged")),
        _whole_units().alias("whole"),
    )
    priced = counted.select(*kept, position, _price(rules).alias("price"))
    price = ColumnExpression("price")
    charged = CoalesceOperator(ColumnExpression("fee"), _of(0, _LINE)) != _of(0, _LINE)
    due = (price != _of(0, _SUM)) | charged
    found = priced.filter(due & (FunctionExpression("abs", price) < _of(_FULL, _SUM)))
    changed = {
        "amount": price.cast(_LINE).alias("amount"),
        "category": ConstantExpression("fee").alias("category"),
    }
    return found.select(
        *(changed.get(name, ColumnExpression(name)) for name in columns("settlement")),
        _by_rule(rules, lambda r: ConstantExpression(r.described()))
        .cast("VARCHAR")
        .alias("fee_rule"),
    )


def _position(rules: Sequence[FeeRule]) -> Expression:
    """The number of the rule that applies to a line; no two ever do. NULL where none does."""
    found = ConstantExpression(None).cast("INTEGER")
    for number, rule in enumerate(rules):
        found = CaseExpression(_applies(rule), _of(number, "INTEGER")).otherwise(found)
    return found


def _by_rule(rules: Sequence[FeeRule], value: Callable[[FeeRule], Expression]) -> Expression:
    chosen: Expression = ConstantExpression(None)
    for number, rule in enumerate(rules):
        here = ColumnExpression("rule_position") == _of(number, "INTEGER")
        chosen = CaseExpression(here, value(rule)).otherwise(chosen)
    return chosen


def _applies(rule: FeeRule) -> Expression:
    happened = ColumnExpression("occurred_on")
    conditions = [ColumnExpression("gross").isnotnull()]
    for name, values in (
        ("feed", rule.feeds),
        ("category", rule.categories),
        ("entity", rule.entities),
        ("currency", rule.currencies),
    ):
        conditions += [_one_of(ColumnExpression(name), values)] if values else []
    if rule.methods:
        method = FunctionExpression("lower", ColumnExpression("payment_method"))
        conditions.append(_one_of(method, rule.methods))
    if rule.valid_from is not None:
        conditions.append(happened >= ConstantExpression(rule.valid_from))
    if rule.valid_to is not None:
        conditions.append(happened <= ConstantExpression(rule.valid_to))
    return reduce(lambda a, b: a & b, conditions)


def _cost(rule: FeeRule) -> Expression:
    """Percent and fixed of a rule within its bounds, to the last digit; above zero where we pay.

    Minimum and maximum bound the size; the sign stays.
    """
    gross = ColumnExpression("gross").cast("DECIMAL(24,4)")
    share = (gross * _of(rule.percent / 100, "DECIMAL(10,8)")).cast(_PRODUCT)
    cost = (share + _of(rule.fixed, _PRODUCT)).cast(_PRODUCT)
    if rule.minimum is None and rule.maximum is None:
        return cost
    size = FunctionExpression("abs", cost)
    if rule.minimum is not None:
        size = FunctionExpression("greatest", size, _of(rule.minimum, _PRODUCT))
    if rule.maximum is not None:
        size = FunctionExpression("least", size, _of(rule.maximum, _PRODUCT))
    return CaseExpression(cost < _of(0, _PRODUCT), -size).otherwise(size).cast(_PRODUCT)


def _taken_as_charged(rule: FeeRule) -> Expression:
    """What passes through a rule, above zero where we pay."""
    if rule.takes_everything:
        own_fee = ColumnExpression("category") == ConstantExpression("fee")
        charged = CoalesceOperator(ColumnExpression("fee"), _of(0, _LINE))
        return CaseExpression(own_fee, -ColumnExpression("amount")).otherwise(charged).cast(_SUM)
    if rule.adds_costs:
        passed = CoalesceOperator(ColumnExpression("fee_passed_through"), _of(0, _LINE))
        return passed.cast(_SUM)
    return _of(0, _SUM)


def _exact_units() -> Expression:
    """The size of the cost in minor units of the line's currency."""
    per_unit = _by_places(lambda places: _of(10**places, "DECIMAL(5,0)"))
    return FunctionExpression("abs", ColumnExpression("cost") * per_unit)


def _whole_units() -> Expression:
    return FunctionExpression("floor", _exact_units()).cast(_UNITS)


def _price(rules: Sequence[FeeRule]) -> Expression:
    """The fee as a line has it, below zero where we pay: rounded, and what is taken as charged."""
    whole = ColumnExpression("whole")
    units = whole + CaseExpression(_rounds_up(rules), _of(1, _UNITS)).otherwise(_of(0, _UNITS))
    unit = _by_places(lambda places: _of(Decimal(1).scaleb(-places), "DECIMAL(5,4)"))
    size = (units.cast(_UNITS) * unit).cast(_SUM)
    gives_back = ColumnExpression("cost") < _of(0, _PRODUCT)
    rounded = CaseExpression(gives_back, -size).otherwise(size)
    return (-(rounded + ColumnExpression("as_charged"))).cast(_SUM)


def _rounds_up(rules: Sequence[FeeRule]) -> Expression:
    """Whether the part of a minor unit that is left makes a whole one, away from zero."""
    whole, how = (
        ColumnExpression("whole"),
        _by_rule(rules, lambda r: ConstantExpression(r.rounding)),
    )
    rest, half = _exact_units() - whole, _of("0.5", "DECIMAL(2,1)")
    odd = (whole.cast("HUGEINT") % _of(2, "HUGEINT")) == _of(1, "HUGEINT")
    over = (rest > half) & (how != ConstantExpression("truncated"))
    at_half = (how == ConstantExpression("half_up")) | (
        (how == ConstantExpression("half_even")) & odd
    )
    return over | ((rest == half) & at_half)


def _by_places(value: Callable[[int], Expression]) -> Expression:
    """A value by the number of decimals that the line's currency has."""
    by_places: dict[int, list[str]] = {}
    for code in sorted(known_currencies()):
        by_places.setdefault(minor_units(code), []).append(code)
    chosen = value(_USUAL)
    for places, codes in sorted(by_places.items()):
        if places != _USUAL:
            here = _one_of(ColumnExpression("currency"), codes)
            chosen = CaseExpression(here, value(places)).otherwise(chosen)
    return chosen


def _one_of(column: Expression, values: Iterable[str]) -> Expression:
    return column.isin(*(ConstantExpression(value) for value in values))


def _of(value: object, of_type: str) -> Expression:
    return ConstantExpression(value).cast(of_type)
