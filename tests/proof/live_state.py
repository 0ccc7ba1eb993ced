"""100,000 events, three in ten repeated, in random order: the same live state as once in order.

    python -m tests.proof.live_state --events 100000 [--postgresql URL]

Both are taken in and applied, the one in order and each once, the other shuffled, with repetitions,
in batches of any size, and some of these rolled back half way. Prints the SHA-256 of the sorted
subjects, expectations and references of each, and ends with 1 where two are not the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tieout.config import load
from tieout.events.apply import apply_waiting
from tieout.events.inbox import store
from tieout.events.mapping import Mapper, loads
from tieout.events.model import NewEvent
from tieout.formats.catalogue import format_of
from tieout.register.eventtables import event, event_ref, expectation, subject
from tieout.register.register import Register
from tieout.settings import Settings

START = datetime(2026, 10, 1, tzinfo=UTC)
COMPANY = """
company: Example
calendar: {start: 2026-10-01}
entities: {DE01: {name: Example GmbH, currency: EUR}, US01: {name: Example Inc., currency: USD}}
feeds:
  shop:
    format: signed_json_events
    inbox:
      secrets: ["${A_KEY}"]
      expects:
        invoice: {feeds: [billing], posted_by: booked}
        payment: {feeds: [billing]}
  bank:
    format: signed_json_events
    inbox: {secrets: ["${A_KEY}"], expects: {payout: {feeds: [billing], posted_by: booked}}}
  billing: {format: zuora_invoice_items, location: "b/{date}.csv", entity: DE01}
  ledger: {format: ledger_csv, location: "l/{date}.csv"}
reconciliations:
  booked:
    description: Every invoice is booked
    source: {feeds: [billing]}
    target: {feeds: [ledger]}
    passes: [{name: a, shape: one_to_one, key: {source: [line_id], target: [line_ref]}}]
"""
TYPES = {
    "invoice": ("issued", "paid", "credited", "voided"),
    "payment": ("succeeded", "failed", "refunded", "disputed", "dispute_closed"),
    "payout": ("paid", "failed"),
    "usage": ("reported",),
}
_NO_AMOUNT = ("invoice.voided", "payment.dispute_closed")
_STORED_TOGETHER = 500


class _CrashError(Exception):
    """The process ends here, before the commit."""


def configuration(folder: Path) -> Settings:
    """The company that the events are of."""
    path = folder / "tieout.yaml"
    path.write_text(COMPANY, encoding="utf-8")
    return load(path, {})


def made(settings: Settings, count: int, seed: int) -> list[NewEvent]:
    """Events of all types from two senders, several of a subject, many at one moment; now and then
    one in another currency than its subject's."""
    draw = random.Random(seed)
    mappers = {}
    for feed in ("shop", "bank"):
        webhook = format_of(settings, feed).webhook
        assert webhook is not None
        mappers[feed] = Mapper(feed, webhook, None, settings.entity_names())
    found = []
    for number in range(count):
        kind = draw.choice(list(TYPES))
        entity, currency = draw.choice([("DE01", "EUR"), ("US01", "USD")])
        what = f"{kind}.{draw.choice(TYPES[kind])}"
        data = {"account": entity, kind: f"{kind}-{draw.randrange(count // 8 + 1)}"}
        if what not in _NO_AMOUNT:
            other = draw.random() < 0.01
            data["amount"] = f"{draw.randrange(-9_999, 9_999_999) / 100:.2f}"
            data["currency"] = "GBP" if other else currency
        if kind != "payout":
            data["customer"] = f"customer-{draw.randrange(count // 20 + 1)}"
        at = START + timedelta(minutes=draw.randrange(40 * 24 * 60))
        feed = "bank" if kind == "payout" or draw.random() < 0.1 else "shop"
        told = {"id": f"e-{number}", "type": what, "timestamp": at.isoformat(), "data": data}
        body = json.dumps(told).encode()
        found.append(mappers[feed].read(body, loads(body), {}, f"e-{number}"))
    return found


def in_order(register: Register, settings: Settings, events: Sequence[NewEvent]) -> None:
    """Each once, as they happened."""
    for some in _pieces(sorted(events, key=_moment), lambda: _STORED_TOGETHER):
        with register.writing() as connection:
            store(connection, some)
        _apply_all(register, settings)


def disturbed(
    register: Register, settings: Settings, events: Sequence[NewEvent], seed: int
) -> None:
    """Shuffled, three in ten of them again, in pieces of any size; one piece in ten is rolled back
    after it was stored and sent anew, and the state is applied now and then."""
    draw = random.Random(f"disturbed {seed}")
    sent = [*events, *draw.sample(list(events), len(events) * 3 // 10)]
    draw.shuffle(sent)
    for some in _pieces(sent, lambda: draw.randrange(1, 2 * _STORED_TOGETHER)):
        if draw.random() < 0.1:
            _roll_back(register, some)
        with register.writing() as connection:
            store(connection, some)
        if draw.random() < 0.7:
            apply_waiting(register, settings, draw.randrange(1, 1_000))
    _apply_all(register, settings)


def digest(register: Register) -> str:
    """SHA-256 of all that the events came to, sorted; sequences are of the order of arrival and are
    told by the event's own id."""
    known = sa.select(event_ref.c.ref, event_ref.c.kind, event.c.feed, event.c.event_id)
    queries = (
        sa.select(subject),
        sa.select(expectation),
        known.join(event, event.c.sequence == event_ref.c.sequence),
        sa.select(event.c.feed, event.c.event_id, event.c.state, event.c.body_sha256),
    )
    found = hashlib.sha256()
    with register.reading() as connection:
        for query in queries:
            rows = [
                json.dumps(list(row), default=str, sort_keys=True)
                for row in connection.execute(query)
            ]
            found.update("\n".join([*sorted(rows), "", ""]).encode())
    return found.hexdigest()


def _apply_all(register: Register, settings: Settings) -> None:
    while apply_waiting(register, settings):
        pass


def _roll_back(register: Register, events: Sequence[NewEvent]) -> None:
    try:
        with register.writing() as connection:
            store(connection, events)
            raise _CrashError
    except _CrashError:
        pass


def _moment(one: NewEvent) -> Any:
    return one.envelope.occurred_at, one.event_id


def _pieces(items: Sequence[NewEvent], size: Any) -> Iterator[Sequence[NewEvent]]:
    start = 0
    while start < len(items):
        end = start + size()
        yield items[start:end]
        start = end


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove it, on SQLite and on an empty PostgreSQL database where one is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgresql", metavar="URL", help="an empty database")
    given = parser.parse_args(arguments)
    digests = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = configuration(folder)
        events = made(settings, given.events, given.seed)
        places = {"in order": "sqlite", "disturbed": "sqlite"}
        runs = [(what, f"sqlite:///{folder / what.split()[0]}.db") for what in places]
        if given.postgresql:
            runs.append(("disturbed", given.postgresql))
        for what, url in runs:
            begun = time.perf_counter()
            with Register.open(url) as register:
                if what == "in order":
                    in_order(register, settings, events)
                else:
                    disturbed(register, settings, events, given.seed)
                took = time.perf_counter() - begun
                digests.append(digest(register))
            kind = url.partition(":")[0]
            print(f"{given.events:,} events {what:<9} {kind:<20} {took:7.1f} s  {digests[-1]}")
    same = len(set(digests)) == 1
    print("identical" if same else "NOT THE SAME")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
