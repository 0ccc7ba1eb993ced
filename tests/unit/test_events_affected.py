"""Which days new events and a person's actions change, by a cursor that need not be right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.webhook_company import company, event, receive
from tieout.events import deadletters
from tieout.events.affected import OVERLAP, Affected, affected
from tieout.events.model import Problem
from tieout.workplace import Workplace

DAY = date(2026, 10, 5)
TODAY = date(2026, 10, 31)


@pytest.fixture
def workplace(tmp_path: Path, register_url: str) -> Iterator[Workplace]:
    config = company(tmp_path / "company", register_url)
    with Workplace.open(config, tmp_path / "home") as opened:
        yield opened


def _look(workplace: Workplace, sequence: int, action: int = 0, most: int = 1000) -> Affected:
    return affected(
        workplace.register, workplace.settings, sequence, action, most=most, today=TODAY
    )


def test_windows_have_their_highest_sequence_and_nothing_new_is_nothing(
    workplace: Workplace,
) -> None:
    receive(
        workplace.register,
        [event(f"e{n}", DAY + timedelta(days=n % 2), ref=f"p{n}") for n in range(1, 8)],
    )
    found = _look(workplace, 0)
    assert found.windows == {("events", "2026-10-05"): (6, 0), ("events", "2026-10-06"): (7, 0)}
    assert (found.sequence, found.action, found.aside) == (7, 0, {})
    assert _look(workplace, 7).windows == {}


def test_every_event_is_seen_however_few_a_look_takes(workplace: Workplace) -> None:
    days = [DAY + timedelta(days=n) for n in range(20)]
    receive(workplace.register, [event(f"e{n}", days[n % 20], ref=f"p{n}") for n in range(200)])
    seen: dict[str, int] = {}
    sequence = looks = 0
    while (found := _look(workplace, sequence, most=60)).windows:
        assert found.sequence <= sequence + 60 + OVERLAP
        seen |= {window: marks[0] for (_, window), marks in found.windows.items()}
        sequence, looks = found.sequence, looks + 1
        assert looks < 10
    # The last event of each day: 181st to 200th.
    assert seen == {str(day): 181 + n for n, day in enumerate(days)}


def test_a_cursor_ahead_of_a_restored_register_begins_at_its_end(workplace: Workplace) -> None:
    receive(workplace.register, [event("e1", DAY)])
    found = _look(workplace, 900, 40)
    assert (found.sequence, found.action, found.windows) == (1, 0, {})
    receive(workplace.register, [event("e2", DAY, ref="p2")])
    assert _look(workplace, found.sequence).windows == {("events", "2026-10-05"): (2, 0)}


def test_a_discarded_event_changes_its_day(workplace: Workplace) -> None:
    dead = Problem("business", "unknown_account", "it names no account", "name one")
    receive(workplace.register, [event("e1", DAY, state="dead", problem=dead)])
    deadletters.discard(workplace.register, [1], "a person", "sent by mistake")
    found = _look(workplace, 1)
    assert found.windows == {("events", "2026-10-05"): (1, found.action)}
    assert found.action > 0
    assert _look(workplace, 1, found.action).windows == {}


def test_what_has_no_day_is_told_apart(workplace: Workplace) -> None:
    receive(
        workplace.register,
        [event("e1", date(2026, 9, 30)), event("e2", date(2026, 11, 1)), event("e3", DAY)],
    )
    found = _look(workplace, 0)
    assert list(found.windows) == [("events", "2026-10-05")]
    assert sorted(found.aside) == [1, 2]
