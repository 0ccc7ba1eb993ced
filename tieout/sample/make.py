"""Make the sample: every feed's extracts, day by day, and the labels of the breaks put in.

Nothing is kept but what a later day still has to deliver: payments to come, postings to come. What
a day holds is a function of the arguments and the day, so the same arguments give the same bytes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from tieout.errors import RequestError
from tieout.sample import ledger, postings, usage
from tieout.sample.billing import invoice_lines
from tieout.sample.business import Business
from tieout.sample.company import ADYEN, STRIPE
from tieout.sample.deliveries import flaws, hours_delivered, sent_again, usage_hours
from tieout.sample.events import (
    BILLING,
    EVENT_FEEDS,
    Event,
    billing_events,
    event_file,
    stripe_events,
    write_events,
)
from tieout.sample.extracts import write_adyen, write_billing, write_stripe
from tieout.sample.files import Flaws, day_file, hour_file
from tieout.sample.invoicing import invoice_journals, label_usage
from tieout.sample.labels import Labels
from tieout.sample.payments import LONGEST_DAYS, payments
from tieout.sample.plan import Plan, make_plan
from tieout.sample.settlements import adyen_day, stripe_day
from tieout.sample.usage_extract import write_usage

FEEDS: Final = ("stripe_us", "stripe_uk", "adyen", "usage", "billing", "erp")
_MOST_INVOICES: Final = 1_000_000

Progress = Callable[[int, int], None]
"""Called after each day with the days done and the days in all."""


@dataclass(slots=True)
class SampleReport:
    """What was written."""

    files: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    """Rows of each feed."""
    sent_twice: int = 0
    """Rows that a file has twice; not labelled, they are removed."""
    events: int = 0
    """Events delivered, those sent twice counted twice."""
    refused: int = 0
    """Rows that no reader accepts; not labelled, they go to quarantine."""
    labels: int = 0
    seconds: float = 0.0

    @property
    def total_rows(self) -> int:
        """Rows of all feeds."""
        return sum(self.rows.values())

    def wrote(self, feed: str, rows: int) -> None:
        """Count an extract."""
        self.files += 1
        self.rows[feed] = self.rows.get(feed, 0) + rows


class Pending:
    """Rows that a later day delivers, by that day."""

    def __init__(self, day_column: str) -> None:
        self._day_column = day_column
        self._waiting: dict[date, list[pl.DataFrame]] = {}

    def add(self, rows: pl.DataFrame) -> None:
        """Keep rows until their day."""
        for part in rows.partition_by(self._day_column, maintain_order=True):
            self._waiting.setdefault(part.item(0, self._day_column), []).append(part)

    def take(self, day: date, schema: pl.Schema) -> pl.DataFrame:
        """The rows of a day, in the order in which they were added."""
        parts = self._waiting.pop(day, [])
        return pl.concat(parts) if parts else pl.DataFrame(schema=schema)


def make_sample(
    out: Path,
    *,
    seed: int,
    first: date,
    last: date,
    invoices_per_day: int,
    progress: Progress | None = None,
) -> SampleReport:
    """Write the sample company's extracts from the first to the last day into a folder.

    Below `out` a folder for each feed of FEEDS and EVENT_FEEDS, and `labels.csv` (reconciliation,
    class, side, line_id, amount). Extracts of an earlier sample in that folder are replaced. Raises
    RequestError for a span or size that makes no sample.
    """
    if last < first:
        raise RequestError(f"the sample ends ({last}) before it starts ({first})", "swap the days")
    if not 1 <= invoices_per_day <= _MOST_INVOICES:
        raise RequestError(
            f"{invoices_per_day} invoices a day", f"write a number from 1 to {_MOST_INVOICES}"
        )
    started = time.monotonic()
    business = Business(seed, first, last, invoices_per_day)
    plan = make_plan(business)
    _make_room(out, business, plan)
    report = SampleReport()
    with (out / "labels.csv").open("w", encoding="utf-8", newline="\n") as file:
        labels = Labels(file)
        company = _Company(business, plan, out, report, labels)
        company.live_before_the_first_day()
        days = business.days()
        for done, day in enumerate(days, start=1):
            company.live(day)
            if progress is not None:
                progress(done, len(days))
        report.labels = labels.count
    report.seconds = time.monotonic() - started
    return report


def _make_room(out: Path, business: Business, plan: Plan) -> None:
    """Make the folders, without files of an earlier sample that this one does not write anew."""
    files = {day_file(out, feed, day) for feed in FEEDS for day in business.days()}
    files |= {
        hour_file(out, "usage", day, hour)
        for day in business.days()
        for hour in hours_delivered(plan, day)
    }
    for feed in FEEDS:
        (out / feed).mkdir(parents=True, exist_ok=True)
        for found in (out / feed).glob(f"{feed}_*.csv*"):
            if found.with_name(found.name.removesuffix(".manifest.json")) not in files:
                found.unlink()
    for feed in EVENT_FEEDS:
        # Days add to these files as they are made, so each begins anew.
        (out / feed).mkdir(parents=True, exist_ok=True)
        for found in (out / feed).glob(f"{feed}_*.ndjson"):
            found.unlink()
        for day in business.days():
            event_file(out, feed, day).touch()


class _Company:
    """The company at work: what happens on a day, and what of it is delivered later."""

    def __init__(
        self, business: Business, plan: Plan, out: Path, report: SampleReport, labels: Labels
    ) -> None:
        self._business = business
        self._plan = plan
        self._out = out
        self._report = report
        self._labels = labels
        self._payments = Pending("settled_on")
        self._postings = Pending("delivered_on")
        self._moved: pl.Schema = pl.Schema()
        self._told: Counter[str] = Counter()

    def live_before_the_first_day(self) -> None:
        """Issue the invoices whose payments, refunds and disputes fall into the sample."""
        for before in range(LONGEST_DAYS, 0, -1):
            day = self._business.first - timedelta(days=before)
            self._pay(day, invoice_lines(self._business, self._plan, day))

    def live(self, day: date) -> None:
        """Everything of one day: invoices, settlements, usage, and the ledger last."""
        self._invoice(day)
        moved = self._payments.take(day, self._moved)
        self._settle_with_stripe(day, moved)
        self._settle_with_adyen(day, moved)
        self._use(day)
        self._keep_books(day)

    def _invoice(self, day: date) -> None:
        lines = invoice_lines(self._business, self._plan, day)
        self._pay(day, lines)
        sent = self._sent("billing", day, lines)
        flaws = self._flaws("billing", day)
        self._report.wrote("billing", write_billing(self._out, day, sent, flaws))
        self._postings.add(invoice_journals(self._business, self._plan, day, lines, self._labels))
        label_usage(self._business, self._plan, day, lines, self._labels)
        told = billing_events(self._plan, day, lines, self._told, self._labels)
        self._tell(BILLING, day, told)

    def _pay(self, day: date, lines: pl.DataFrame) -> None:
        moved = payments(self._business, day, lines)
        self._moved = moved.schema
        self._payments.add(moved)

    def _settle_with_stripe(self, day: date, moved: pl.DataFrame) -> None:
        for feed, market in STRIPE.items():
            mine = moved.filter(pl.col("market") == market)
            rows, journals = stripe_day(self._business, self._plan, feed, day, mine, self._labels)
            flaws = self._flaws(feed, day)
            self._report.wrote(feed, write_stripe(self._out, feed, day, rows, flaws))
            self._postings.add(journals)
            told = stripe_events(self._plan, feed, day, rows, self._labels)
            self._tell(f"{feed}_events", day, told)

    def _tell(self, feed: str, day: date, events: list[Event]) -> None:
        self._report.events += write_events(self._business, self._out, feed, day, events)

    def _settle_with_adyen(self, day: date, moved: pl.DataFrame) -> None:
        batches: dict[str, pl.DataFrame] = {}
        for account, market in ADYEN.items():
            mine = moved.filter(pl.col("market") == market)
            batches[account], journals = adyen_day(
                self._business, self._plan, account, day, mine, self._labels
            )
            self._postings.add(journals)
        flaws = self._flaws("adyen", day)
        self._report.wrote("adyen", write_adyen(self._out, day, batches, flaws))

    def _use(self, day: date) -> None:
        used = usage.day_records(self._business, self._plan, day)
        used = usage.with_late_records(self._business, self._plan, day, used)
        used = self._sent("usage", day, used)
        hours = usage_hours(self._plan, day, self._labels)
        for rows in write_usage(self._out, day, used, hours).values():
            self._report.wrote("usage", rows)

    def _keep_books(self, day: date) -> None:
        legs = self._postings.take(day, pl.Schema(postings.LEGS))
        # A leg sent twice is no part of its journal twice: amounts come before that.
        legs = self._sent("erp", day, ledger.in_functional_currency(self._business, legs))
        flaws = self._flaws("erp", day)
        self._report.wrote("erp", ledger.write_ledger(self._out, day, legs, flaws))

    def _sent(self, feed: str, day: date, rows: pl.DataFrame) -> pl.DataFrame:
        sent = sent_again(self._plan, feed, day, rows)
        self._report.sent_twice += sent.height - rows.height
        return sent

    def _flaws(self, feed: str, day: date) -> Flaws:
        found = flaws(self._plan, feed, day, self._labels)
        self._report.refused += bool(found.spoiled)
        return found
