"""Order and repetition do not matter: 100,000 events in random order with duplicates, and once.

    python -m tests.proof.events --events 100000

The same events come into two homes: once in the order in which they happened; and shuffled, a share
of them twice or more, stored in groups of random size and applied in between. Then both are taken
in, reconciled with the same settlements and stated. Live state, lines' outcomes and statements must
be the same to the byte; prints their fingerprints and ends with 1 where they differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from tests.webhook_company import company
from tieout.events.apply import apply_waiting
from tieout.events.inbox import store
from tieout.events.mapping import Mapper, loads
from tieout.events.model import NewEvent
from tieout.events.receive import mapper_of
from tieout.extracts import take_in
from tieout.lines.ingest import refresh_lines
from tieout.matching.reconcile import reconcile
from tieout.periods import Period, windows_between
from tieout.register.eventtables import event, event_ref, expectation, subject
from tieout.statement import statements
from tieout.workplace import Workplace

FIRST, DAYS = date(2026, 10, 1), 30
NAME = "payments_told"


def bodies(count: int, seed: int) -> list[bytes]:
    """Payments that fail, succeed, and fail again; each event's own JSON."""
    draw = random.Random(seed)
    begin = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    made = []
    for number in range(count):
        what = "payment.failed" if draw.random() < 0.2 else "payment.succeeded"
        at = begin + timedelta(seconds=number * DAYS * 86_400 // count)
        told: dict[str, Any] = {
            "id": f"e{number}",
            "type": what,
            "at": at.isoformat(),
            "account": draw.choice(["acct_nl", "acct_us"]),
            "number": number,
            "payment": f"p{draw.randrange(number // 2, number + 1)}",
        }
        if what == "payment.succeeded":
            told |= {"amount": f"{draw.randrange(1, 100_000) / 100:.2f}"}
            told |= {"currency": "EUR" if told["account"] == "acct_nl" else "USD"}
        if draw.random() < 0.001:
            told["account"] = "acct_nobody"
        made.append(json.dumps(told).encode())
    return made


def settlements(folder: Path, events: list[bytes], seed: int) -> None:
    """What the provider settled: most of what was told, some of it with another amount."""
    draw = random.Random(seed)
    rows: dict[str, list[str]] = {}
    for body in events:
        told = json.loads(body)
        if told["type"] != "payment.succeeded" or draw.random() < 0.01:
            continue
        amount = told["amount"] if draw.random() > 0.01 else "0.07"
        entity = "NL" if told["account"] == "acct_nl" else "US"
        day = told["at"][:10]
        row = f"s{told['id']},{amount},{day},{entity},{told['currency']},{told['payment']}"
        rows.setdefault(day, []).append(row)
    (folder / "card").mkdir()
    for day, own in rows.items():
        text = "\n".join(["id,charged,day,entity,currency,payment", *own]) + "\n"
        (folder / "card" / f"{day}.csv").write_text(text, encoding="utf-8")


def once(events: list[bytes]) -> Iterator[list[bytes]]:
    """In order, in groups."""
    for start in range(0, len(events), 500):
        yield events[start : start + 500]


def shuffled(events: list[bytes], share: float, seed: int) -> Iterator[list[bytes]]:
    """In random order, a share of them again, in groups of random size."""
    draw = random.Random(f"shuffled {seed}")
    sent = events + draw.choices(events, k=round(len(events) * share))
    draw.shuffle(sent)
    start = 0
    while start < len(sent):
        size = draw.randrange(1, 1_000)
        yield sent[start : start + size]
        start += size


def read(mapper: Mapper, body: bytes) -> NewEvent:
    """As the intake reads it, after the signature."""
    document = loads(body)
    event_id = mapper.event_id(document, {})
    assert event_id is not None
    return mapper.read(body, document, {}, event_id)


def take(workplace: Workplace, groups: Iterator[list[bytes]], seed: int) -> None:
    """Store groups, applying what waits now and then."""
    draw = random.Random(f"apply {seed}")
    mapper = mapper_of(workplace.settings, "events")
    for group in groups:
        with workplace.register.writing() as connection:
            store(connection, [read(mapper, body) for body in group])
        if draw.random() < 0.3:
            apply_waiting(workplace.register, workplace.settings, draw.randrange(1, 800))
    while apply_waiting(workplace.register, workplace.settings, 1_000):
        pass


def fingerprints(workplace: Workplace, period: Period) -> dict[str, str]:
    """sha256 of the live state, of the outcomes and of the statements."""
    found = {}
    with workplace.register.reading() as connection:
        for table, columns in (
            (subject, list(subject.c)),
            (expectation, list(expectation.c)),
            (event_ref, [event_ref.c.ref, event_ref.c.kind, event.c.event_id]),
            (event, [event.c.event_id, event.c.state, event.c.envelope, event.c.problem]),
        ):
            query = sa.select(*columns)
            if table is event_ref:
                query = query.join(event, event.c.sequence == event_ref.c.sequence)
            rows = sorted(json.dumps([*row], default=str) for row in connection.execute(query))
            found[f"{table.name} ({len(rows):,})"] = _sha256(rows)
    days = windows_between(period.first, period.last, "day")
    heads = workplace.register.heads(f"outcomes/{NAME}", days)
    paths = workplace.store.paths(heads.values())
    # All but the fingerprint of the extract, in which the inbox says when it received an event.
    outcomes = pl.read_parquet(paths).drop("extract_sha256").sort(pl.all())
    found[f"outcomes ({outcomes.height:,})"] = _sha256([outcomes.write_csv()])
    told = [json.dumps(one.as_json()) for one in statements(workplace, NAME, period)]
    found[f"statements ({len(told)})"] = _sha256(told)
    return found


def _sha256(texts: list[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def prove(
    folder: Path, groups: Iterator[list[bytes]], events: list[bytes], seed: int, url: str | None
) -> dict[str, str]:
    """One home from events to statements."""
    config = company(folder, url)
    settlements(folder, events, seed)
    period = Period(FIRST, FIRST + timedelta(days=DAYS - 1))
    days = windows_between(period.first, period.last, "day")
    with Workplace.open(config, folder / "home") as workplace:
        take(workplace, groups, seed)
        for feed in ("events", "card"):
            take_in(workplace, feed, days)
            for window in refresh_lines(workplace, feed, days, run_id="proof"):
                assert window.error is None, window
        reconcile(workplace, NAME, run_id="proof")
        for one in statements(workplace, NAME, period):
            assert one.holds, one
        return fingerprints(workplace, period)


def main() -> int:
    """Compare the two, and say so."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=100_000)
    options.add_argument("--duplicates", type=float, default=0.3)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    events = bodies(given.events, given.seed)
    found = []
    for name in ("once, in order", "shuffled, with duplicates"):
        groups = once(events)
        if found:
            groups = shuffled(events, given.duplicates, given.seed)
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            found.append(prove(Path(folder) / "x", groups, events, given.seed, None))
            print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    for what, sha256 in found[0].items():
        same = "the same" if found[1].get(what) == sha256 else "DIFFERENT"
        print(f"{what:<28} {sha256[:16]}  {same}")
    return 0 if found[0] == found[1] else 1


if __name__ == "__main__":
    sys.exit(main())
