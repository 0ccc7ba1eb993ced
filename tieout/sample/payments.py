"""What the payment providers do with the invoices of a day: charges, refunds, chargebacks.

Grain: one movement at a provider. `kind` is one of KINDS, `paid_on` the day it happens and
`settled_on` the day of the payout that carries it (the file it is in); `issued` (yymmdd) and
`invoice` name the invoice. `gross` is in signed hundredths; `fee` is what the provider keeps, split
into `commission, markup, scheme, interchange` (Adyen).
"""

from __future__ import annotations

from datetime import date
from typing import Final

import polars as pl

from tieout.sample.business import Business, stamp
from tieout.sample.company import MARKETS, STRIPE
from tieout.sample.draws import chosen, draw, half_up, key

KINDS: Final = ("charge", "refund", "chargeback", "chargeback_reversal")
CHARGE, REFUND, CHARGEBACK, REVERSAL = range(len(KINDS))
LONGEST_DAYS: Final = 31
"""From an invoice to the last payout it can have a part in."""
_PAYOUT_DAYS: Final = [2 if m.provider in STRIPE else 1 for m in MARKETS]
_DISPUTE_FEE: Final = 1500
_CARD_PERMILLE: Final = [29, 15, 0, 0]
_CARD_FIXED: Final = [30, 20, 0, 0]
_STRIPE: Final = [m.provider in STRIPE for m in MARKETS]
_DELAYS: Final = (1, 1, 1, 2, 2, 3, 4, 5, 7, 10)
_FEES: Final = ("commission", "markup", "scheme", "interchange")
_MOVED: Final = ("issued", "invoice", "sub", "market", "smallest", "kind", "after", "gross", *_FEES)


def payments(business: Business, day: date, lines: pl.DataFrame) -> pl.DataFrame:
    """Every movement, whenever it happens, that the invoices issued on a day lead to."""
    invoice, seed = pl.col("invoice"), business.seed
    totals = (
        lines.lazy()
        .group_by("invoice", "sub", "market")
        .agg(gross=(pl.col("amount") + pl.col("tax")).sum())
    )
    lot = draw(invoice, key(seed, "payment", day), 1000)
    later = draw(invoice, key(seed, "later", day), 12)
    paid = totals.with_columns(
        issued=pl.lit(int(stamp(day)), pl.Int64),
        lot=lot,
        later=later,
        smallest=chosen([m.smallest for m in MARKETS], pl.col("market")),
        after=chosen(_DELAYS, draw(invoice, key(seed, "delay", day), len(_DELAYS))),
    ).filter(pl.col("lot") >= 30, pl.col("gross") > 0)
    charges = _with_fees(business, day, _movement(paid, CHARGE, pl.col("after"), pl.col("gross")))
    moved = [charges, *_taken_back(paid)]
    return (
        pl.concat([m.select(_MOVED) for m in moved])
        .with_columns(paid_on=pl.lit(day) + pl.duration(days=pl.col("after")))
        .with_columns(
            settled_on=pl.col("paid_on") + pl.duration(days=chosen(_PAYOUT_DAYS, pl.col("market"))),
            fee=pl.sum_horizontal(*_FEES),
        )
        .filter(pl.col("settled_on") >= business.first)
        # What was paid before the first day counts as paid on it: nothing reaches back further.
        .with_columns(paid_on=pl.max_horizontal("paid_on", pl.lit(business.first)))
        .drop("after", "smallest")
        .collect()
    )


def _taken_back(paid: pl.LazyFrame) -> list[pl.LazyFrame]:
    """Refunds of 7 % of the charges, two thirds in part; chargebacks of 1.5 %, some reversed."""
    lot, later, gross = pl.col("lot"), pl.col("later"), pl.col("gross")
    smallest = pl.col("smallest")
    part = half_up(gross * (20 + 5 * later), 100 * smallest) * smallest
    refunded = pl.when(lot < 54).then(gross).otherwise(part)
    refunds = _movement(paid.filter(lot < 100), REFUND, pl.col("after") + 3 + later, -refunded)
    disputed = paid.filter(lot >= 985)
    disputes = _movement(disputed, CHARGEBACK, pl.col("after") + 5 + later // 2, -gross)
    dispute_fee = pl.when(chosen(_STRIPE, pl.col("market"))).then(_DISPUTE_FEE).otherwise(0)
    won = disputed.filter(lot >= 992)
    after_dispute = pl.col("after") + 10 + later // 2 + later % 4
    return [
        _no_fees(refunds),
        _no_fees(disputes).with_columns(commission=dispute_fee.cast(pl.Int64)),
        _no_fees(_movement(won, REVERSAL, after_dispute, gross)),
    ]


def _movement(paid: pl.LazyFrame, kind: int, after: pl.Expr, gross: pl.Expr) -> pl.LazyFrame:
    return paid.select(
        "issued",
        "invoice",
        "sub",
        "market",
        "smallest",
        kind=pl.lit(kind, pl.Int64),
        after=after,
        gross=gross,
    )


def _with_fees(business: Business, day: date, charges: pl.LazyFrame) -> pl.LazyFrame:
    """Stripe keeps a share and a fixed sum; Adyen a commission, or markup and the schemes' cost."""
    gross, smallest = pl.col("gross"), pl.col("smallest")
    stripe = chosen(_STRIPE, pl.col("market"))
    by_transfer = draw(pl.col("invoice"), key(business.seed, "method", day), 10) < 3

    def share(numerator: int | pl.Expr, denominator: int) -> pl.Expr:
        return half_up(gross * numerator, denominator * smallest) * smallest

    card = share(chosen(_CARD_PERMILLE, pl.col("market")), 1000)
    fixed = chosen(_CARD_FIXED, pl.col("market"))
    on_cards = ~stripe & ~by_transfer
    return charges.with_columns(
        commission=pl.when(stripe)
        .then(card + fixed)
        .when(by_transfer)
        .then(share(1, 100))
        .otherwise(0),
        markup=pl.when(on_cards).then(share(6, 1000)).otherwise(0),
        scheme=pl.when(on_cards).then(share(12, 10_000)).otherwise(0),
        interchange=pl.when(on_cards).then(share(3, 1000)).otherwise(0),
    )


def _no_fees(movements: pl.LazyFrame) -> pl.LazyFrame:
    return movements.with_columns(pl.lit(0, pl.Int64).alias(name) for name in _FEES)
