"""Statements and breaks for the tests of what readers see: written out, or drawn at random."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import strategies as st

from tieout.model import AGES, BREAK_CLASSES, Break, Figure, SideName, Statement
from tieout.periods import Period, parse_period

HOSTILE = (
    '=HYPERLINK("http://x.invalid","y")',
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "＝1+1",
    "'=1+1",
    "http://x.invalid/a",
    "mailto:someone@x.invalid",
    "<script>alert(1)</script>",
    "a|b`c`[d](http://x.invalid)",
    "\x1b[31mred\x00",
)
"""Texts that a spreadsheet, a browser, Markdown or a terminal would read as more than text."""


def figure(count: int, amount: str) -> Figure:
    return Figure(count, Decimal(amount))


def statement(
    side: SideName = "source",
    *,
    name: str = "settlement_to_ledger",
    period: str = "2026-10",
    entity: str = "US01",
    currency: str = "USD",
    unexplained: Figure | None = None,
) -> Statement:
    """The statement that the design writes out: 12,031 lines received."""
    rows = {
        "received": figure(12031, "1203311.20"),
        "not_in_file": figure(0, "0"),
        "quarantined": figure(3, "120"),
        "duplicates": figure(2, "88.10"),
        "accepted": figure(12026, "1203103.10"),
        "matched": figure(12010, "1202000"),
        "matched_in_transit": figure(4, "500"),
        "timing": figure(6, "403.10"),
        "breaks": figure(6, "200"),
        "unexplained": unexplained or Figure(),
    }
    classes = {"missing_in_target": figure(4, "150"), "amount_mismatch": figure(2, "50")}
    ageing = {age: Figure() for age in AGES}
    return Statement(
        name,
        parse_period(period),
        entity,
        currency,
        side,
        rows,
        classes if side == "source" else {"missing_in_source": figure(6, "200")},
        {
            "opening": figure(2, "10"),
            "new": figure(12, "613.10"),
            "cleared": figure(2, "20"),
            "closing": figure(12, "603.10"),
        },
        ageing | {"0-1": figure(6, "403.10"), "2-7": figure(6, "200")},
        {"count": Decimal("99.83"), "amount": Decimal("99.89")},
        {"batch_out_of_balance": figure(1, "0.01")} if side == "source" else {},
    )


def one_break(
    break_class: str = "missing_in_target",
    amount: str = "150.00",
    *,
    line_id: str = "txn_1001",
    side: SideName = "source",
    currency: str = "USD",
    explanation: str = "The charge of 150.00 USD has no posting on a clearing account.",
    ref: str | None = "po_77",
    counterpart: str | None = None,
) -> Break:
    return Break(
        "settlement_to_ledger",
        break_class,
        side,
        "stripe_us",
        line_id,
        ref,
        "US01",
        currency,
        Decimal(amount),
        date(2026, 10, 5),
        date(2026, 10, 5),
        26,
        explanation,
        counterpart,
    )


AMOUNTS = st.decimals(-(10**11), 10**11, places=4)
FIGURES = st.builds(Figure, st.integers(0, 10**7), AMOUNTS)


@st.composite
def statements(draw: st.DrawFn, side: SideName = "source", currency: str = "USD") -> Statement:
    """A statement at random whose rows add up, as the engine's do."""
    classes = draw(st.dictionaries(st.sampled_from(BREAK_CLASSES), FIGURES, max_size=4))
    parts = {n: draw(FIGURES) for n in ("matched", "matched_in_transit", "timing", "unexplained")}
    parts["breaks"] = sum(classes.values(), Figure())
    accepted = sum(parts.values(), Figure())
    off = {name: draw(FIGURES) for name in ("not_in_file", "quarantined", "duplicates")}
    opening, new, cleared = draw(FIGURES), draw(FIGURES), draw(FIGURES)
    return Statement(
        "settlement_to_ledger",
        Period(date(2026, 10, 1), date(2026, 10, 31)),
        "US01",
        currency,
        side,
        {"received": sum(off.values(), accepted), "accepted": accepted, **off, **parts},
        classes,
        {"opening": opening, "new": new, "cleared": cleared, "closing": opening + new - cleared},
        {age: draw(FIGURES) for age in AGES},
        {"count": Decimal("99.83"), "amount": Decimal("99.89")},
        {},
    )
