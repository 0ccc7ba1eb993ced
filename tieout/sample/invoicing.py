"""A day's invoices in the ledger, and the breaks between usage, invoices and ledger."""

from __future__ import annotations

from datetime import date
from typing import Final

import polars as pl

from tieout.sample import ledger, usage
from tieout.sample.billing import RECURRING, USAGE
from tieout.sample.breaks import broken
from tieout.sample.business import Business
from tieout.sample.company import RATED_PLACES
from tieout.sample.labels import Labels
from tieout.sample.plan import Injection, Plan
from tieout.sample.postings import corrected

TO_LEDGER: Final = "invoice_to_ledger"
TO_RECEIVABLE: Final = "invoice_to_receivable"
USAGE_TO_INVOICE: Final = "usage_to_invoice"
USAGE_TO_LEDGER: Final = "usage_to_ledger"


def invoice_journals(
    business: Business, plan: Plan, day: date, lines: pl.DataFrame, labels: Labels
) -> pl.DataFrame:
    """The journals of a day's invoices, with the day's breaks of revenue, tax and receivables."""
    posting, receivable = plan.at("postings", day), plan.at("receivable", day)
    one = _line_to_break(business, lines, posting) if posting else lines.clear()
    other = _invoice_to_break(business, lines, receivable) if receivable else None
    spared = [*one["invoice"].to_list(), *([] if other is None else [other])]
    journals = ledger.invoice_postings(business, day, lines)
    journals = corrected(business, day, "invoices", journals, spared)
    if posting and one.height:
        journals = _broken_line(business, plan, day, posting, one, journals, labels)
    if receivable and other is not None:
        done = broken(receivable, journals, other, ledger.RECEIVABLE_PART)
        journals = done.journals
        if receivable.break_class != "duplicate_in_target":
            document = invoice_line_amounts(day, lines.filter(pl.col("invoice") == other))
            labels.add(TO_RECEIVABLE, receivable.break_class, "source", document)
        labels.add(TO_RECEIVABLE, receivable.break_class, "target", _postings(done.legs))
    return journals


def invoice_line_amounts(day: date, lines: pl.DataFrame) -> pl.DataFrame:
    """The lines (`line_id, amount`) of invoice items: the charge, and the tax if any."""
    known = lines.with_columns(line_id=ledger.item_id(day, pl.col("invoice"), pl.col("line")))
    tax = known.filter(pl.col("tax") != 0).select(line_id=pl.col("line_id") + ":tax", amount="tax")
    return pl.concat([known.select("line_id", "amount"), tax])


def label_usage(
    business: Business, plan: Plan, day: date, lines: pl.DataFrame, labels: Labels
) -> None:
    """Label the break, if any, between the usage of the week before a day and its invoices."""
    injection = plan.at("usage", day)
    if injection is None:
        return
    kind = injection.break_class
    customer, meter = usage.billed_customer(business, injection)
    line = lines.filter(
        pl.col("item") == USAGE, pl.col("invoice") == customer, pl.col("meter") == meter
    )
    if kind in ("rating_variance", "missing_in_source"):
        items = invoice_line_amounts(day, line.with_columns(tax=pl.lit(0, pl.Int64)))
        labels.add(USAGE_TO_INVOICE, kind, "target", items)
    if kind == "late_usage":
        records = usage.late_record(business, injection)
    elif kind == "missing_in_source":
        return
    else:
        records = _records_behind(business, plan, day, customer, meter)
    _label_records(labels, (USAGE_TO_INVOICE, USAGE_TO_LEDGER), kind, records)


def _records_behind(
    business: Business, plan: Plan, day: date, customer: int, meter: int
) -> pl.DataFrame:
    records = usage.cycle_records(business, plan, day)
    return records.filter(pl.col("customer") == customer, pl.col("meter") == meter)


def _label_records(
    labels: Labels, reconciliations: tuple[str, ...], kind: str, records: pl.DataFrame
) -> None:
    lines = records.select(
        line_id=usage.record_id(pl.col("used_on"), pl.col("number")), amount="rated"
    )
    for reconciliation in reconciliations:
        labels.add(reconciliation, kind, "source", lines, RATED_PLACES)


def _broken_line(
    business: Business,
    plan: Plan,
    day: date,
    injection: Injection,
    line: pl.DataFrame,
    journals: pl.DataFrame,
    labels: Labels,
) -> pl.DataFrame:
    """Break the posting of one invoice line (or of its tax) and label both sides."""
    kind, found_as = injection.break_class, injection.break_class
    of_tax = kind == "tax_variance"
    number = int(line["line"].item()) * ledger.PARTS
    part = number + (ledger.TAX_PART if of_tax else ledger.REVENUE_PART)
    invoice = int(line["invoice"].item())
    done = broken(injection, journals, invoice, part)
    amounts = invoice_line_amounts(day, line)
    posted_as = kind
    if kind == "mangled_reference":
        found_as, posted_as = "missing_in_target", "missing_in_source"
    if kind != "duplicate_in_target":
        labels.add(TO_LEDGER, found_as, "source", amounts.slice(int(of_tax), 1))
    labels.add(TO_LEDGER, posted_as, "target", _postings(done.legs, sign=-1))
    if line["item"].item() == USAGE and kind not in ("tax_variance", "duplicate_in_target"):
        records = _records_behind(business, plan, day, invoice, int(line["meter"].item()))
        _label_records(labels, (USAGE_TO_LEDGER,), found_as, records)
    return done.journals


def _postings(legs: pl.DataFrame, sign: int = 1) -> pl.DataFrame:
    return legs.select(
        line_id=ledger.posting_id(pl.col("journal"), pl.col("line")), amount=pl.col("amount") * sign
    )


def _line_to_break(business: Business, lines: pl.DataFrame, injection: Injection) -> pl.DataFrame:
    """One line of an invoice that no other break touches: of the upper half of the weekly
    customers, or of the monthly customers with an odd number."""
    weekly, invoice = business.weekly, pl.col("invoice")
    of_week = (invoice < weekly) & (invoice >= weekly - weekly // 2) & (pl.col("item") == USAGE)
    of_month = (invoice >= weekly) & ((invoice - weekly) % 2 == 1) & (pl.col("item") == RECURRING)
    wanted = pl.col("tax") != 0 if injection.break_class == "tax_variance" else pl.lit(True)
    fit = lines.filter(of_week | of_month, wanted, pl.col("amount") != 0)
    return fit.slice(injection.nth % fit.height, 1) if fit.height else fit


def _invoice_to_break(business: Business, lines: pl.DataFrame, injection: Injection) -> int | None:
    """A monthly customer's invoice with an even number."""
    fit = lines.filter(
        pl.col("invoice") >= business.weekly,
        (pl.col("invoice") - business.weekly) % 2 == 0,
        pl.col("item") == RECURRING,
    )["invoice"]
    return int(fit[injection.nth % fit.len()]) if fit.len() else None
