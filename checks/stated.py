"""Published statements read back as their files have them, and how checks speak of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from checks.published import WINDOW, scan_windows
from tieout.model import Figure
from tieout.money import text_amount
from tieout.statement import STATEMENTS
from tieout.workplace import Workplace

Statement = Mapping[str, Any]
"""A statement as it lies in the file: Statement.as_json()."""
NEVER = "no statement of this day is published"


def published(
    workplace: Workplace, name: str, days: Sequence[str]
) -> dict[str, list[Statement] | None]:
    """Statements of days as their files have them; None for a day never published."""
    heads = workplace.register.heads(f"statements/{name}", days)
    found: dict[str, list[Statement] | None] = {day: [] if day in heads else None for day in days}
    rows = scan_windows(workplace, heads, STATEMENTS).select(WINDOW, "json").collect()
    for day, text in rows.iter_rows():
        statements = found[day]
        assert statements is not None
        statements.append(json.loads(text))
    return found


def read_figure(given: Mapping[str, Any]) -> Figure:
    """A figure of a statement."""
    return Figure(given["count"], Decimal(given["amount"]))


def named(one: Statement) -> str:
    """Which of the statements of a day it is."""
    return f"{one['side']} {one['entity']} {one['currency']}"


def told_figure(figure: Figure, one: Statement) -> str:
    """Lines and amount in words."""
    return f"{figure.count:,} lines and {text_amount(figure.amount, one['currency'])}"
