"""The summary of the live state against sums that are counted row by row, here."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.proof import live_state as proof
from tieout.events.apply import apply_waiting
from tieout.events.inbox import store
from tieout.events.live import MOST_TOLD, summary
from tieout.register.eventtables import expectation, subject
from tieout.register.register import Register

NOW = proof.START + timedelta(days=20)
DAYS = 9


def test_it_is_the_sum_of_its_rows(tmp_path: Path, register: Register) -> None:
    company = proof.configuration(tmp_path)
    with register.writing() as connection:
        store(connection, proof.made(company, 900, seed=6))
    while apply_waiting(register, company):
        pass
    with register.writing() as connection:
        met = expectation.c.ref.like("%7")
        connection.execute(
            sa.update(expectation).where(met, expectation.c.state == "open").values(state="met")
        )
    with register.reading() as connection:
        subjects = {(s.entity, s.kind, s.ref): s for s in connection.execute(sa.select(subject))}
        awaited = connection.execute(sa.select(expectation)).all()

    told = summary(register, company, NOW, DAYS)

    states: dict[Any, list[Any]] = defaultdict(lambda: [0, Fraction(0)])
    for one in subjects.values():
        if one.last_at >= NOW - timedelta(days=DAYS):
            found = states[one.entity, one.kind, one.currency, one.state]
            found[0] += 1
            found[1] += Fraction(one.amount or "0")
    assert {
        (s["entity"], s["kind"], s["currency"], s["state"]): [s["count"], Fraction(s["amount"])]
        for s in told["subjects"]
    } == states

    sums: dict[Any, list[Any]] = defaultdict(lambda: [0, Fraction(0)])
    for row in awaited:
        of = subjects[row.entity, row.kind, row.ref]
        words = {"open": ["open", "overdue"] if row.due < NOW else ["open"], "met": ["met"]}
        if row.state == "met" and row.due < NOW - timedelta(days=DAYS):
            continue
        for word in words.get(row.state, ()):
            found = sums[row.entity, row.kind, row.what, of.currency or "XXX", word]
            found[0] += 1
            found[1] += Fraction(of.amount or "0")
    assert {
        (e["entity"], e["kind"], e["what"], e["currency"], word): [
            e[word]["count"],
            Fraction(e[word]["amount"]),
        ]
        for e in told["expectations"]
        for word in ("open", "overdue", "met")
        if e[word]["count"]
    } == sums
    assert any(word == "met" for *_, word in sums)
    late = sorted(row.due for row in awaited if row.state == "open" and row.due < NOW)
    assert [one["due"] for one in told["overdue"]] == [due.isoformat() for due in late[:MOST_TOLD]]
    assert told["inbox"]["applied_through"] == 900
