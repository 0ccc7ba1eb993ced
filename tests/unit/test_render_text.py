"""The statement, the report and the breaks as text."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from textwrap import dedent

from hypothesis import assume, given

from tests.unit.statement_values import HOSTILE, figure, one_break, statement, statements
from tieout.model import Statement
from tieout.render import breaks, report, text
from tieout.render.layout import brief_amount, percent_text

GOLDEN = dedent("""\
    settlement_to_ledger, 2026-10, US01, USD
    ========================================
                                           ------ source ------   ------ target ------
                                            count        amount    count        amount
    received (sender's control total)      12,031  1,203,311.20   12,031  1,203,311.20
      not in the file                           0          0.00        0          0.00
      quarantined                               3       -120.00        3       -120.00
      duplicates removed                        2        -88.10        2        -88.10
    accepted                               12,026  1,203,103.10   12,026  1,203,103.10
      matched                              12,010  1,202,000.00   12,010  1,202,000.00
      matched in transit (cleared later)        4        500.00        4        500.00
      timing, inside the window                 6        403.10        6        403.10
      breaks (by class below)                   6        200.00        6        200.00
        missing_in_target                       4        150.00
        missing_in_source                                              6        200.00
        amount_mismatch                         2         50.00
    unexplained                                 0          0.00        0          0.00

    open items: opening                         2         10.00        2         10.00
      + new                                    12        613.10       12        613.10
      - cleared                                 2        -20.00        2        -20.00
      = closing                                12        603.10       12        603.10
        0-1 days old                            6        403.10        6        403.10
        2-7 days old                            6        200.00        6        200.00

    completeness, matched of received      99.83%        99.89%   99.83%        99.89%
    delivery breaks (extracts, batches)         1          0.01        0          0.00
      batch_out_of_balance                      1          0.01
    """)


def test_a_statement_reads_as_the_design_writes_it() -> None:
    assert text.statements([statement("target"), statement("source")]) == GOLDEN


def column(shown: str, label: str, side: int = 0) -> Decimal:
    """An amount read off the page by its label, as a person does."""
    line = next(row for row in shown.splitlines() if row.strip().startswith(label))
    amounts = re.findall(r"-?[\d,]+\.\d+", line)
    return Decimal(amounts[side].replace(",", ""))


@given(statements("source"), statements("target"))
def test_the_amounts_of_a_page_add_up_down_the_column(one: Statement, other: Statement) -> None:
    assume(one.rows["accepted"].count)
    shown = text.statements([one, other])
    stacked = "--- target" not in shown.splitlines()[2]
    for side, page in enumerate(shown.split("-- target --")[:2] if stacked else [shown, shown]):
        at = 0 if stacked else side

        def read(label: str, page: str = page, at: int = at) -> Decimal:
            return column(page, label, at)

        labels = ("received", "not in the file", "quarantined", "duplicates removed")
        assert sum(map(read, labels)) == read("accepted")
        parts = ("matched  ", "matched in transit", "timing", "breaks", "unexplained")
        assert sum(map(read, parts)) == read("accepted")
        assert sum(map(read, ("open items: opening", "+ new", "- cleared"))) == read("= closing")


@given(statements("source"), statements("target"))
def test_a_page_is_never_wider_than_100_columns(one: Statement, other: Statement) -> None:
    assert max(map(len, text.statements([one, other]).splitlines())) <= 100


def test_what_does_not_hold_is_said_below_the_figures() -> None:
    failing = statement(unexplained=figure(1, "-12.5"))
    last = text.statements([failing]).splitlines()[-1]
    assert last == "! the source side does not hold: 1 line, -12.50 USD, in no row above"


def test_a_yen_has_no_decimals_and_a_rated_fraction_keeps_them_all() -> None:
    shown = text.statements([statement(currency="JPY", unexplained=figure(1, "0.00000008"))])
    assert column(shown.replace("unexplained", "unexplained "), "unexplained") == Decimal(
        "0.00000008"
    )
    assert re.search(r"breaks \(by class below\) +6 +200$", shown, re.MULTILINE)


def test_the_report_gives_counts_above_amounts_and_says_whether_all_is_explained() -> None:
    given = [statement(), statement("target", currency="JPY")]
    assert report.text(given) == dedent("""\
        entity cur side       received set aside      matched in transit timing breaks unexplained complete

        settlement_to_ledger, 2026-10
        US01   USD source       12,031         5       12,010          4      6      6           0   99.83%
                          1,203,311.20    208.10 1,202,000.00     500.00 403.10 200.00        0.00   99.89%
        US01   JPY target       12,031         5       12,010          4      6      6           0   99.83%
                             1,203,311       208    1,202,000        500    403    200           0   99.89%
        """)  # noqa: E501 - the page as it is
    assert report.does_it_hold(given).splitlines() == [
        "Unexplained is 0 everywhere: every line received is accounted for.",
        "12 lines are breaks, 12 lines are timing.",
        "Deliveries have breaks of their own: batch_out_of_balance.",
    ]
    assert not report.is_clear(given)
    late = replace(given[0], delivery={"missing_extract": figure(1, "0")})
    said = report.does_it_hold([given[1], late])
    assert said.splitlines()[-1] == "Deliveries have breaks of their own: missing_extract."
    failing = statement(unexplained=figure(0, "0.01"))
    said = report.does_it_hold([*given, failing])
    assert said == "1 of 3 statements do NOT hold: settlement_to_ledger US01 USD source."


def test_columns_that_are_nil_throughout_leave_room_for_the_others() -> None:
    one = statement()
    rows = one.rows | {
        "received": one.rows["accepted"],
        "matched": one.rows["matched"] + one.rows["matched_in_transit"],
        **dict.fromkeys(
            ("not_in_file", "quarantined", "duplicates", "matched_in_transit"), figure(0, "0")
        ),
    }
    heads = report.text([replace(one, rows=rows)]).splitlines()[0].split()
    assert heads == "entity cur side received matched timing breaks unexplained complete".split()


def test_only_a_statement_without_breaks_is_clear() -> None:
    one = statement()
    matched = one.rows["matched"] + one.rows["breaks"]
    clear = replace(
        one, rows=one.rows | {"matched": matched, "breaks": figure(0, "0")}, delivery={}
    )
    assert report.is_clear([clear])
    assert report.does_it_hold([clear]).endswith("No line is a break, 6 lines are timing.")
    assert not report.is_clear([replace(clear, delivery={"sequence_gap": figure(1, "0")})])
    assert not report.is_clear([statement(unexplained=figure(0, "0.01"))])


def test_lines_of_which_none_was_accepted_are_summed_up_in_the_report() -> None:
    nothing = {name: figure(0, "0") for name in statement().rows}
    never = {name: figure(0, "0") for name in statement().open_items}
    stated = replace(
        statement(entity="*"),
        open_items=never,
        rows=nothing | {"received": figure(0, "80"), "not_in_file": figure(0, "80")},
    )
    refused = replace(
        statement(currency="XXX"),
        open_items=never,
        rows=nothing | {"received": figure(8, "0"), "quarantined": figure(8, "0")},
    )
    lines = report.text([statement(), stated, refused]).splitlines()
    assert lines[5:] == [
        "  source, received and not accepted besides: all entities 80.00 USD;"
        " US01 8 lines without a currency"
    ]
    page = text.statements([stated])
    assert "matched  " not in page
    assert "open items" not in page
    assert column(page, "received") == Decimal(80)
    assert column(page, "not in the file") == Decimal(-80)
    assert text.statements([refused]).startswith("settlement_to_ledger, 2026-10, US01, no currency")


def test_an_overview_never_rounds_a_difference_away() -> None:
    assert brief_amount(Decimal("0.0049"), "USD") == "0.0049"
    assert brief_amount(Decimal("1.005"), "USD") == "1.00"
    assert brief_amount(Decimal("1.015"), "USD") == "1.02"
    assert brief_amount(Decimal("1" + "0" * 34 + ".125"), "USD").endswith("000.12")


def test_completeness_is_not_rounded_up_to_100() -> None:
    assert percent_text(Decimal("99.9999")) == "99.99%"
    assert percent_text(Decimal(100)) == "100.00%"


def test_breaks_stand_under_their_class_with_their_explanation() -> None:
    given = [
        one_break("amount_mismatch", "1.50", side="target", counterpart="pay_9"),
        one_break(),
        one_break(amount="-50", line_id="txn_1002", currency="EUR", ref=None),
    ]
    assert breaks.text(given) == dedent("""\
        settlement_to_ledger: missing_in_target, source: 2 breaks, -50.00 EUR, 150.00 USD
        settlement_to_ledger: amount_mismatch, target: 1 break, 1.50 USD

        settlement_to_ledger: missing_in_target, source: 2 breaks, -50.00 EUR, 150.00 USD
        ---------------------------------------------------------------------------------
        source  stripe_us  txn_1001  US01  150.00 USD  2026-10-05  26 days old
            The charge of 150.00 USD has no posting on a clearing account.
            ref: po_77
        source  stripe_us  txn_1002  US01  -50.00 EUR  2026-10-05  26 days old
            The charge of 150.00 USD has no posting on a clearing account.

        settlement_to_ledger: amount_mismatch, target: 1 break, 1.50 USD
        ----------------------------------------------------------------
        target  stripe_us  txn_1001  US01  1.50 USD  2026-10-05  26 days old
            The charge of 150.00 USD has no posting on a clearing account.
            ref: po_77
            nearest on the other side: pay_9
        """)


def test_data_cannot_steer_the_terminal() -> None:
    given = [one_break(line_id=word, ref=word, explanation=word) for word in HOSTILE]
    shown = breaks.text(given)
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert len(shown.splitlines()) == 2 + 2 * len(HOSTILE)


def test_a_period_without_lines_proves_nothing() -> None:
    one = statement()
    none = dict.fromkeys(one.rows, figure(0, "0"))
    empty = replace(one, rows=none, breaks_by_class={}, delivery={})
    assert report.does_it_hold([empty]).startswith("No line was received, so there is nothing")
