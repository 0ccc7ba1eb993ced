"""The sample's books add up, line by line, but for what the labels say; checked in plain Python."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.reference_line import rounding_name
from tests.unit.sample_books import (
    CLEARING,
    RECEIVABLE,
    REVENUE,
    TAX,
    Books,
    Line,
    Posting,
    control,
    file_day,
    manifest,
    raw_rows,
    read_books,
    standing,
)
from tieout.sample.make import SampleReport, make_sample

FIRST, LAST = date(2026, 9, 14), date(2026, 10, 20)
FEEDS = ("stripe_us", "stripe_uk", "adyen", "usage", "billing", "erp")
SETTLEMENT, INVOICE = "settlement_to_ledger", "invoice_to_ledger"
RECEIVABLES, USAGE = "invoice_to_receivable", "usage_to_invoice"
PRICES = "fees_to_schedule"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SampleReport]:
    """A sample over a month's end, small but with every break in it."""
    out = tmp_path_factory.mktemp("sample")
    report = make_sample(out, seed=11, first=FIRST, last=LAST, invoices_per_day=24)
    return out, report


@pytest.fixture(scope="module")
def books(sample: tuple[Path, SampleReport]) -> Books:
    """The sample, read."""
    return read_books(sample[0])


def test_every_settlement_line_is_posted_unless_labelled(books: Books) -> None:
    in_sums = _in_sums(books)
    elsewhere = {one.line_id for lines, sums in in_sums.values() for one in (*lines, *sums)}
    posted = _by_line_or_batch(p for p in standing(books.postings) if p.line_id not in elsewhere)
    groups: dict[tuple[str, ...], list[Line]] = defaultdict(list)
    for line in books.settlement:
        if not books.label(SETTLEMENT, "source", line.line_id) and line.line_id not in elsewhere:
            groups[_settlement_key(line)].append(line)
    missing = []
    abroad: Counter[tuple[str, str]] = Counter()
    for key, lines in groups.items():
        amount = sum((line.amount for line in lines), Decimal(0))
        one = lines[0]
        found = posted.pop((*key, one.entity, one.currency, amount), [])
        if one.shown_in and not found:
            found = posted.pop((*key, one.entity, one.shown_in, one.shown), [])
            # Posted as the customer saw it: at a rate of the books, not far from that of Stripe.
            assert all(abs(p.functional - amount) <= amount / 100 for p in found)
            abroad[one.currency, one.shown_in] += len(found)
        missing += [] if _in_window(found, lines[0].day) else [(key, amount, found)]
    pairs = {("USD", "EUR"), ("USD", "GBP"), ("GBP", "EUR"), ("GBP", "USD")}
    assert set(+abroad) == pairs
    late = {key for key, *_ in missing}
    # What is not posted yet was settled in the last days.
    assert all(min(line.day for line in groups[key]) > LAST - timedelta(days=3) for key in late)
    assert len(late) < len(groups) / 10
    left = [p.line_id for found in posted.values() for p in found]
    assert sorted(left) == sorted(_labelled(books, SETTLEMENT, "target", left))


def test_sums_have_one_explanation_unless_labelled_ambiguous(books: Books) -> None:
    seen: Counter[bool] = Counter()
    for lines, sums in _in_sums(books).values():
        signed = {line.line_id: line.amount for line in lines}
        signed |= {posting.line_id: -posting.amount for posting in sums}
        sides = [{line.line_id for line in lines}, {posting.line_id for posting in sums}]
        names, explanations = sorted(signed), []
        for mask in sorted(range(1 << len(names)), key=int.bit_count):
            some = {name for n, name in enumerate(names) if mask >> n & 1}
            if all(some & side for side in sides) and not sum(signed[name] for name in some):
                explanations += [] if any(one <= some for one in explanations) else [some]
        several = {n for one in explanations for n in one if sum(n in e for e in explanations) > 1}
        # A set that shares a line with another one is in doubt as a whole.
        doubtful = {name for one in explanations if one & several for name in one}
        labelled = {
            name
            for name in names
            for side in ("source", "target")
            if books.label(SETTLEMENT, side, name) == "ambiguous"
        }
        assert labelled == doubtful
        assert set(names) == set().union(*explanations)
        seen[bool(doubtful)] += 1
    assert min(seen[True], seen[False]) > 0


def test_every_invoice_line_is_posted_unless_labelled(books: Books) -> None:
    posted = _by(standing(books.postings), REVENUE | TAX, lambda p: p.ref)
    for item in books.items:
        issued, item_id = date.fromisoformat(item["Invoice Date"]), item["Invoice Item ID"]
        parts = [(item_id, Decimal(item["Charge Amount"]))]
        if Decimal(item["Tax Amount"]):
            parts.append((f"{item_id}:tax", Decimal(item["Tax Amount"])))
        for line_id, amount in parts:
            key = (line_id, item["Entity"], item["Currency"], -amount)
            if not books.label(INVOICE, "source", line_id):
                found = posted.pop(key, [])
                assert _in_window(found, issued, 4) or issued > LAST - timedelta(days=2)
    left = [p.line_id for found in posted.values() for p in found]
    assert sorted(left) == sorted(_labelled(books, INVOICE, "target", left))


def test_every_invoice_is_on_receivables_in_one_amount_unless_labelled(books: Books) -> None:
    invoices = [p for p in standing(books.postings) if p.category == "invoice"]
    posted = _by(invoices, RECEIVABLE, lambda p: p.document)
    totals: dict[tuple[str, str, str, date], Decimal] = defaultdict(Decimal)
    excused = set()
    for item in books.items:
        issued = date.fromisoformat(item["Invoice Date"])
        key = (item["Invoice Number"], item["Entity"], item["Currency"], issued)
        totals[key] += Decimal(item["Charge Amount"]) + Decimal(item["Tax Amount"])
        if books.label(RECEIVABLES, "source", item["Invoice Item ID"]):
            excused.add(key)
    for (number, entity, currency, issued), total in totals.items():
        if (number, entity, currency, issued) not in excused:
            found = posted.pop((number, entity, currency, total), [])
            assert _in_window(found, issued, 4) or issued > LAST - timedelta(days=2)
    left = [p.line_id for found in posted.values() for p in found]
    assert sorted(left) == sorted(_labelled(books, RECEIVABLES, "target", left))


def test_batches_sum_to_zero_unless_labelled(books: Books) -> None:
    labelled = {
        line_id.rsplit("/", 1)[1]
        for _, kind, _, line_id in books.delivery_labels
        if kind == "batch_out_of_balance"
    }
    off = {batch for (_, batch), net in books.batches.items() if net}
    assert off == labelled
    assert labelled
    missing = sum(len(numbers) for numbers in _gaps(books).values())
    assert len(books.batches) + missing == 4 * ((LAST - FIRST).days + 1)


def test_a_batch_never_comes_where_labelled_and_the_ledger_has_it(books: Books) -> None:
    """The gap is told at the next batch of its account, by the first number that is missing."""
    day_of = {line.batch: line.day for line in books.settlement if line.feed == "adyen"}
    expected, unexplained = set(), set()
    for account, numbers in _gaps(books).items():
        for number in numbers:
            posted = [p for p in books.postings if p.batch == str(number)]
            unexplained |= {p.line_id for p in posted if p.account in CLEARING}
            assert sum(p.amount for p in posted) == 0
            if number - 1 not in numbers:
                after = next(n for n in range(number, number + 9) if n not in numbers)
                expected.add(f"adyen@{day_of[str(after)]}/{account} {number}")
    labelled = {i for _, kind, _, i in books.delivery_labels if kind == "sequence_gap"}
    assert {one for one in labelled if not one.startswith("billing_events@")} == expected
    assert labelled
    kinds = books.labels[(SETTLEMENT, "target")]
    assert unexplained
    assert {kinds[line_id] for line_id in unexplained} == {"missing_in_source"}


def test_journals_balance_in_their_currency_and_in_the_entitys_own(books: Books) -> None:
    sums: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 2)
    for posting in books.postings:
        key = (posting.journal, posting.entity, posting.currency)
        sums[key][0] += posting.amount
        sums[key][1] += posting.functional
    assert {key: two for key, two in sums.items() if any(two)} == {}
    assert any(posting.currency == "JPY" for posting in books.postings)


def test_usage_of_a_cycle_rounds_to_its_invoice_line_unless_labelled(books: Books) -> None:
    used: dict[tuple[str, str, str, str], list[dict[str, str]]] = defaultdict(list)
    for record in books.usage:
        cycle = record["BillingPeriodStart"][:10]
        key = (record["SubAccountId"], record["ServiceName"], cycle, record["BillingCurrency"])
        cost = Decimal(record["ConsumedQuantity"]) * Decimal(record["ListUnitPrice"])
        assert Decimal(record["BilledCost"]) == cost
        if books.label(USAGE, "source", record["Id"]) != "late_usage":
            used[key].append(record)
    billed: Counter[str | None] = Counter()
    slight: list[bool] = []
    for item in books.items:
        if item["Charge Type"] != "Usage":
            continue
        key = (item["Subscription Number"], item["Meter"], item["Service Start Date"])
        records = used.pop((*key, item["Currency"]), [])
        kind = books.label(USAGE, "target", item["Invoice Item ID"])
        labelled = {books.label(USAGE, "source", record["Id"]) for record in records}
        exact = [Decimal(record["BilledCost"]) for record in records]
        amount = Decimal(item["Charge Amount"])
        rule = rounding_name(item["Currency"], exact, amount)
        if kind == "missing_in_source":
            assert not records
        elif kind == "rating_variance":
            assert (labelled, rule) == ({"rating_variance"}, None)
            slight.append(abs(amount - sum(exact)) < Decimal(len(exact)) / 200)
        else:
            assert (kind, labelled) == (None, {None})
            billed[rule] += 1
    assert None not in billed
    assert billed.total() > 500
    # Halves are rare: half-even is the same as half-up, and that is tried first.
    rules = {"per document, half-up", "per document, truncated"}
    rules |= {"per line, half-up", "per line, truncated"}
    assert set(billed) == {f"rounding {rule}" for rule in rules}
    assert set(slight) == {True, False}
    for (_, _, cycle, _), records in used.items():
        unbilled = date.fromisoformat(cycle) + timedelta(days=7) > LAST
        labelled = {books.label(USAGE, "source", record["Id"]) for record in records}
        assert labelled == ({None} if unbilled else {"missing_in_target"})


def test_late_usage_comes_after_its_invoice(
    sample: tuple[Path, SampleReport], books: Books
) -> None:
    late = _ids(books, USAGE, "late_usage")
    seen = 0
    for path in (sample[0] / "usage").glob("*.csv"):
        for record in raw_rows(path):
            if record["Id"] in late:
                seen += 1
                assert file_day(path) > date.fromisoformat(record["BillingPeriodEnd"][:10])
                used_on = date.fromisoformat(record["ChargePeriodStart"][:10])
                assert file_day(path) - used_on in (timedelta(days=8), timedelta(days=9))
    assert seen == len(late) > 0


def test_manifests_state_what_the_files_have_unless_labelled(
    sample: tuple[Path, SampleReport], books: Books
) -> None:
    for feed in FEEDS:
        off = set()
        for path in sorted((sample[0] / feed).glob("*.csv")):
            rows, sums = raw_rows(path), Counter[str]()
            totals: dict[str, Decimal] = defaultdict(Decimal)
            for row in rows:
                currency, amount = control(feed, row)
                totals[currency] += amount
                sums[currency] += 1
            stated = manifest(path)
            given = stated["totals"]
            assert isinstance(given, dict)
            exact = {currency: Decimal(amount) for currency, amount in given.items()}
            if (stated["rows"], exact) != (len(rows), dict(totals)):
                assert stated["rows"] == len(rows) + 1
                off.add(f"{feed}@{file_day(path)}/manifest")
        for kind in ("count_mismatch", "control_total_mismatch"):
            assert off == {
                line_id
                for _, name, _, line_id in books.delivery_labels
                if name == kind and line_id.startswith(f"{feed}@")
            }
        assert off


def test_an_hour_of_usage_is_missing_where_labelled(
    sample: tuple[Path, SampleReport], books: Books
) -> None:
    days = (LAST - FIRST).days + 1
    expected = {
        f"{FIRST + timedelta(days=n)}-{hour:02d}:00" for n in range(days) for hour in range(24)
    }
    for path in (sample[0] / "usage").glob("*.csv"):
        day, hour = path.stem.removeprefix("usage_").split("T")
        expected.remove(f"{day}-{hour}:00")
    labelled = {
        line_id.split("/")[1]
        for _, kind, _, line_id in books.delivery_labels
        if kind == "missing_extract"
    }
    assert expected == labelled
    assert labelled


def test_labels_say_what_is_wrong(books: Books) -> None:
    """Each class of settlement_to_ledger, tested on what it means."""
    lines = {line.line_id: line for line in books.settlement}
    postings = {posting.line_id: posting for posting in books.postings}
    by_ref = defaultdict(list)
    for posting in books.postings:
        by_ref[(posting.ref or posting.batch, posting.category)].append(posting)
    for line_id, kind in books.labels[(SETTLEMENT, "source")].items():
        if kind == "ambiguous":
            continue  # see test_sums_have_one_explanation_unless_labelled_ambiguous
        line = lines[line_id]
        key = (line.batch if line.feed == "adyen" else line.ref, line.category)
        found = by_ref[key]
        assert _agrees(kind, line, found), (kind, line, found)
    sources = {_settlement_key(line) for line in books.settlement}
    for line_id, kind in books.labels[(SETTLEMENT, "target")].items():
        posting = postings[line_id]
        assert posting.account in CLEARING
        if kind == "missing_in_source":
            assert ("line", posting.ref, posting.category) not in sources
        if kind == "duplicate_in_target":
            twins = by_ref[(posting.ref or posting.batch, posting.category)]
            assert sum(twin.amount == posting.amount for twin in twins) == 2


def _agrees(kind: str, line: Line, found: list[Posting]) -> bool:
    one = found[0] if len(found) == 1 else None
    if kind == "missing_in_target":
        return not found
    if kind == "duplicate_in_source":
        return one is not None and one.amount == line.amount
    if one is None:
        return False
    same = one.amount == line.amount or line.feed == "adyen"
    days = (one.posted_on - line.day).days
    return {
        "amount_mismatch": one.amount != line.amount,
        "fee_variance": line.category == "fee" and one.amount != line.amount,
        "account_mismatch": same and one.account in ("6999", "6859"),
        "unmapped_account": same and one.account == "1999",
        "entity_mismatch": same and one.entity != line.entity,
        "currency_mismatch": same and one.currency != line.currency,
        "fx_difference": (one.currency, one.amount) == (line.shown_in, line.shown)
        and abs(one.functional - line.amount) > line.amount / 20,
        "late_arrival": same and days > 5 and one.posted_on.month == line.day.month,
        "period_mismatch": same and days > 5 and one.posted_on.month != line.day.month,
    }[kind]


def test_every_fee_is_by_the_price_list_unless_labelled(
    sample: tuple[Path, SampleReport], books: Books
) -> None:
    stripe = {line.line_id: line for line in books.settlement if line.feed != "adyen"}
    due = {name: _stripe_price(line) for name, line in stripe.items() if name[-4:] != ":fee"}
    charged = {
        name: -stripe[f"{name}:fee"].amount if f"{name}:fee" in stripe else Decimal(0)
        for name in due
    }
    for path in (sample[0] / "adyen").glob("*.csv"):
        for number, row in enumerate(raw_rows(path)):
            gross = Decimal(row["Gross Credit (GC)"] or 0)
            if row["Type"] == "Settled":
                name = f"{row['Psp Reference']}.Settled.{row['Modification Reference']}"
                costs = Decimal(row["Scheme Fees (NC)"] or 0) + Decimal(
                    row["Interchange (NC)"] or 0
                )
                percent = "0.006" if row["Payment Method"] == "visa" else "0.01"
                unit = "1" if row["Net Currency"] == "JPY" else "0.01"
                due[name] = costs + (gross * Decimal(percent)).quantize(
                    Decimal(unit), ROUND_HALF_UP
                )
                charged[name] = gross - Decimal(row["Net Credit (NC)"])
            elif row["Type"] == "Fee":
                wanted = {"EUR": "38.10", "JPY": "5000"}[row["Net Currency"]]
                assert Decimal(row["Net Debit (NC)"]) == Decimal(wanted), (path, number)
            elif row["Type"] != "MerchantPayout":
                assert not row["Commission (NC)"] + row["Markup (NC)"], (path, number)
    seen = set()
    for name, price in due.items():
        wrong = {
            (True, True): ("fee_variance", "fee_variance"),
            (True, False): ("missing_in_source", None),
            (False, True): (None, "missing_in_target"),
        }
        right = charged[name] == price
        wanted = (None, None) if right else wrong[(price != 0, charged[name] != 0)]
        found = books.label(PRICES, "target", name), books.label(PRICES, "source", f"{name}:fee")
        assert found == wanted, name
        seen.add(wanted)
    assert len(seen) == 4
    labelled = books.labels[(PRICES, "source")].keys() | books.labels[(PRICES, "target")].keys()
    assert {name.removesuffix(":fee") for name in labelled} <= due.keys()


def _stripe_price(line: Line) -> Decimal:
    """What Stripe may charge on a line besides the line itself."""
    percent, fixed = {"USD": ("0.029", "0.30"), "GBP": ("0.015", "0.20")}[line.currency]
    if line.category == "charge":
        share = (line.amount * Decimal(percent)).quantize(Decimal("0.01"), ROUND_HALF_UP)
        return share + Decimal(fixed)
    if line.category == "fee":
        assert line.amount == Decimal(-49)
    return Decimal(15) if line.category == "chargeback" else Decimal(0)


def test_events_and_extracts_tell_the_same_unless_labelled(
    sample: tuple[Path, SampleReport], books: Books
) -> None:
    told = [one for feed in ("stripe_us", "stripe_uk") for one in _told(sample[0], feed)]
    meant = {
        "charge.succeeded": ("charge", 1),
        "refund.created": ("refund", -1),
        "charge.dispute.created": ("chargeback", -1),
        "payout.paid": ("payout", -1),
    }
    of_line: dict[tuple[str, str], list[tuple[str, Decimal]]] = defaultdict(list)
    for line in books.settlement:
        if line.feed != "adyen" and line.category in {kind for kind, _ in meant.values()}:
            of_line[line.category, line.ref].append((line.line_id, line.amount))
    for event_id, type_, about in told:
        kind, sign = meant[type_]
        name = "events_to_payouts" if kind == "payout" else "events_to_settlement"
        amount = sign * Decimal(about["amount"]) / 100
        lines = of_line.pop((kind, about["id"]), [])
        first = Decimal(0) if not lines else lines[0][1]
        wrong = None if first == amount else "amount_mismatch" if lines else "missing_in_target"
        assert books.label(name, "source", event_id) == wrong, event_id
        found = [books.label(name, "target", line_id) for line_id, _ in lines]
        assert found == [wrong, "duplicate_in_target"][: len(lines)], event_id
    for lines in of_line.values():
        for line_id, _ in lines:
            assert books.label("events_to_settlement", "target", line_id) == "missing_in_source"
    assert of_line


def test_an_invoice_told_is_the_sum_of_its_items_unless_labelled(
    sample: tuple[Path, SampleReport], books: Books
) -> None:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    lines: dict[str, list[str]] = defaultdict(list)
    for item in books.items:
        invoice, tax = item["Invoice Number"], Decimal(item["Tax Amount"])
        sums[invoice] += Decimal(item["Charge Amount"]) + tax
        lines[invoice].append(item["Invoice Item ID"])
        if tax:
            lines[invoice].append(f"{item['Invoice Item ID']}:tax")
    for event_id, _, data in _told(sample[0], "billing"):
        there = data["invoice"] in sums
        amount = sums.pop(data["invoice"], Decimal(0))
        right = amount == Decimal(data["amount"])
        wrong = "missing_in_target" if not there else None if right else "amount_mismatch"
        assert books.label("events_to_invoices", "source", event_id) == wrong, event_id
        for line_id in lines[data["invoice"]]:
            assert books.label("events_to_invoices", "target", line_id) == wrong, line_id
    for invoice in sums:
        for line_id in lines[invoice]:
            label = books.label("events_to_invoices", "target", line_id)
            assert label == "missing_in_source", line_id
    assert sums


def test_billing_numbers_its_events_by_entity_and_only_what_never_came_leaves_a_gap(
    sample: tuple[Path, SampleReport], books: Books
) -> None:
    numbers: dict[str, dict[int, str]] = defaultdict(dict)
    for path in sorted((sample[0] / "billing_events").glob("*.ndjson")):
        for line in path.read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            numbers[one["data"]["account"]][one["sequence"]] = one["timestamp"][:10]
    gaps = Counter(
        ("events_to_invoices", "sequence_gap", "source", f"billing_events@{seen[n + 1]}/{of} {n}")
        for of, seen in numbers.items()
        for n in range(1, max(seen))
        if n not in seen
    )
    assert gaps == Counter({k: n for k, n in books.delivery_labels.items() if k in gaps})
    assert (
        gaps.total()
        == len(
            [k for k in books.delivery_labels if k[:2] == ("events_to_invoices", "sequence_gap")]
        )
        > 2
    )


def _told(folder: Path, feed: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Id, type and content of every usable event of a feed, each once."""
    seen: dict[str, str] = {}
    for path in sorted((folder / f"{feed}_events").glob("*.ndjson")):
        for line in path.read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            at = one.get("timestamp") or datetime.fromtimestamp(one["created"], UTC).isoformat()
            assert at[:10] == path.stem[-10:], "it lies under the day it happened"
            assert seen.setdefault(one["id"], line) == line, "the same event, other content"
    for event_id, line in seen.items():
        one = json.loads(line)
        if not event_id.startswith("evt_bad_"):
            yield event_id, one["type"], one["data"].get("object", one["data"])


def test_every_class_that_fits_is_in_the_sample(books: Books) -> None:
    classes = {(key[0], kind) for key, lines in books.labels.items() for kind in lines.values()}
    classes |= {(name, kind) for name, kind, _, _ in books.delivery_labels}
    per = {name: {kind for n, kind in classes if n == name} for name, _ in classes}
    delivery = {"count_mismatch", "control_total_mismatch"}
    assert per == {
        SETTLEMENT: delivery
        | {"missing_in_target", "missing_in_source", "duplicate_in_source", "duplicate_in_target"}
        | {"amount_mismatch", "fee_variance", "account_mismatch", "unmapped_account"}
        | {"entity_mismatch", "currency_mismatch", "period_mismatch", "late_arrival", "ambiguous"}
        | {"fx_difference"}
        | {"batch_out_of_balance", "line_out_of_balance", "sequence_gap"},
        INVOICE: delivery
        | {"missing_in_target", "amount_mismatch", "tax_variance", "account_mismatch"}
        | {"duplicate_in_target", "missing_in_source"},
        RECEIVABLES: delivery | {"amount_mismatch", "missing_in_target", "duplicate_in_target"},
        USAGE: delivery
        | {"rating_variance", "late_usage", "missing_in_target", "missing_in_source"}
        | {"missing_extract"},
        PRICES: delivery
        | {"fee_variance", "missing_in_source", "missing_in_target"}
        | {"batch_out_of_balance", "line_out_of_balance", "sequence_gap"},
        "usage_to_ledger": delivery
        | {"rating_variance", "late_usage", "missing_in_target", "amount_mismatch"}
        | {"account_mismatch", "missing_extract"},
        "events_to_settlement": delivery
        | {"missing_in_source", "missing_in_target", "amount_mismatch", "duplicate_in_target"}
        | {"line_out_of_balance"},
        "events_to_payouts": delivery | {"line_out_of_balance"},
        "events_to_invoices": delivery
        | {"missing_in_source", "missing_in_target", "amount_mismatch", "sequence_gap"},
    }


def test_breaks_are_due_before_the_last_day(books: Books) -> None:
    latest = LAST - timedelta(days=10)
    labelled = books.labels[(SETTLEMENT, "source")]
    assert max(line.day for line in books.settlement if line.line_id in labelled) <= latest
    late = books.labels[(SETTLEMENT, "target")]
    assert max(p.posted_on for p in books.postings if p.line_id in late) <= LAST - timedelta(days=2)


def test_the_report_counts_what_is_written(sample: tuple[Path, SampleReport], books: Books) -> None:
    out, report = sample
    assert report.files == sum(1 for _ in out.glob("*/*.csv"))
    rows = {feed: sum(len(raw_rows(p)) for p in (out / feed).glob("*.csv")) for feed in FEEDS}
    assert report.rows == rows
    assert report.labels == len((out / "labels.csv").read_text().splitlines()) - 1
    assert (report.sent_twice, report.refused) == (books.sent_twice, books.refused)
    assert min(report.sent_twice, report.refused) > 0


def _gaps(books: Books) -> dict[str, set[int]]:
    """Numbers between the first and the last of a merchant account whose batch is not there."""
    accounts = {"EUR": "NorthwayDE", "JPY": "NorthwayUS_JPY"}
    there: dict[str, set[int]] = defaultdict(set)
    for line in books.settlement:
        if line.feed == "adyen":
            there[accounts[line.currency]].add(int(line.batch))
    return {a: set(range(min(n), max(n))) - n for a, n in there.items()}


def _settlement_key(line: Line) -> tuple[str, ...]:
    """By line where the ledger has it: Stripe's rows that are of something; else by batch."""
    if line.feed != "adyen" and line.ref:
        return ("line", line.ref, line.category)
    return ("batch", line.batch, line.category)


def _in_sums(books: Books) -> dict[str, tuple[list[Line], list[Posting]]]:
    """Postings that name a payout and no payment, and the lines of it that nothing names."""
    named = {(p.ref, p.category) for p in books.postings if p.ref}
    found: dict[str, tuple[list[Line], list[Posting]]] = {}
    for p in books.postings:
        if p.account in CLEARING and p.batch.startswith("po_") and not (p.ref or p.category):
            found.setdefault(p.batch, ([], []))[1].append(p)
    for line in books.settlement:
        if line.batch in found and (line.ref, line.category) not in named:
            found[line.batch][0].append(line)
    return found


def _by_line_or_batch(postings: Iterable[Posting]) -> dict[tuple[object, ...], list[Posting]]:
    found: dict[tuple[object, ...], list[Posting]] = defaultdict(list)
    for p in postings:
        if p.account in CLEARING:
            key = ("line", p.ref) if p.ref else ("batch", p.batch)
            found[(*key, p.category, p.entity, p.currency, p.amount)].append(p)
    return found


def _by(
    postings: Iterable[Posting], accounts: set[str], ref: object
) -> dict[tuple[object, ...], list[Posting]]:
    assert callable(ref)
    found: dict[tuple[object, ...], list[Posting]] = defaultdict(list)
    for p in postings:
        if p.account in accounts:
            found[(ref(p), p.entity, p.currency, p.amount)].append(p)
    return found


def _in_window(found: list[Posting], day: date, last: int = 3) -> bool:
    """Whether just one posting stands (another may be a labelled duplicate), inside the window."""
    days = sorted((p.posted_on - day).days for p in found)
    return bool(days) and -1 <= days[0] <= last and len(days) <= 2


def _labelled(books: Books, reconciliation: str, side: str, ids: list[str]) -> list[str]:
    return [i for i in ids if books.label(reconciliation, side, i)]


def _ids(books: Books, reconciliation: str, kind: str) -> set[str]:
    lines = books.labels[(reconciliation, "source")]
    return {line_id for line_id, name in lines.items() if name == kind}
