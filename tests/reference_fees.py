"""The oracle's fee schedule: one line and one rule at a time, with Python's decimals only.

Rules are mappings as tieout.yaml writes them, lines mappings of canonical columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from typing import Any

Rule = Mapping[str, Any]
Line = Mapping[str, Any]

UNITS = {"USD": "0.01", "EUR": "0.01", "JPY": "1", "KWD": "0.001"}
_HALVES = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "truncated": ROUND_DOWN}
_LISTS = {
    "feeds": "feed",
    "entities": "entity",
    "currencies": "currency",
}


def applies(rule: Rule, line: Line) -> bool:
    """Whether a rule is about a line."""
    if line["gross"] is None or line["category"] not in rule.get("categories", ["charge"]):
        return False
    for key, column in _LISTS.items():
        if key in rule and line[column] not in rule[key]:
            return False
    if "methods" in rule:
        method = line["payment_method"]
        if method is None or method.lower() not in [m.lower() for m in rule["methods"]]:
            return False
    begins, ends = rule.get("valid_from"), rule.get("valid_to")
    if begins is not None and line["occurred_on"] < date.fromisoformat(begins):
        return False
    return ends is None or line["occurred_on"] <= date.fromisoformat(ends)


def price(rule: Rule, line: Line) -> Decimal:
    """What the rule expects on a line, negative where we pay."""
    zero = Decimal(0)
    passed = rule.get("pass_through")
    if passed == "everything":
        return line["amount"] if line["category"] == "fee" else -(line["fee"] or zero)
    with localcontext(prec=60):
        cost = line["gross"] * Decimal(rule.get("percent", "0")) / 100
        cost += Decimal(rule.get("fixed", "0"))
        sign = -1 if cost < 0 else 1
        size = abs(cost)
        if "minimum" in rule:
            size = max(size, Decimal(rule["minimum"]))
        if "maximum" in rule:
            size = min(size, Decimal(rule["maximum"]))
        how = _HALVES[rule.get("rounding", "half_up")]
        size = size.quantize(Decimal(UNITS[line["currency"]]), how)
        whole = sign * size
        if passed == "interchange_plus_plus":
            whole += line["fee_passed_through"] or zero
        return -whole


def expected(rules: Sequence[Rule], lines: Iterable[Line]) -> Iterator[tuple[Line, Rule, Decimal]]:
    """Every line that a fee is expected on, its rule and the fee."""
    for line in lines:
        found = [rule for rule in rules if applies(rule, line)]
        assert len(found) <= 1, f"rules that exclude each other both apply to {line}"
        if found:
            amount = price(found[0], line)
            if amount or line["fee"]:
                yield line, found[0], amount


def verdicts(
    rules: Sequence[Rule], lines: Sequence[Line]
) -> dict[tuple[str, str], tuple[str | None, str | None, Decimal | None]]:
    """Class (None: matched), rule and the other side's amount, by side and line_id.

    For lines that came once, each row with at most one fee line.
    """
    fees = {line["row_ref"]: line for line in lines if line["category"] == "fee"}
    due = {line["row_ref"]: (line, rule, amount) for line, rule, amount in expected(rules, lines)}
    told: dict[tuple[str, str], tuple[str | None, str | None, Decimal | None]] = {}
    for row in {*fees, *due}:
        fee = fees.get(row)
        line, rule, amount = due.get(row, (None, None, None))
        name = rule["name"] if rule else None
        if fee is None:
            assert line is not None
            told["target", line["line_id"]] = ("missing_in_source", name, None)
        elif line is None:
            told["source", fee["line_id"]] = ("missing_in_target", None, None)
        else:
            kind = None if amount == fee["amount"] else "fee_variance"
            told["source", fee["line_id"]] = (kind, name, amount if kind else None)
            told["target", line["line_id"]] = (kind, name, fee["amount"] if kind else None)
    return told
