"""What the sample's providers and its billing tell by webhook, as they write it, an event a line.

Senders deliver at least once and in any order: some events are in the file twice, and a day's are
not in the order in which they happened. Some are missing, some tell of what no extract has, some
of another amount: those are labelled. A few cannot be used at all; they go to the dead letters.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import polars as pl

from tieout.sample.business import Business, stamp
from tieout.sample.company import CURRENCIES, ENTITIES, ENTITY_OF_MARKET, MARKETS, STRIPE
from tieout.sample.deliveries import label
from tieout.sample.draws import draw_one, key
from tieout.sample.invoicing import invoice_line_amounts
from tieout.sample.labels import Labels
from tieout.sample.ledger import invoice_number
from tieout.sample.plan import Injection, Plan, told_by

EVENT_FEEDS: Final = ("stripe_us_events", "stripe_uk_events", "billing_events")
BILLING: Final = "billing_events"
_API: Final = "2026-09-30"
_TYPES: Final = {
    "charge": "charge.succeeded",
    "refund": "refund.created",
    "chargeback": "charge.dispute.created",
    "payout": "payout.paid",
}
_OFF: Final = 900
"""Hundredths by which an amount told differs."""
_AGAIN: Final = 10
"""One event in so many is sent twice."""
_MANY: Final = 1 << 31

Event = dict[str, Any]


def event_file(out: Path, feed: str, day: date) -> Path:
    """Where the events of a feed that happened on a day lie."""
    return out / feed / f"{feed}_{day:%Y-%m-%d}.ndjson"


def stripe_events(
    plan: Plan, feed: str, day: date, rows: pl.DataFrame, labels: Labels
) -> list[Event]:
    """What the account tells of the movements in the payout of a day, and of the payout."""
    told = rows.filter(pl.col("category").is_in(list(_TYPES)))
    once = told.filter(~pl.col("again"))
    for txn, gross in told.filter("again").select("txn", "gross").iter_rows():
        # One event for a movement that the extract has twice.
        labels.add("events_to_settlement", "duplicate_in_target", "target", _line(txn, gross))
    events = [_of_movement(feed, row) for row in once.iter_rows(named=True)]
    twice = told.filter("again")["source"].to_list()
    free = [
        number
        for number, row in enumerate(once.iter_rows(named=True))
        if row["category"] == "charge" and row["source"] not in twice
    ]
    injection = plan.at(told_by(f"{feed}_events"), day)
    if injection is not None and free:
        victim = free[injection.nth % len(free)]
        _break_payment(injection, events, victim, once.row(victim, named=True), labels)
    return [*events, *_poison(feed, day, events)]


def _break_payment(
    injection: Injection, events: list[Event], at: int, row: dict[str, Any], labels: Labels
) -> None:
    """Leave an event out, tell of a payment that is none, or of another amount."""
    kind, name = injection.break_class, "events_to_settlement"
    event, line = events[at], _line(row["txn"], row["gross"])
    if kind == "missing_in_source":
        del events[at]
        labels.add(name, kind, "target", line)
    elif kind == "missing_in_target":
        ghost = json.loads(json.dumps(event))
        ghost["id"] += "X"
        ghost["data"]["object"]["id"] += "X"
        events.append(ghost)
        labels.add(name, kind, "source", _line(ghost["id"], row["gross"]))
    else:
        event["data"]["object"]["amount"] += _OFF
        labels.add(name, kind, "source", _line(event["id"], row["gross"] + _OFF))
        labels.add(name, kind, "target", line)


def _of_movement(feed: str, row: dict[str, Any]) -> Event:
    """A Stripe event, its fields as Stripe writes them; amounts in cents, without a sign."""
    market = MARKETS[STRIPE[feed]]
    kind, origin = row["category"], row["origin"]
    about: dict[str, Any] = {
        "id": row["source"],
        "amount": abs(row["gross"]),
        "currency": market.currency.lower(),
    }
    if kind == "charge":
        about |= {"object": "charge", "invoice": f"INV-{origin[:6]}-{origin[6:]}"}
        if row["shown_in"] != market.currency:
            shown = {"presentment_amount": row["shown"]}
            about["presentment_details"] = shown | {"presentment_currency": row["shown_in"].lower()}
    elif kind == "payout":
        about |= {"object": "payout", "status": "paid"}
    else:
        about |= {"object": kind, "charge": f"ch_{origin}"}
    return _stripe(f"evt_{row['txn'][4:]}", _TYPES[kind], row["created_at"], about)


def _stripe(event_id: str, type_: str, at: datetime, about: dict[str, Any]) -> Event:
    return {
        "id": event_id,
        "object": "event",
        "api_version": _API,
        "created": _unix(at),
        "type": type_,
        "livemode": True,
        "data": {"object": about},
    }


def _poison(feed: str, day: date, events: Sequence[Event]) -> Iterable[Event]:
    """Every fifth day one that cannot be used: a type, an account, an amount nobody knows."""
    if day.day % 5 or not events:
        return []
    one = _stripe(f"evt_bad_{feed}_{stamp(day)}", "charge.succeeded", _moment(day, 43_200), {})
    one["data"]["object"] = {"id": f"ch_bad_{stamp(day)}", "amount": 1200, "currency": "usd"}
    which = day.day // 5 % 3
    if which == 0:
        one["type"] = "refund.failed"
    elif which == 1:
        one["account"] = "acct_northway_fr"
    else:
        one["data"]["object"]["amount"] = "12.00 USD"
    return [one]


def billing_events(
    plan: Plan, day: date, lines: pl.DataFrame, told: Counter[str], labels: Labels
) -> list[Event]:
    """An event for each invoice issued on a day, in one amount with its tax.

    Billing numbers its events by entity; `told` counts them, over all days. One that never came
    leaves a gap.
    """
    sums = (
        lines.group_by("invoice", "sub", "market")
        .agg(amount=(pl.col("amount") + pl.col("tax")).sum())
        .sort("invoice")
        .with_columns(number=invoice_number(day, pl.col("invoice")))
    )
    rows = sums.rows(named=True)
    events = [_of_invoice(day, row) for row in rows]
    injection = plan.at(told_by(BILLING), day)
    # One that others of its entity follow on that day, so that its gap shows on it.
    entities = [_entity(row) for row in rows]
    fit = [at for at, entity in enumerate(entities) if entity in entities[at + 1 :]]
    if injection is None or not fit:
        return _numbered(events, told)
    at = fit[injection.nth % len(fit)]
    row, event = rows[at], events[at]
    items = invoice_line_amounts(day, lines.filter(pl.col("invoice") == row["invoice"]))
    kind, name = injection.break_class, "events_to_invoices"
    off = _OFF * MARKETS[row["market"]].smallest
    if kind == "missing_in_source":
        labels.add(name, kind, "target", items)
        events = _numbered(events, told)
        del events[at]
        label(labels, "sequence_gap", BILLING, day, f"{_entity(row)} {event['sequence']}", 0)
        return events
    if kind == "missing_in_target":
        events.append(_of_invoice(day, row | {"number": row["number"] + "X"}))
        labels.add(name, kind, "source", _line(events[-1]["id"], row["amount"]))
    else:
        events[at] = _of_invoice(day, row | {"amount": row["amount"] + off})
        labels.add(name, kind, "source", _line(event["id"], row["amount"] + off))
        labels.add(name, kind, "target", items)
    return _numbered(events, told)


def _numbered(events: list[Event], told: Counter[str]) -> list[Event]:
    for one in events:
        entity = one["data"]["account"]
        told[entity] += 1
        one["sequence"] = told[entity]
    return events


def _entity(row: dict[str, Any]) -> str:
    return ENTITIES[ENTITY_OF_MARKET[row["market"]]]


def _of_invoice(day: date, row: dict[str, Any]) -> Event:
    market = row["market"]
    at = _moment(day, 3_600 + row["invoice"] % 3_600)
    return {
        "id": f"bill_{row['number']}",
        "type": "invoice.issued",
        "timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "data": {
            "account": _entity(row),
            "invoice": row["number"],
            "customer": f"C-{row['sub']:09d}",
            "subscription": f"SUB-{row['sub']:09d}",
            "amount": f"{Decimal(row['amount']).scaleb(-2):f}",
            "currency": CURRENCIES[market],
        },
    }


def write_events(
    business: Business, out: Path, feed: str, day: date, events: Sequence[Event]
) -> int:
    """Add events to the files of the days they happened on, as they were delivered: in another
    order, some twice. Returns how many lines were written."""
    stream = key(business.seed, f"{feed} deliveries", day)
    drawn = [(draw_one(n, stream, _MANY), one) for n, one in enumerate(events)]
    sent = [one for _, one in sorted(drawn, key=lambda pair: pair[0])]
    sent += [one for lot, one in drawn if lot % _AGAIN == 0]
    by_day: dict[date, list[Event]] = {}
    for one in sent:
        by_day.setdefault(_day_of(one), []).append(one)
    for of, some in sorted(by_day.items()):
        with event_file(out, feed, of).open("a", encoding="utf-8", newline="\n") as file:
            file.writelines(json.dumps(one, separators=(",", ":")) + "\n" for one in some)
    return len(sent)


def _day_of(event: Event) -> date:
    if "created" in event:
        return datetime.fromtimestamp(event["created"], UTC).date()
    return date.fromisoformat(event["timestamp"][:10])


def _line(line_id: str, amount: int) -> pl.DataFrame:
    return pl.DataFrame({"line_id": [line_id], "amount": [amount]})


def _unix(at: datetime) -> int:
    return int(at.replace(tzinfo=UTC).timestamp())


def _moment(day: date, seconds: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(seconds=seconds)
