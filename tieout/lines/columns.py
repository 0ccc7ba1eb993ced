"""Columns of the canonical lines, one place for all five kinds.

Grain: one row a canonical line. A source line's amount is positive when money comes to us; a
ledger posting's is debit minus credit. `period` is the UTC day the line counts in, `received_on`
the day of the window its extract was delivered for. Reference columns are NULL where the sender has
none.
"""

from __future__ import annotations

import polars as pl

from tieout.money import FINE_AMOUNT, LINE_AMOUNT
from tieout.settings import Kind

Columns = dict[str, pl.DataType]

TEXT = pl.String()
DAY = pl.Date()

COMMON: Columns = {
    "feed": TEXT,
    "line_id": TEXT,
    "extract_sha256": TEXT,
    "row_number": pl.Int64(),
    "received_on": DAY,
    "entity": TEXT,
    "currency": TEXT,
    "amount": LINE_AMOUNT,
    "occurred_on": DAY,
    "period": DAY,
    "correlation_id": TEXT,
}

SETTLEMENT: Columns = {
    "row_ref": TEXT,
    "settlement_batch": TEXT,
    "category": TEXT,
    "payment_ref": TEXT,
    "payment_method": TEXT,
    "invoice_ref": TEXT,
    "customer_ref": TEXT,
    "gross": LINE_AMOUNT,
    "fee": LINE_AMOUNT,
    "fee_passed_through": LINE_AMOUNT,
    "net": LINE_AMOUNT,
    "presentment_currency": TEXT,
    "presentment_amount": LINE_AMOUNT,
    "exchange_rate": FINE_AMOUNT,
    "available_on": DAY,
    "settled_on": DAY,
}
"""`row_ref` is the id of the sender's row, which all its lines share; `fee_passed_through` the part
of the fee that is not the provider's own (scheme fees and interchange), where the sender says."""

USAGE: Columns = {
    "customer_ref": TEXT,
    "subscription_ref": TEXT,
    "meter": TEXT,
    "quantity": FINE_AMOUNT,
    "unit": TEXT,
    "unit_price": FINE_AMOUNT,
    "rated_amount": FINE_AMOUNT,
    "usage_start": pl.Datetime("us"),
    "usage_end": pl.Datetime("us"),
    "cycle_start": DAY,
    "invoice_line_ref": TEXT,
}

INVOICE: Columns = {
    "invoice_ref": TEXT,
    "customer_ref": TEXT,
    "subscription_ref": TEXT,
    "product": TEXT,
    "meter": TEXT,
    "quantity": FINE_AMOUNT,
    "unit_price": FINE_AMOUNT,
    "tax": LINE_AMOUNT,
    "discount": LINE_AMOUNT,
    "service_start": DAY,
    "service_end": DAY,
    "issued_on": DAY,
    "line_type": TEXT,
}

LEDGER: Columns = {
    "journal_ref": TEXT,
    "document_ref": TEXT,
    "line_ref": TEXT,
    "batch_ref": TEXT,
    "category": TEXT,
    "account": TEXT,
    "account_class": TEXT,
    "functional_amount": LINE_AMOUNT,
    "posting_date": DAY,
    "accounting_period": TEXT,
    "status": TEXT,
    "reversal_of": TEXT,
    "description": TEXT,
}

EVENT: Columns = {
    "event_id": TEXT,
    "source": TEXT,
    "type": TEXT,
    "occurred_at": pl.Datetime("us"),
    "received_at": pl.Datetime("us"),
    "subject_ref": TEXT,
    "document_ref": TEXT,
    "customer_ref": TEXT,
    "subscription_ref": TEXT,
    "invoice_ref": TEXT,
    "payment_ref": TEXT,
    "settlement_batch": TEXT,
}

OWN: dict[Kind, Columns] = {
    "settlement": SETTLEMENT,
    "usage": USAGE,
    "invoice": INVOICE,
    "ledger": LEDGER,
    "event": EVENT,
}

SETTLEMENT_CATEGORIES = (
    "charge refund fee chargeback chargeback_reversal adjustment reserve transfer payout "
    "currency_conversion tax out_of_balance"
).split()
INVOICE_LINE_TYPES = "charge usage proration credit tax".split()
UNMAPPED = "unmapped"
"""Account class of a posting whose account is not in the account map."""


def columns(kind: Kind) -> Columns:
    """All columns of a kind, in file order. Usage amounts are far below a cent: 12 decimals."""
    own = COMMON | OWN[kind]
    return own | {"amount": FINE_AMOUNT} if kind == "usage" else own


QUARANTINE: Columns = {
    "feed": TEXT,
    "extract_sha256": TEXT,
    "row_number": pl.Int64(),
    "received_on": DAY,
    "file": TEXT,
    "line_id": TEXT,
    "entity": TEXT,
    "currency": TEXT,
    "amount": FINE_AMOUNT,
    "period": DAY,
    "reason": TEXT,
    "column": TEXT,
    "value": TEXT,
    "message": TEXT,
    "remedy": TEXT,
    "row": TEXT,
}
"""Grain: one refused row, with its first reason; entity, currency, amount and period as far as they
can be read (else NULL, XXX, 0 and the day received); `row` is the row as received, as JSON."""

DELIVERIES: Columns = {
    "feed": TEXT,
    "received_on": DAY,
    "extract_sha256": TEXT,
    "file": TEXT,
    "check": TEXT,
    "ref": TEXT,
    "entity": TEXT,
    "currency": TEXT,
    "stated_count": pl.Int64(),
    "found_count": pl.Int64(),
    "stated_amount": FINE_AMOUNT,
    "found_amount": FINE_AMOUNT,
    "break_class": TEXT,
    "explanation": TEXT,
}
"""Grain: one comparison of an extract with itself or with what its sender states (control total,
batch balance, running balance, line balance, missing extract); break_class is NULL where it
holds."""
