"""The register as known at a past moment answers as it did then, whatever came since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from tieout.errors import RequestError, TieoutError
from tieout.locks import locks
from tieout.register.closetables import close_action, close_package, period_lock
from tieout.register.decisions import DecidedLine, NewDecision
from tieout.register.records import NewPublication, TakenExtract
from tieout.register.register import Register, now

TABLES = ("lines/psp", "outcomes/a_to_b")


def moment_of(register: Register) -> datetime:
    """A moment after all that was done and before all that will be."""
    with register.reading() as connection:
        first = now(connection)
        while (later := now(connection)) <= first:
            pass
    return later


def publish(register: Register, table: str, partitions: list[str]) -> None:
    epochs = register.take_epochs(table, partitions, "run")
    new = [NewPublication(table, one, totals={"day": one}) for one in partitions]
    register.publish(new, {(table, p): e for p, e in epochs.items()}, run_id="run")


def take(register: Register, window: str, name: str, content: str) -> None:
    sha = f"{content:0>64}"
    moment = moment_of(register)
    register.record_extract(TakenExtract("psp", window, name, sha, 1, f"evidence/{sha}", moment))


def decision(kind: Any, takes_back: int | None = None) -> NewDecision:
    line = DecidedLine("source", "psp", "x", "A", "USD", Decimal(1), date(2026, 10, 5))
    return NewDecision("a_to_b", kind, (line,), "because", "ann", takes_back=takes_back)


def answers(register: Register) -> dict[str, Any]:
    """Everything a reader can ask for that is kept by time."""
    days = ["2026-10-05", "2026-10-06"]
    return {
        "heads": {t: register.heads(t) for t in TABLES},
        "some": register.heads(TABLES[0], days[:1]),
        "versions": register.versions({(t, d): v for t in TABLES for d in days for v in (1,)}),
        "history": register.history(TABLES[0], days),
        "tables": register.tables("lines/"),
        "extracts": register.extracts("psp"),
        "all extracts": register.extracts("psp", current=False),
        "decisions": register.decisions(),
    }


def test_every_moment_is_answered_as_it_was(register: Register) -> None:
    first = register.decide(decision("accept_break"))
    steps: list[Callable[[], Any]] = [
        lambda: publish(register, TABLES[0], ["2026-10-05"]),
        lambda: take(register, "2026-10-05", "psp.csv", "1"),
        lambda: publish(register, TABLES[1], ["2026-10-05", "2026-10-06"]),
        lambda: take(register, "2026-10-05", "psp.csv", "2"),
        lambda: register.decide(decision("take_back", first.id)),
        lambda: publish(register, TABLES[0], ["2026-10-05", "2026-10-06"]),
        lambda: publish(register, "lines/erp", ["2026-10-05"]),
    ]
    kept = [(moment_of(register), answers(register))]
    for step in steps:
        step()
        kept.append((moment_of(register), answers(register)))
    assert all(one[1] != other[1] for one, other in pairwise(kept))
    for moment, told in kept:
        assert answers(register.known_at(moment)) == told
        other_zone = moment.astimezone(tz=datetime.now().astimezone().tzinfo)
        assert register.known_at(other_zone).moment == moment


def test_an_earlier_as_of_is_earlier_still(register: Register) -> None:
    publish(register, TABLES[0], ["2026-10-05"])
    middle = moment_of(register)
    publish(register, TABLES[0], ["2026-10-05"])
    past = register.known_at(moment_of(register))
    assert past.heads(TABLES[0], as_of=middle)["2026-10-05"].version == 1
    later = register.known_at(middle).heads(TABLES[0], as_of=moment_of(register))
    assert later["2026-10-05"].version == 1


def test_locks_are_those_that_held_then(register: Register) -> None:
    before = moment_of(register)
    with register.writing() as connection:
        versions = {"lines/psp": {"2026-10-05": 1}}
        package = {"sha256": "a" * 64, "entity": "A", "month": "2026-10", "body": "{}"}
        connection.execute(sa.insert(close_package).values(**package, made_at=before))
        act = {"entity": "A", "month": "2026-10", "who": "ann", "proven_by": "ssh"}
        for action in ("approve", "reopen"):
            connection.execute(sa.insert(close_action).values(**act, action=action, done_at=before))
        lock = {"entity": "A", "month": "2026-10", "package_sha256": "a" * 64, "locked_by": 1}
        lock |= {"versions": versions}
        connection.execute(sa.insert(period_lock).values(**lock, locked_at=moment_of(register)))
    locked = moment_of(register)
    with register.writing() as connection:
        released = {"released_at": moment_of(register), "released_by": 2}
        connection.execute(sa.update(period_lock).values(**released))
    assert [len(locks(register.known_at(m))) for m in (before, locked)] == [0, 1]
    assert locks(register.known_at(moment_of(register))) == locks(register) == []


@pytest.mark.parametrize(
    "moment",
    [datetime(2026, 10, 5), datetime.now(UTC) + timedelta(days=1)],
    ids=["naive", "future"],
)
def test_a_moment_that_cannot_be_known_is_refused(register: Register, moment: datetime) -> None:
    with pytest.raises(RequestError, match=r"has no time zone|has not been yet"):
        register.known_at(moment)


def test_the_past_is_not_written_to(register: Register) -> None:
    publish(register, TABLES[0], ["2026-10-05"])
    past = register.known_at(moment_of(register))
    new = [NewPublication(TABLES[0], "2026-10-05")]
    attempts: list[Callable[[], Any]] = [
        lambda: past.take_epochs(TABLES[0], ["2026-10-05"], "run"),
        lambda: past.publish(new, {(TABLES[0], "2026-10-05"): 1}, run_id="run"),
        lambda: past.decide(decision("accept_break")),
        lambda: past.note("arrived", "psp", {}),
        lambda: past.forget_consumed("reconcile.a_to_b"),
        lambda: take(past, "2026-10-05", "psp.csv", "1"),
    ]
    told = answers(register)
    for attempt in attempts:
        with pytest.raises(TieoutError, match="cannot be changed"):
            attempt()
    for unknown in (lambda: past.notes("arrived"), lambda: past.consumed("reconcile.a_to_b")):
        with pytest.raises(TieoutError, match="not kept by time"):
            unknown()
    assert answers(register) == told
