"""One sentence for a break, with its figures, for somebody who keeps books and not databases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from tieout.money import text_amount

Row = Mapping[str, Any]
"""One row of the outcomes table (tieout.matching.columns)."""


def explain(row: Row) -> str:
    """The sentence for an open line, by its break class."""
    if row["counterpart"] is not None and row["other_period"] is None:
        return _broken_link(row)
    said = (_of_schedule(row) or _SENTENCES[row["break_class"]])(row)
    if row["match_ref"] is not None:
        said = _suggested(row)
    if row["search_limit"] is not None and row["break_class"] != "ambiguous":
        said += f" A search for its counterpart was not completed: {row['search_limit']}."
    return said


def answer_text(row: Row) -> str:
    """What a chain says of a line, as a sentence and a blank; nothing where it is no chain."""
    if row["answer"] is None:
        return ""
    if row["answer"] == "not_billed" and row["break_class"] == "late_usage":
        return "Not billed: it came late. "
    return f"{_ANSWERS[row['answer']]}. "


def suggested(row: Row) -> str:
    """A sentence, after a blank, on what a person may match an open line with; else nothing."""
    if row["match_ref"] is None or row["other_period"] is None:
        return ""
    why = f" ({row['reason']})" if row["reason"] else ""
    return f" Pass {row['pass']} suggests {_against(row)}{why}."


def _own(row: Row) -> str:
    named = _line(row["amount"], row["currency"], row["ref"], row["feed"], row["period"])
    if row["group_member"] and row["group_count"] > 1:
        return f"{named}, one of {_group(row, row['currency'])},"
    return named


def _line(amount: Decimal, currency: str, ref: str, feed: str, period: date) -> str:
    return f"{_money(amount, currency)} of {ref} ({feed}, {period})"


def _group(row: Row, currency: str) -> str:
    return f"{row['group_count']} lines that sum to {_money(row['group_amount'], currency)}"


def _faces_group(row: Row) -> bool:
    """Whether the row is a single line, and several lines together stand against it."""
    return row["group_amount"] is not None and not row["group_member"] and row["group_count"] > 1


def _money(amount: Decimal, currency: str) -> str:
    return f"{text_amount(amount, currency)} {currency}"


def _other(row: Row) -> str:
    named = f"{row['counterpart']} ({row['counterpart_feed']}, {row['other_period']})"
    if _faces_group(row):
        return f"{_group(row, row['other_currency'])}, among them {named}"
    return named


def _against(row: Row) -> str:
    if _faces_group(row):
        return _other(row)
    return f"{_money(row['other_amount'], row['other_currency'])} of {_other(row)}"


def _due(row: Row) -> str:
    due: date = row["due_on"]
    return f"by {due:%Y-%m-%d}"


def _broken_link(row: Row) -> str:
    """A chain: the line is matched in the first reconciliation, its match a break in the second."""
    what = row["break_class"].replace("_", " ")
    return (
        f"{_own(row)} is billed on {row['counterpart']} ({row['counterpart_feed']}), and that line "
        f"is a break on its own way to the ledger: {what}."
    )


def _missing_in_target(row: Row) -> str:
    odd = ", what its row is out of balance by," if row["component"] == "out_of_balance" else ""
    return f"{_own(row)}{odd} has no counterpart: none arrived {_due(row)}."


def _missing_in_source(row: Row) -> str:
    return f"{_own(row)} has nothing behind it: no source line for it arrived {_due(row)}."


def _duplicate(row: Row) -> str:
    if (row["counterpart_feed"], row["counterpart"]) == (row["feed"], row["line_id"]):
        return _contradiction(row)
    return f"{_own(row)} repeats {_other(row)}, which is matched already; one of them is too many."


def _contradiction(row: Row) -> str:
    """The same line in a later extract, and not what it was in the first."""
    first = _money(row["other_amount"], row["other_currency"])
    return (
        f"{_own(row)} is another delivery of line {row['line_id']}, on {row['received_on']} and "
        f"with other content; the first counts: {first} in {row['other_entity']} on "
        f"{row['other_period']}."
    )


def _variance(what: str) -> Callable[[Row], str]:
    def sentence(row: Row) -> str:
        own, other = row["amount"], row["other_amount"]
        if row["group_member"]:
            own = row["group_amount"]
        elif row["group_amount"] is not None:
            other = row["group_amount"]
        return (
            f"{_own(row)} stands against {_against(row)}: {what} differs by "
            f"{_money(other - own, row['currency'])}."
        )

    return sentence


def _of_schedule(row: Row) -> Callable[[Row], str] | None:
    """The sentence of a fee that is held against a fee schedule, where it is one of its own."""
    return _SCHEDULE_SENTENCES.get(row["break_class"]) if row["fee_rule"] is not None else None


def _off_schedule(row: Row) -> str:
    """What was charged and what the schedule expects, as costs, whichever side the row is of."""
    own, other = row["amount"], row["other_amount"]
    if row["group_member"]:
        own = row["group_amount"]
    elif row["group_amount"] is not None:
        other = row["group_amount"]
    charged, due = (own, other) if row["side"] == "source" else (other, own)
    off = due - charged
    much = "too much" if off > 0 else "too little"
    return (
        f"{_money(-charged, row['currency'])} was charged and {_money(-due, row['currency'])} is "
        f"expected by {row['fee_rule']} on {_place(row)}: {_money(abs(off), row['currency'])} "
        f"{much}."
    )


def _without_rule(row: Row) -> str:
    charged = _money(-row["amount"], row["currency"])
    return f"{charged} was charged on {_place(row)}, and no rule of the fee schedule expects it."


def _not_charged(row: Row) -> str:
    due = _money(-row["amount"], row["currency"])
    return f"{due} is expected by {row['fee_rule']} on {_place(row)}, and nothing was charged."


def _place(row: Row) -> str:
    return f"{row['ref']} ({row['feed']}, {row['period']})"


def _ambiguous(row: Row) -> str:
    sets, limit = row["group_count"], row["search_limit"]
    at_least = "" if limit is None else "at least "
    ended = "" if limit is None else f" ({limit})"
    return (
        f"{_own(row)} has several explanations that are equally good: {at_least}{sets:,} ways to "
        f"match lines of both sides share lines with each other{ended}, and none is taken."
    )


def _account(row: Row) -> str:
    if row["other_account"] is None:
        return (
            f"{_own(row)} agrees with {_other(row)}, but that line is none of those this "
            f"reconciliation expects."
        )
    return (
        f"{_own(row)} was posted to account {row['other_account']} by {_other(row)}, which this "
        f"reconciliation does not expect."
    )


def _unmapped(row: Row) -> str:
    return (
        f"{_own(row)} was posted to account {row['other_account']} by {_other(row)}; "
        f"that account is in no account map."
    )


def _entity(row: Row) -> str:
    here, there = row["entity"], row["other_entity"]
    if row["side"] == "target":
        return f"{_own(row)} was posted in {here}, but {_other(row)} belongs to {there}."
    return f"{_own(row)} belongs to {here}, but {_other(row)} was posted in {there}."


def _currency(row: Row) -> str:
    return f"{_own(row)} stands against {_against(row)}: another currency."


def _rates(row: Row) -> str:
    """Equal but for the rates: the counterpart in the currency of the entity's books."""
    said = f"{_own(row)} stands against {_against(row)}: at the rates of the books they differ"
    if row["group_count"] > 1:
        return f"{said}."
    return f"{said}, where that one comes to {row['group_amount'].normalize():,f}."


def _suggested(row: Row) -> str:
    """A match that is a person's to accept or reject."""
    why = f" ({row['reason']})" if row["reason"] else ""
    left = _money(row["other_amount"] - row["amount"], row["currency"])
    same = row["other_currency"] == row["currency"]
    differs = f", which differs by {left}" if same and row["break_class"] in _VARIANCES else ""
    return (
        f"{_own(row)} has no counterpart that is certain; pass {row['pass']} suggests "
        f"{_against(row)}{differs}{why}. Accept or reject it with `tieout decide`."
    )


_VARIANCES = ("amount_mismatch", "fee_variance", "tax_variance", "rating_variance")


def _cut_off(row: Row) -> str:
    return (
        f"{_own(row)} agrees with {_other(row)}, but that one is dated {_apart(row)}, in another "
        f"month."
    )


def _too_late(row: Row) -> str:
    """Of a line that counts in another month than it belongs to, since that one is locked."""
    return (
        f"{_own(row)} belongs to {row['belongs_to']}, of a month that is locked: it came later or "
        "corrects what was signed, and nothing of the other side answers it yet."
    )


def _late(row: Row) -> str:
    return f"{_own(row)} agrees with {_other(row)}, but that one is dated {_apart(row)}."


def _apart(row: Row) -> str:
    """How far off the counterpart is dated, and by when it was due if it missed that."""
    days = (row["other_period"] - row["period"]).days
    apart = f"1 day {_way(days)}" if abs(days) == 1 else f"{abs(days)} days {_way(days)}"
    if row["other_period"] > row["due_on"]:
        return f"{apart} (it was due {_due(row)})"
    return f"{apart if days else 'the same day'}, outside the days allowed"


def _way(days: int) -> str:
    return "later" if days > 0 else "earlier"


def _late_usage(row: Row) -> str:
    return (
        f"{_own(row)} was received on {row['received_on']}, after invoice line {_other(row)} "
        f"had been issued without it; it is not billed."
    )


_ANSWERS = {
    "billed_and_booked": "Billed and booked",
    "billed_late": "Billed late, and booked",
    "credited": "Billed, booked and credited since",
    "billed_not_booked": "Billed, not booked",
    "not_billed": "Not billed",
}

_SENTENCES: dict[str, Callable[[Row], str]] = {
    "missing_in_target": _missing_in_target,
    "missing_in_source": _missing_in_source,
    "duplicate_in_source": _duplicate,
    "duplicate_in_target": _duplicate,
    "amount_mismatch": _variance("the amount"),
    "fee_variance": _variance("the fee"),
    "tax_variance": _variance("the tax"),
    "rating_variance": _variance("the rated amount"),
    "ambiguous": _ambiguous,
    "account_mismatch": _account,
    "unmapped_account": _unmapped,
    "entity_mismatch": _entity,
    "currency_mismatch": _currency,
    "period_mismatch": _cut_off,
    "closed_period_correction": _too_late,
    "late_arrival": _late,
    "late_usage": _late_usage,
    "fx_difference": _rates,
}

_SCHEDULE_SENTENCES: dict[str, Callable[[Row], str]] = {
    "fee_variance": _off_schedule,
    "missing_in_target": _without_rule,
    "missing_in_source": _not_charged,
}
