"""Payments that somebody posted in sums: which a search can tell apart, and which nobody can.

On some days a few charges of a Stripe payout are not on clearing one by one. Somebody has posted
what they come to after fees, in two or three sums that name the payout and nothing else. What each
sum is made of then follows from the amounts alone, where it follows at all: two equal sums, or the
same payments both in one sum and singly, have several explanations, and those lines are labelled
`ambiguous`. Whether they have is found here by trying every choice of lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import chain, combinations
from typing import Final

import polars as pl

from tieout.sample import foreign
from tieout.sample.business import Business, numbered, stamp
from tieout.sample.company import CLEARING, ENTITY_OF_MARKET, FEES, RECEIVABLE, STRIPE
from tieout.sample.draws import draw, key
from tieout.sample.labels import Labels
from tieout.sample.ledger import posting_id
from tieout.sample.plan import Injection
from tieout.sample.postings import legs
from tieout.sample.stripe import payout_id

RECONCILIATION: Final = "settlement_to_ledger"
_JOURNALS: Final = {"stripe_us": 6, "stripe_uk": 7}
_MOST_CHARGES: Final = 40
"""Charges of a day among which equal sums are looked for."""
_MANY: Final = 1 << 31

Charge = tuple[str, int, int]
"""Id of a balance transaction, its gross and its fee in hundredths."""


def posted_in_sums(
    business: Business, feed: str, day: date, rows: pl.DataFrame, injection: Injection
) -> list[list[Charge]]:
    """The charges that each sum of a day comes from; none where a day has too few charges.

    `summed`: two sums of different payments. `ambiguous`: two sums that come to the same, where
    the day's payments allow it, else one sum of two payments that are posted singly too.
    """
    stream = key(business.seed, f"{feed} sums", day)
    drawn = rows.filter(pl.col("category") == "charge", ~foreign.booked_abroad(feed)).sort(
        draw(pl.col("row"), stream, _MANY), "row"
    )
    charges = [*drawn.select("txn", "gross", "fee").head(_MOST_CHARGES).iter_rows()]
    if injection.break_class == "summed":
        unlike = [*{_net([one]): one for one in charges}.values()]
        return [unlike[:2], unlike[2:4]] if len(unlike) > 2 else []
    if len(charges) < 2:
        return []
    one, other = charges[:2]
    return _equal_sums(charges) or [[one, other], [one], [other]]


def _equal_sums(charges: Sequence[Charge]) -> list[list[Charge]]:
    """Two pairs of charges, no charge in both, that come to the same after fees."""
    pairs: dict[int, tuple[Charge, Charge]] = {}
    for pair in combinations(charges, 2):
        equal = pairs.setdefault(_net(pair), pair)
        if not set(equal) & set(pair):
            return [[*equal], [*pair]]
    return []


def sum_postings(feed: str, day: date, sums: Sequence[Sequence[Charge]]) -> pl.DataFrame:
    """A journal for each sum: on clearing after fees, against the receivable and the fees."""
    market = STRIPE[feed]
    gross = [sum(charge[1] for charge in one) for one in sums]
    fee = [sum(charge[2] for charge in one) for one in sums]
    known = pl.DataFrame(
        {"row": range(len(sums)), "gross": gross, "fee": fee},
        schema={"row": pl.Int64, "gross": pl.Int64, "fee": pl.Int64},
    ).with_columns(
        kind=pl.lit("Journal"),
        journal=numbered(f"{_JOURNALS[feed]}{stamp(day)}", pl.col("row"), 7),
        document=pl.lit(f"PAY-{payout_id(feed, day)}"),
        posted_on=pl.lit(day),
        delivered_on=pl.lit(day),
        entity=pl.lit(ENTITY_OF_MARKET[market]),
        currency=pl.lit(market),
        memo=pl.lit("Stripe payments, several"),
    )
    parts = (
        (CLEARING, pl.col("gross") - pl.col("fee"), pl.lit(payout_id(feed, day))),
        (RECEIVABLE, -pl.col("gross"), pl.lit(None)),
        (FEES, pl.col("fee"), pl.lit(None)),
    )
    return pl.concat(
        legs(
            known,
            line=pl.lit(number),
            account=pl.lit(account),
            amount=amount,
            batch_ref=batch,
            own=pl.lit(account == CLEARING),
        )
        for number, (account, amount, batch) in enumerate(parts, 1)
    ).sort("row", "line")


def label_sums(labels: Labels, sums: Sequence[Sequence[Charge]], postings: pl.DataFrame) -> None:
    """Label the lines of both sides that have several explanations, if any has."""
    sources: dict[str, int] = {}
    for txn, gross, fee in chain.from_iterable(sums):
        sources |= {txn: gross} | ({f"{txn}:fee": -fee} if fee else {})
    own = postings.filter("own").select(posting_id(pl.col("journal"), pl.col("line")), "amount")
    targets = dict(own.iter_rows())
    unclear = with_rivals(sources, targets)
    for side, lines in (("source", sources), ("target", targets)):
        found = [(line_id, amount) for line_id, amount in lines.items() if line_id in unclear]
        frame = pl.DataFrame(found, schema={"line_id": pl.String, "amount": pl.Int64}, orient="row")
        labels.add(RECONCILIATION, "ambiguous", "source" if side == "source" else "target", frame)


def with_rivals(sources: Mapping[str, int], targets: Mapping[str, int]) -> set[str]:
    """The lines of which several explanations can be given.

    An explanation is a choice of lines of both sides with equal sums, no smaller part of which is
    one. Every choice is tried, the small ones first: for a few lines only.
    """
    signed = {**sources, **{line_id: -amount for line_id, amount in targets.items()}}
    found: list[frozenset[str]] = []
    for size in range(2, len(signed) + 1):
        for choice in map(frozenset, combinations(signed, size)):
            equal = sum(signed[line_id] for line_id in choice) == 0
            if equal and choice & sources.keys() and choice & targets.keys():
                found += [] if any(one < choice for one in found) else [choice]
    rivals = [one for one in found if any(one & other for other in found if other != one)]
    return set(chain.from_iterable(rivals))


def _net(charges: Sequence[Charge]) -> int:
    return sum(gross - fee for _, gross, fee in charges)
