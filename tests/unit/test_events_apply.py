"""The live state is a function of the set of events: order, repetition and failures cannot matter.

The reference below is written from docs/domain.md and shares no code with the fold: it looks for
extremes where the fold sorts, and adds fractions where the fold adds decimals.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import strategies as st

from tests.proof import live_state as proof
from tieout.config import load
from tieout.errors import TieoutError
from tieout.events import apply as applying
from tieout.events.apply import MOST_ATTEMPTS, apply_waiting
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
  own:
    format: signed_json_events
    inbox:
      secrets: ["${A_KEY}"]
      expects:
        invoice: {feeds: [billing], posted_by: booked, posted_within_hours: 96}
        payment: {feeds: [billing]}
        payout: {feeds: [billing], line_within_hours: 0}
  billing: {format: zuora_invoice_items, location: "b/{date}.csv", entity: DE01}
  ledger: {format: ledger_csv, location: "l/{date}.csv"}
reconciliations:
  booked:
    description: Every invoice is booked
    source: {feeds: [billing]}
    target: {feeds: [ledger]}
    passes: [{name: a, shape: one_to_one, key: {source: [line_id], target: [line_ref]}}]
"""
# Type -> the state it leads to, in the order that decides between events of one moment.
RANKS = {
    "invoice": ["issued", "credited", "paid", "voided"],
    "payment": ["failed", "succeeded", "refunded", "disputed", "dispute_closed"],
    "payout": ["paid", "failed"],
    "usage": ["reported"],
}
HOURS = {
    "invoice": {"extract_line": 30, "ledger_posting": 96},
    "payment": {"extract_line": 30},
    "payout": {"extract_line": 0},
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "tieout.yaml"
    path.write_text(COMPANY, encoding="utf-8")
    return load(path, {})


@pytest.fixture
def mapper(settings: Settings) -> Mapper:
    webhook = format_of(settings, "own").webhook
    assert webhook is not None
    return Mapper("own", webhook, None, settings.entity_names())


def world(seed: int, count: int) -> list[dict[str, Any]]:
    """Events of few subjects, many of them at one moment."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        kind = draw.choice(list(RANKS))
        entity, currency = draw.choice([("DE01", "EUR"), ("US01", "USD")])
        data = {"account": entity, kind: f"{kind[:2]}-{draw.randrange(max(count // 6, 1))}"}
        what = f"{kind}.{draw.choice(RANKS[kind])}"
        if what not in ("invoice.voided", "payment.dispute_closed"):
            data |= {"amount": f"{draw.randrange(-500, 5000) / 4:.2f}", "currency": currency}
        if draw.random() < 0.5 and kind != "payout":
            data["customer"] = f"cu-{draw.randrange(9)}"
        at = START + timedelta(hours=draw.randrange(40))
        one = {"id": f"e-{number}", "type": what, "timestamp": at.isoformat(), "data": data}
        made.append(one)
    return made


def told(name: str, what: str, **data: str) -> dict[str, Any]:
    at = START.isoformat()
    return {"id": name, "type": what, "timestamp": at, "data": {"account": "DE01", **data}}


def reference(events: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """What the events of each subject come to."""
    groups: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for one in events:
        kind = one["type"].split(".")[0]
        groups[one["data"]["account"], kind, one["data"][kind]][one["id"]] = one

    def place(one: dict[str, Any]) -> tuple[Any, ...]:
        kind, word = one["type"].split(".")
        return datetime.fromisoformat(one["timestamp"]), RANKS[kind].index(word), one["id"]

    found = {}
    for key, by_id in groups.items():
        own = list(by_id.values())
        last, first = max(own, key=place), min(own, key=place)
        opening = [e for e in own if e["type"].split(".")[1] not in ("voided", "failed")]
        begun = min(opening, key=place) if opening else first
        state = last["type"].split(".")[1]
        sums: dict[str, tuple[int, Fraction]] = {}
        for one in own:
            count, amount = sums.get(one["type"], (0, Fraction(0)))
            sums[one["type"]] = (count + 1, amount + Fraction(one["data"].get("amount", "0")))
        amount = begun["data"].get("amount")
        ended = state in ("voided", "failed")
        found[key] = {
            "state": state,
            "amount": None if amount is None else Fraction(amount),
            "events": len(own),
            "first_at": place(first)[0],
            "last_at": place(last)[0],
            "figures": sums,
            "expected": {
                what: ("cancelled" if ended else "open", place(first)[0] + timedelta(hours=hours))
                for what, hours in HOURS.get(key[1], {}).items()
            },
        }
    return found


def live_state(register: Register) -> dict[tuple[str, str, str], dict[str, Any]]:
    """What the tables say, in the reference's words."""
    with register.reading() as connection:
        rows = connection.execute(sa.select(subject)).all()
        due = connection.execute(sa.select(expectation)).all()
    expected: dict[tuple[str, str, str], dict[str, Any]] = defaultdict(dict)
    for row in due:
        expected[row.entity, row.kind, row.ref][row.what] = (row.state, row.due)
    return {
        (row.entity, row.kind, row.ref): {
            "state": row.state,
            "amount": None if row.amount is None else Fraction(row.amount),
            "events": row.events,
            "first_at": row.first_at,
            "last_at": row.last_at,
            "figures": {
                what: (figure["count"], Fraction(figure["amount"]))
                for what, figure in row.figures.items()
            },
            "expected": expected[row.entity, row.kind, row.ref],
        }
        for row in rows
    }


def read(mapper: Mapper, one: dict[str, Any]) -> NewEvent:
    body = json.dumps(one).encode()
    document = loads(body)
    event_id = mapper.event_id(document, {})
    assert event_id is not None
    return mapper.read(body, document, {}, event_id)


def pieces(items: list[Any], draw: random.Random) -> Iterator[list[Any]]:
    rest = list(items)
    while rest:
        size = draw.randrange(1, 40)
        yield rest[:size]
        rest = rest[size:]


def put(register: Register, mapper: Mapper, events: list[dict[str, Any]]) -> None:
    with register.writing() as connection:
        store(connection, [read(mapper, one) for one in events])


@pytest.mark.parametrize("seed", range(6))
def test_any_order_with_repetitions_gives_what_the_reference_gives(
    register: Register, settings: Settings, mapper: Mapper, seed: int
) -> None:
    draw = random.Random(f"order {seed}")
    events = world(seed, 240)
    sent = events + draw.sample(events, 80)
    draw.shuffle(sent)
    for piece in pieces(sent, draw):
        put(register, mapper, piece)
        if draw.random() < 0.5:
            apply_waiting(register, settings, draw.randrange(1, 60))
    while apply_waiting(register, settings, 50):
        pass
    assert live_state(register) == reference(events)
    with register.reading() as connection:
        states = connection.execute(sa.select(event.c.state, sa.func.sum(event.c.duplicates))
                                    .group_by(event.c.state)).all()  # fmt: skip
        named = connection.execute(sa.select(event_ref)).all()
    assert [tuple(row) for row in states] == [("applied", 80)]
    wanted = {
        (one["data"][kind], kind)
        for one in events
        for kind in ("customer", "invoice", "payment", "payout", "usage")
        if kind in one["data"]
    }
    assert {(row.ref, row.kind) for row in named} == wanted


KINDS = [(kind, word) for kind, words in RANKS.items() for word in words]
ONE = st.tuples(
    st.sampled_from(KINDS), st.integers(0, 2), st.integers(0, 3), st.integers(-999, 99_999)
)
STEP = st.one_of(
    st.tuples(st.just("store"), st.integers(0, 24)),
    st.tuples(st.just("crash"), st.integers(0, 24)),
    st.tuples(st.just("apply"), st.integers(1, 9)),
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Register]:
    """One register for many examples; each empties it."""
    folder = tmp_path_factory.mktemp("register")
    with Register.open(f"sqlite:///{folder / 'r.db'}") as opened:
        yield opened


@hypothesis.settings(
    max_examples=max(60, hypothesis.settings().max_examples // 10),
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(st.lists(ONE, min_size=1, max_size=25), st.lists(STEP, max_size=30))
def test_whatever_comes_when_the_reference_says_what_it_comes_to(
    kept: Register,
    settings: Settings,
    mapper: Mapper,
    drawn: list[tuple[tuple[str, str], int, int, int]],
    steps: list[tuple[str, int]],
) -> None:
    """Events in any order, repeated, lost in a crash and sent again, applied now and then."""
    with kept.writing() as connection:
        for table in (expectation, subject, event_ref, event):
            connection.execute(sa.delete(table))
    events = []
    for number, ((kind, word), ref, hour, cents) in enumerate(drawn):
        one = told(f"e{number}", f"{kind}.{word}", **{kind: f"{kind}-{ref}"})
        one["timestamp"] = (START + timedelta(hours=hour)).isoformat()
        if word not in ("voided", "dispute_closed"):
            one["data"] |= {"amount": f"{cents / 100:.2f}", "currency": "EUR"}
        events.append(one)
    for what, number in steps:
        if what == "apply":
            apply_waiting(kept, settings, number)
        elif number < len(events):
            with suppress(ZeroDivisionError), kept.writing() as connection:
                store(connection, [read(mapper, events[number])])
                assert what != "crash" or 1 / 0
    put(kept, mapper, events)
    while apply_waiting(kept, settings, 7):
        pass
    assert live_state(kept) == reference(events)


def test_what_fails_in_between_is_tried_again_and_leaves_no_trace(
    register: Register, settings: Settings, mapper: Mapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = world(77, 120)
    put(register, mapper, events)
    draw, real = random.Random(5), applying.note_fields
    failures = 0

    def failing(*arguments: Any) -> None:
        nonlocal failures
        if draw.random() < 0.4 and failures < 60:
            failures += 1
            raise TieoutError("cannot write to the register: lock timeout", "wait")
        real(*arguments)

    monkeypatch.setattr(applying, "note_fields", failing)
    for _ in range(2_000):
        apply_waiting(register, settings, 3)
        with register.writing() as connection:  # as if the time had come
            connection.execute(
                sa.update(event).where(event.c.next_try_at.is_not(None)).values(next_try_at=START)
            )
            waiting = connection.execute(
                sa.select(sa.func.count()).where(event.c.state == "new")
            ).scalar_one()
        if not waiting:
            break
    assert failures > 5
    assert live_state(register) == reference(events)


def test_what_never_stops_failing_waits_for_a_person_and_holds_up_no_other(
    register: Register, settings: Settings, mapper: Mapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(register, mapper, [*world(3, 30)])
    cursed = told("cursed", "payout.paid", payout="po-x", amount="1.00", currency="EUR")
    put(register, mapper, [cursed])
    real = applying.note_fields

    def failing(connection: Any, sequences: list[int], at: Any) -> None:
        if 31 in sequences:
            raise TieoutError("cannot write to the register: lock timeout", "wait")
        real(connection, sequences, at)

    monkeypatch.setattr(applying, "note_fields", failing)
    for _ in range(200):
        apply_waiting(register, settings, 500)
        with register.writing() as connection:
            connection.execute(
                sa.update(event).where(event.c.next_try_at.is_not(None)).values(next_try_at=START)
            )
    with register.reading() as connection:
        rows = connection.execute(sa.select(event).order_by(event.c.sequence)).all()
    assert [row.state for row in rows] == ["applied"] * 30 + ["dead"]
    assert rows[-1].attempts == MOST_ATTEMPTS
    assert (rows[-1].problem["class"], rows[-1].problem["code"]) == ("transient", "lock")


def test_a_failed_event_waits_longer_each_time_and_never_longer_than_it_may(
    register: Register, settings: Settings, mapper: Mapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(register, mapper, world(4, 1))

    def failing(*_arguments: Any) -> None:
        raise TieoutError("cannot write to the register: no answer", "wait")

    monkeypatch.setattr(applying, "note_fields", failing)
    waits = []
    for _ in range(MOST_ATTEMPTS - 1):
        apply_waiting(register, settings)
        assert apply_waiting(register, settings) == 0, "not before its time"
        with register.writing() as connection:
            row = connection.execute(sa.select(event)).one()
            waits.append((row.next_try_at - datetime.now(UTC)).total_seconds())
            connection.execute(sa.update(event).values(next_try_at=START))
    assert all(wait <= 2**n for n, wait in enumerate(waits))
    assert len(set(waits)) == len(waits), "each is drawn"


def test_an_amount_in_another_currency_stands_beside_the_sums_of_its_subject(
    register: Register, settings: Settings, mapper: Mapper
) -> None:
    """Whatever comes first: a card scheme charges back in its own currency."""
    paid = told("1", "payment.succeeded", payment="p", amount="10", currency="EUR")
    refunded = told("2", "payment.refunded", payment="p", amount="-3.50", currency="EUR")
    disputed = told("3", "payment.disputed", payment="p", amount="-900", currency="JPY")
    for one in (disputed, refunded, paid):
        put(register, mapper, [one])
        apply_waiting(register, settings)
    with register.reading() as connection:
        row = connection.execute(sa.select(subject)).one()
    assert (row.state, row.amount, row.currency) == ("disputed", "10", "EUR")
    assert row.figures == {
        "payment.succeeded": {"count": 1, "amount": "10"},
        "payment.refunded": {"count": 1, "amount": "-3.50"},
        "payment.disputed": {"count": 1, "amount": "0", "other": {"JPY": "-900"}},
    }


def test_what_cannot_be_folded_goes_to_the_dead_letters_alone(
    register: Register, settings: Settings, mapper: Mapper
) -> None:
    events = world(8, 60)
    put(register, mapper, events)
    with register.writing() as connection:  # as an earlier release may have read it
        envelope = connection.execute(sa.select(event.c.envelope).limit(1)).scalar_one()
        poison = envelope | {"occurred_at": None}
        connection.execute(sa.update(event).where(event.c.sequence == 1).values(envelope=poison))
    while apply_waiting(register, settings):
        pass
    with register.reading() as connection:
        (dead,) = connection.execute(sa.select(event).where(event.c.state == "dead")).all()
    assert (dead.sequence, dead.problem["class"]) == (1, "business")
    assert dead.problem["code"] == "unappliable"
    assert live_state(register) == reference(events[1:])


def test_a_fault_of_ours_over_one_event_holds_up_no_other(
    register: Register, settings: Settings, mapper: Mapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = world(9, 30)
    put(register, mapper, events)
    real = applying.note_fields

    def failing(connection: Any, sequences: list[int], at: Any) -> None:
        if 17 in sequences:
            raise RuntimeError("a fault of ours")
        real(connection, sequences, at)

    monkeypatch.setattr(applying, "note_fields", failing)
    assert apply_waiting(register, settings) == 30
    with register.reading() as connection:
        rows = connection.execute(sa.select(event).order_by(event.c.sequence)).all()
    assert [row.sequence for row in rows if row.state == "dead"] == [17]
    assert "a fault of ours" in rows[16].problem["reason"]
    assert {row.state for row in rows} == {"applied", "dead"}


def test_new_events_do_not_keep_those_that_failed_from_their_turn(
    register: Register, settings: Settings, mapper: Mapper
) -> None:
    put(register, mapper, world(4, 20))
    with register.writing() as connection:
        early = event.c.sequence <= 2
        connection.execute(sa.update(event).where(early).values(attempts=1, next_try_at=START))
        connection.execute(
            sa.update(event).where(event.c.sequence == 2).values(attempts=MOST_ATTEMPTS - 1)
        )
    assert apply_waiting(register, settings, 5) == 7
    with register.reading() as connection:
        done = sa.select(event.c.sequence).where(event.c.state == "applied").order_by("sequence")
        assert list(connection.execute(done).scalars()) == list(range(1, 8))


def test_looking_for_what_waits_reads_no_history(tmp_path: Path) -> None:
    """SQLite takes a partial index only where a query says its condition in the same words."""
    address = f"sqlite:///{tmp_path / 'r.db'}"
    with Register.open(address) as register, register.reading() as connection:
        for query in (applying._fresh(5), applying._due(5)):
            words = query.compile(dialect=connection.dialect)
            bound = tuple(str(words.params[name]) for name in words.positiontup or ())
            (plan,) = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", bound).all()
            assert "ix_event_waiting" in plan[-1]


def test_no_statement_of_the_inbox_reads_a_whole_table(
    tmp_path: Path, settings: Settings, mapper: Mapper
) -> None:
    """What an event costs must not grow with the events before it, on SQLite not either."""
    large = ("event", "event_ref", "subject", "expectation")
    asked: list[tuple[str, Any]] = []
    with Register.open(f"sqlite:///{tmp_path / 'r.db'}") as register:
        with register.reading() as connection:
            engine = connection.engine

        def seen(_c: Any, _k: Any, words: str, bound: Any, _x: Any, many: bool) -> None:
            asked.append((words, bound[0] if many else bound))

        sa.event.listen(engine, "before_cursor_execute", seen)
        for start in (0, 60):  # the second time meets what the first left
            put(register, mapper, world(3, start + 60))
            apply_waiting(register, settings)
        sa.event.remove(engine, "before_cursor_execute", seen)
        with register.reading() as connection:
            plans = [
                (words, row[-1])
                for words, bound in asked
                if words.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"))
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", bound)
            ]
    assert any("UPDATE event" in words for words, _ in plans)
    whole = [
        (plan, words)
        for words, plan in plans
        if plan.startswith("SCAN") and plan.split()[1] in large and "ix_event_waiting" not in plan
    ]
    assert whole == []


def test_what_a_subject_came_to_expect_by_a_later_sender_is_forgotten(
    register: Register, settings: Settings, mapper: Mapper
) -> None:
    """The sender of the first event says what is expected, in whatever order events come."""
    paid = told("1", "payout.paid", payout="p", amount="10", currency="EUR")
    early = told("0", "payout.paid", payout="p", amount="10", currency="EUR")
    early["timestamp"] = (START - timedelta(hours=1)).isoformat()
    put(register, mapper, [paid])
    apply_waiting(register, settings)
    assert live_state(register)["DE01", "payout", "p"]["expected"]
    other = Mapper("other", mapper.webhook, None, settings.entity_names())
    put(register, other, [early])
    apply_waiting(register, settings)
    assert live_state(register)["DE01", "payout", "p"]["expected"] == {}


def test_a_proof_of_two_thousand_events_in_any_order(tmp_path: Path, register: Register) -> None:
    """A share of `make proof-events`."""
    company = proof.configuration(tmp_path)
    events = proof.made(company, 2_000, seed=4)
    with Register.open(f"sqlite:///{tmp_path / 'in_order.db'}") as ordered:
        proof.in_order(ordered, company, events)
        wanted = proof.digest(ordered)
    proof.disturbed(register, company, events, seed=4)
    assert proof.digest(register) == wanted


def test_what_the_batch_has_met_stays_met(
    register: Register, settings: Settings, mapper: Mapper
) -> None:
    issued = told("1", "invoice.issued", invoice="in-1", amount="10", currency="EUR")
    put(register, mapper, [issued])
    apply_waiting(register, settings)
    with register.writing() as connection:
        line = expectation.c.what == "extract_line"
        connection.execute(sa.update(expectation).where(line).values(state="met"))
    voided = issued | {"id": "2", "type": "invoice.voided"}
    put(register, mapper, [voided])
    apply_waiting(register, settings)
    assert live_state(register)["DE01", "invoice", "in-1"]["expected"] == {
        "extract_line": ("met", START + timedelta(hours=30)),
        "ledger_posting": ("cancelled", START + timedelta(hours=96)),
    }
