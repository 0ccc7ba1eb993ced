"""Decisions in the register, on both databases: numbered in order, exact, taken back once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Barrier, Thread

import pytest

from tieout.errors import RequestError, TieoutError
from tieout.register.decisions import DecidedLine, Decision, NewDecision
from tieout.register.register import Register

LINE = DecidedLine(
    side="source",
    feed="psp",
    line_id="ch_1",
    entity="A",
    currency="USD",
    amount=Decimal("12345678901234567890.123456789012"),
    period=date(2026, 10, 5),
)
MATCH = NewDecision(
    reconciliation="settlement_to_ledger",
    kind="match",
    lines=(LINE, replace(LINE, side="target", feed="erp", line_id="a:b", amount=Decimal("-0.01"))),
    reason="posted under the old id; 日本",
    who="anna",
    residual=Decimal("-0.000000000001"),
    label="rounding",
    account="6999",
    statement_versions={"2026-10-05": 3},
)


def test_a_decision_reads_back_as_it_was_made(register: Register) -> None:
    assert register.decisions() == []
    broken = replace(MATCH, kind="accept_break", lines=(replace(LINE, break_class="ambiguous"),))
    other = replace(broken, reconciliation="usage_to_invoice", residual=None, label=None)
    made = [register.decide(one) for one in (MATCH, other, broken)]
    assert [one.id for one in made] == [1, 2, 3]
    assert [one.new for one in made] == [MATCH, other, broken]
    assert register.decisions() == made
    assert register.decisions("settlement_to_ledger") == [made[0], made[2]]
    assert register.decisions("nothing") == []
    for one in made:
        assert one.decided_at.tzinfo is not None
        assert abs((datetime.now(UTC) - one.decided_at).total_seconds()) < 60


def test_a_decision_is_taken_back_once_and_only_in_its_reconciliation(register: Register) -> None:
    first = register.decide(MATCH)
    back = replace(MATCH, kind="take_back", takes_back=first.id, reason="no")
    with pytest.raises(RequestError, match="none that can be taken back"):
        register.decide(replace(back, reconciliation="usage_to_invoice"))
    with pytest.raises(RequestError, match="none that can be taken back"):
        register.decide(replace(back, takes_back=99))
    second = register.decide(back)
    with pytest.raises(RequestError, match=f"already, by {second.id}"):
        register.decide(back)
    with pytest.raises(RequestError, match="none that can be taken back"):
        register.decide(replace(back, takes_back=second.id))
    with pytest.raises(TieoutError, match="no lines"):
        register.decide(replace(MATCH, lines=()))
    assert [one.id for one in register.decisions()] == [first.id, second.id]


def test_many_who_decide_at_once_get_numbers_of_their_own_and_one_takes_back(
    register: Register,
) -> None:
    first = register.decide(MATCH)
    back = replace(MATCH, kind="take_back", takes_back=first.id)
    start, made, refused = Barrier(6), list[Decision](), list[RequestError]()

    def decide(new: NewDecision) -> None:
        start.wait()
        try:
            made.append(register.decide(new))
        except RequestError as problem:
            refused.append(problem)

    threads = [Thread(target=decide, args=(new,)) for new in [MATCH] * 3 + [back] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 2
    found = register.decisions()
    assert [one.id for one in found] == sorted({one.id for one in found})
    assert len(found) == 5
    assert [one.new.kind for one in made].count("take_back") == 1
