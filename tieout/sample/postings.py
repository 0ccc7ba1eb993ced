"""Journals of the ledger: how their legs look, and how they are written a day or so later.

Grain: one leg (posting). `journal` is the transaction's id and `line` the leg's number in it;
`posted_on` the posting date and `delivered_on` the day whose extract brings it; `entity`,
`currency` and `account` are indexes into the company's tables; `amount` is debit less credit in
hundredths. `own` marks the leg that answers for a source line, `row` and `part` say for which one;
the other legs balance the journal. `rate_off` is by how many percent its rate is wrong.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import polars as pl

from tieout.sample.business import Business
from tieout.sample.company import SUSPENSE
from tieout.sample.draws import chosen, draw, key

LEGS: Final[dict[str, pl.DataType]] = {
    "journal": pl.String(),
    "line": pl.Int64(),
    "kind": pl.String(),
    "document": pl.String(),
    "posted_on": pl.Date(),
    "delivered_on": pl.Date(),
    "entity": pl.Int64(),
    "currency": pl.Int64(),
    "account": pl.Int64(),
    "amount": pl.Int64(),
    "memo": pl.String(),
    "reversal_of": pl.String(),
    "batch_ref": pl.String(),
    "line_ref": pl.String(),
    "category": pl.String(),
    "row": pl.Int64(),
    "part": pl.Int64(),
    "own": pl.Boolean(),
    "rate_off": pl.Int64(),
}
_SUSPENSE_LINE: Final = 900_000
_PER_MILLE_REVERSED: Final = 8
_WRONG_BY: Final = 1000
"""Hundredths by which a journal that is reversed and posted again had been wrong; ten units of
the currency, also for the yen."""


def legs(frame: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    """Legs from a frame that has some of their columns; those given by name come first, the others
    are NULL where the frame lacks them."""
    given = {name: expression.cast(LEGS[name]) for name, expression in columns.items()}
    rest = {
        name: pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind)
        for name, kind in LEGS.items()
        if name not in given
    }
    return frame.select(**{name: (given | rest)[name] for name in LEGS})


def posting_dates(
    business: Business, day: date, number: pl.Expr, purpose: str, lags: tuple[int, ...]
) -> list[pl.Expr]:
    """`posted_on` and `delivered_on` of journals: the day, or a drawn number of days from it.

    A posting dated the day before is still delivered with its day; none is dated before the start.
    """
    lag = chosen(lags, draw(number, key(business.seed, purpose, day), len(lags)))
    posted_on = pl.max_horizontal(pl.lit(day) + pl.duration(days=lag), pl.lit(business.first))
    return [
        posted_on.alias("posted_on"),
        pl.max_horizontal(posted_on, pl.lit(day)).alias("delivered_on"),
    ]


def corrected(
    business: Business, day: date, purpose: str, journals: pl.DataFrame, spared: list[int]
) -> pl.DataFrame:
    """Some journals of a day reversed and posted again the day after, half of them as they were
    ten units off at first. `spared` rows (those that carry a break) are left as they are."""
    stream = key(business.seed, f"{purpose} corrected", day)
    lot = draw(pl.col("row"), stream, 1000)
    chosen_ones = (
        (lot < _PER_MILLE_REVERSED) & (pl.col("posted_on") == day) & ~pl.col("row").is_in(spared)
    )
    again = journals.filter(chosen_ones)
    if again.is_empty():
        return journals
    off = pl.when(lot % 2 == 0).then(0).otherwise(_WRONG_BY)
    first_leg = pl.col("line").rank("dense").over("journal") <= 2
    first = again.with_columns(
        amount=pl.when(first_leg)
        .then(pl.col("amount") + off * pl.col("amount").sign())
        .otherwise(pl.col("amount"))
    )
    following = [pl.col(c) + pl.duration(days=1) for c in ("posted_on", "delivered_on")]
    reversal = first.with_columns(
        *following,
        amount=-pl.col("amount"),
        reversal_of=pl.col("journal"),
        journal=pl.col("journal") + "R",
        memo=pl.lit("Reversal"),
    )
    reposted = again.with_columns(*following, journal=pl.col("journal") + "P")
    return pl.concat([journals.filter(~chosen_ones), first, reversal, reposted])


def balanced(journals: pl.DataFrame) -> pl.DataFrame:
    """The journals, each with a leg on the suspense account for what does not sum to zero."""
    by = ["journal", "entity", "currency"]
    off = journals.group_by(by, maintain_order=True).agg(
        pl.col("amount").sum(),
        pl.col("kind", "posted_on", "delivered_on", "row").first(),
    )
    parked = legs(
        off.filter(pl.col("amount") != 0),
        amount=-pl.col("amount"),
        line=pl.lit(_SUSPENSE_LINE),
        account=pl.lit(SUSPENSE),
        memo=pl.lit("Parked by hand"),
        part=pl.lit(-1),
        own=pl.lit(False),
    )
    return pl.concat([journals, parked])
