"""The inbox as extracts: the same events give the same lines, whatever way they came."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tests.webhook_company import company, event, receive
from tieout.config import load
from tieout.errors import ConfigurationError
from tieout.events.export import begun, exported, line_id
from tieout.events.model import NewEvent, Problem
from tieout.extracts import current, take_in
from tieout.lines.ingest import refresh_lines
from tieout.matching.reconcile import reconcile
from tieout.stale import mark_stated, stale_days
from tieout.statement import publish_statements
from tieout.validation import validated
from tieout.workplace import Workplace

DAY = date(2026, 10, 5)
WINDOW = str(DAY)
NEXT = str(DAY + timedelta(days=1))


@pytest.fixture
def workplace(tmp_path: Path, register_url: str) -> Iterator[Workplace]:
    config = company(tmp_path / "company", register_url)
    with Workplace.open(config, tmp_path / "home") as opened:
        yield opened


def _published(workplace: Workplace, table: str) -> pl.DataFrame:
    heads = workplace.register.heads(f"{table}/events").values()
    paths = workplace.store.paths(heads)
    return pl.read_parquet(paths) if paths else pl.DataFrame()


def _work(workplace: Workplace, windows: list[str], run_id: str = "run") -> None:
    take_in(workplace, "events", windows)
    refresh_lines(workplace, "events", windows, run_id=run_id)


def _mixed(count: int) -> list[NewEvent]:
    """Payments of one day in an order of their own; every fifth has no amount, some ids are no
    keys, and several happen in one minute."""
    drawn = random.Random(4)
    return [
        event(
            f"evt {n}" if n % 7 == 0 else f"evt_{n}",
            DAY,
            ref=f"p{n}",
            type="payment.failed" if n % 5 == 0 else "payment.succeeded",
            amount=None if n % 5 == 0 else f"{drawn.randint(1, 99_999) / 100:.2f}",
            minute=drawn.randint(0, 300),
            number=n,
        )
        for n in range(1, count + 1)
    ]


def test_lines_are_those_of_the_set_of_events_in_the_senders_order(workplace: Workplace) -> None:
    events = _mixed(60)
    arrived = random.Random(1).sample(events, 60)
    for start in range(0, 60, 7):
        receive(workplace.register, arrived[start : start + 7])
        receive(workplace.register, arrived[max(0, start - 9) : start + 3])
    _work(workplace, [WINDOW])
    ordered = sorted(events, key=lambda e: (e.envelope.occurred_at, e.event_id))
    lines = _published(workplace, "lines")
    assert lines["payment_ref"].to_list() == [e.envelope.subject_ref for e in ordered]
    assert lines["line_id"].to_list() == [line_id(e.event_id) for e in ordered]
    assert lines["amount"].to_list() == [Decimal(e.envelope.amount or 0) for e in ordered]
    assert set(lines["currency"]) == {"EUR"}
    (extract,) = current(workplace, "events", [WINDOW])
    assert extract.manifest is not None
    total = sum(Decimal(e.envelope.amount or 0) for e in events)
    assert Decimal(extract.manifest["totals"]["EUR"]) == total
    assert extract.manifest["rows"] == 60
    assert _published(workplace, "deliveries")["break_class"].drop_nulls().to_list() == []


def test_the_same_events_again_are_the_same_extract(workplace: Workplace) -> None:
    receive(workplace.register, _mixed(9))
    _work(workplace, [WINDOW])
    before = workplace.register.heads("lines/events")[WINDOW].version
    receive(workplace.register, _mixed(9))
    _work(workplace, [WINDOW], "again")
    assert len(workplace.register.extracts("events", [WINDOW], current=False)) == 1
    assert workplace.register.heads("lines/events")[WINDOW].version == before


def test_a_window_without_events_is_delivered_and_not_missing(workplace: Workplace) -> None:
    _work(workplace, [WINDOW])
    deliveries = _published(workplace, "deliveries")
    assert deliveries["break_class"].to_list() == [None] * deliveries.height
    assert workplace.register.heads("lines/events")[WINDOW].totals["notes"] == []
    assert "with 0 rows" in deliveries.filter(pl.col("check") == "arrival")["explanation"][0]


def test_windows_are_those_that_have_begun(workplace: Workplace) -> None:
    now = datetime(2026, 10, 3, 9, tzinfo=UTC)
    days = ["2026-10-01", "2026-10-02", "2026-10-03"]
    assert begun(workplace.settings, "events", None, now) == days
    assert begun(workplace.settings, "events", ["2026-09-30", "2026-10-04"], now) == []
    complete = [
        (e.window, e.manifest["inbox"]["complete"])
        for e in exported(workplace, "events", None, now=now)
        if e.manifest is not None
    ]
    assert complete == [("2026-10-01", True), ("2026-10-02", True), ("2026-10-03", False)]


def test_dead_letters_go_to_quarantine_in_the_words_of_the_inbox(workplace: Workplace) -> None:
    problem = Problem("business", "unknown_account", "'acct_x' is no entity's name", "add it")
    passing = Problem("transient", "timeout", "the lock was not free", "replay it")
    receive(
        workplace.register,
        [
            event("a", DAY, number=1),
            event("b", DAY, ref="p2", state="dead", problem=problem, entity=None, number=2),
            event("c", DAY, ref="p3", state="dead", problem=passing, number=3),
            event("d", DAY, ref="p4", state="ignored", number=4),
            event("e", DAY, ref="p5", state="discarded", number=5),
        ],
    )
    _work(workplace, [WINDOW])
    # What kept an event from the live state alone is no fault of the event.
    assert _published(workplace, "lines")["line_id"].to_list() == ["a", "c"]
    (refused,) = _published(workplace, "quarantine").rows(named=True)
    shown = (refused["reason"], refused["message"], refused["remedy"])
    assert shown == ("unknown_account", "'acct_x' is no entity's name", "add it")
    assert (refused["line_id"], refused["currency"]) == ("b", "EUR")
    assert refused["amount"] == Decimal("10.00")
    totals = workplace.register.heads("lines/events")[WINDOW].totals
    assert totals["watermark"] == {
        "events": 5,
        "last": "2026-10-05T00:00:00+00:00",
        "dead": 2,
        "complete": True,
    }
    assert totals["numbers"] == {"acct_nl": [[1, 5, "NL"]]}


def test_numbers_that_never_came_are_a_gap_until_they_do(workplace: Workplace) -> None:
    def gaps() -> list[str]:
        found = _published(workplace, "deliveries").filter(pl.col("break_class") == "sequence_gap")
        return sorted(found["explanation"])

    numbers = {3: DAY, 4: DAY, 7: DAY, 9: DAY + timedelta(days=1)}
    receive(
        workplace.register,
        [event(f"e{n}", day, ref=f"p{n}", number=n) for n, day in numbers.items()],
    )
    _work(workplace, [WINDOW, NEXT])
    assert gaps() == [
        "acct_nl: number 8 never came, 9 did",
        "acct_nl: numbers 5 to 6 never came, 7 did",
    ]
    receive(workplace.register, [event("e8", DAY, ref="p8", number=8, minute=30)])
    receive(workplace.register, [event("e5", DAY, ref="p5", number=5)])
    _work(workplace, [WINDOW], "later")
    assert gaps() == ["acct_nl: number 6 never came, 7 did"]


def test_ids_that_are_no_keys_become_fingerprints() -> None:
    assert line_id("evt_1:a.b-c") == "evt_1:a.b-c"
    assert line_id("a b") == "h:c8687a08aa5d6ed2044328fa6a697ab8"
    assert line_id("x" * 129).startswith("h:")
    # So that no sender can name an event by the fingerprint of another.
    assert line_id(line_id("a b")) != line_id("a b")


def test_a_feed_that_cannot_fill_its_inbox_is_told(tmp_path: Path) -> None:
    config = company(tmp_path / "company")
    text = config.read_text()
    config.write_text(text.replace("format: numbered_events", "format: card"))
    with pytest.raises(ConfigurationError, match="card is no format of webhooks"):
        validated(config)
    config.write_text(text.replace("feeds: [bills], line", "feeds: [bils], line"))
    with pytest.raises(ConfigurationError, match="no feed 'bils'"):
        load(config)
    config.write_text(text.replace("posted_by: card_to_ledger", "posted_by: card"))
    with pytest.raises(ConfigurationError, match="'card' is no reconciliation of two sides"):
        load(config)


def test_a_day_is_stated_again_when_only_its_watermark_has_moved(workplace: Workplace) -> None:
    def state(run: str) -> list[dict[str, object]]:
        _work(workplace, [WINDOW], run)
        reconcile(workplace, "payments_told", run_id=run)
        stale = stale_days(workplace, "payments_told")
        found = publish_statements(workplace, "payments_told", {*stale.days, *first}, run_id=run)
        mark_stated(workplace, "payments_told", stale, run_id=run)
        return [one.watermarks[0].as_json() for one in found.get(WINDOW, [])]

    first = {DAY}
    receive(workplace.register, [event("e1", DAY)])
    assert state("one")[0]["events"] == 1
    first = set()
    state("two")
    assert workplace.register.heads("statements/payments_told")[WINDOW].version == 1
    receive(workplace.register, [event("e2", DAY, state="ignored", minute=9, number=4)])
    assert state("three")[0]["last_event"] == "2026-10-05T00:09:00+00:00"
    assert workplace.register.heads("statements/payments_told")[WINDOW].version == 2
