"""What changed between two moments, against a plain-Python comparison of small random worlds.

The oracle reads the published outcomes at either moment as rows, compares them as dictionaries and
adds up what a person would; it shares no code with the statements in sql/.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from assets.statements import versions_told
from tests import reference_statement, scenarios
from tests.unit.test_chain_answers import DAYS as CHAIN_DAYS
from tests.unit.test_chain_answers import LINKS, all_fates, follow, windows
from tests.unit.test_stale import NAME, RECONCILIATIONS, posting, source
from tests.unit.test_statement_received import beside
from tests.worlds import World, examples, settings, world
from tieout.changes.diff import diff
from tieout.changes.model import Cause, Changes, Diff, Happened, RowChange
from tieout.changes.versions import Version, versions
from tieout.model import ANSWERS, Figure
from tieout.periods import Period, month_of
from tieout.register.records import TakenExtract
from tieout.render.changes import sentence, text
from tieout.statement import publish_statements

FIRST = date(2026, 3, 30)
DAYS = [FIRST + timedelta(days=n) for n in range(4)]
PERIODS = [Period(DAYS[2], DAYS[2]), *map(month_of, (DAYS[0], DAYS[-1]))]

Place = tuple[str, str, str]
Line = tuple[str, str, str]
Amounts = tuple[Decimal | None, Decimal | None]
Books = dict[tuple[str, str], list[dict[str, Any]]]


def rows_of(books: Mapping[tuple[str, str], Sequence[Any]], rng: random.Random) -> Books:
    """The same windows with some rows changed, dropped or added, some windows new or emptied."""
    made: Books = {place: [dict(row) for row in rows] for place, rows in books.items()}
    for feed, line in (("psp", source), ("erp", posting)):
        for day in rng.sample(DAYS, rng.randint(1, 3)):
            rows = made.setdefault((feed, str(day)), [])
            if rows and rng.random() < 0.5:
                rows.pop(rng.randrange(len(rows)))
            if rows and rng.random() < 0.5:
                rows[rng.randrange(len(rows))]["amount"] = Decimal(rng.choice(["10", "11", "0.01"]))
            for ref in rng.sample("abcdefgh", rng.randint(0, 3)):
                if all(row["line_id"] != ref for row in rows):
                    rows.append(line(ref, day, rng.choice(["10", "11"])))
    return made


def moment() -> datetime:
    first = datetime.now(UTC)
    while (later := datetime.now(UTC)) <= first:
        pass
    return later


def through_of(books: Books) -> dict[str, date]:
    ends = {
        side: max((day for feed, day in books if feed == name), default="0001-01-01")
        for side, name in (("source", "psp"), ("target", "erp"))
    }
    return {side: date.fromisoformat(end) for side, end in ends.items()}


def figures(outcomes: Sequence[Any], books: Books, period: Period) -> dict[Any, Figure]:
    """Every row of the oracle's statements of a period."""
    made = reference_statement.statements(outcomes, period.first, period.last, through_of(books))
    found: dict[Any, Figure] = {}
    for place, one in made.items():
        named = {**one["rows"], **one["open_items"]}
        named |= {f"breaks: {name}": figure for name, figure in one["breaks_by_class"].items()}
        found |= {(place, name): Figure(*figure) for name, figure in named.items()}
    return found


def changed_lines(was: Sequence[Any], now: Sequence[Any], period: Period) -> dict[Line, Amounts]:
    """Lines of the period that came, went or have another amount; those delivered once only, and
    not those that are of an earlier day at one of the moments.
    """

    def amounts(outcomes: Sequence[Any]) -> dict[Line, Decimal]:
        return {
            (o["side"], o["feed"], o["line_id"]): o["amount"]
            for o in outcomes
            if period.first <= o["period"] <= period.last
        }

    before, after = amounts(was), amounts(now)
    earlier = {(o["feed"], o["line_id"]) for o in (*was, *now) if o["period"] < period.first}
    left_out = earlier | delivered_twice(was, now)
    return {
        line: (before.get(line), after.get(line))
        for line in {*before, *after}
        if before.get(line) != after.get(line) and line[1:] not in left_out
    }


def delivered_twice(*told: Sequence[Any]) -> set[tuple[str, str]]:
    counts = [Counter((o["feed"], o["line_id"]) for o in outcomes) for outcomes in told]
    return {line for count in counts for line, number in count.items() if number > 1}


def work(small: World, books: Books) -> tuple[Version, list[dict[str, Any]]]:
    small.deliver(books)
    small.reconcile(NAME)
    return Version(None, moment()), small.outcomes(NAME)


@examples(3, phases=[Phase.explicit, Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_what_changed_is_what_the_oracle_says_and_adds_up(seed: int) -> None:
    rng = random.Random(seed)
    with world(RECONCILIATIONS) as small:
        first: Books = {}
        for _ in range(3):
            first = rows_of(first, rng)
        second = rows_of(first, rng)
        before, was = work(small, first)
        after, now = work(small, second)
        for period in PERIODS:
            found = diff(small.workplace, NAME, period, before, after)
            told = f"seed {seed}, {period}"
            assert found.holds, told
            old, new = figures(was, first, period), figures(now, second, period)
            expected = {
                place: (old.get(place, Figure()), new.get(place, Figure()))
                for place in {*old, *new}
                if old.get(place, Figure()) != new.get(place, Figure())
            }
            rows = {((r.entity, r.currency, r.side), r.row): (r.was, r.now) for r in found.rows}
            assert rows == expected, told
            earlier = {
                (o["feed"], o["line_id"]) for o in (*was, *now) if o["period"] < period.first
            }
            left_out = earlier | delivered_twice(was, now)
            lines = {
                (one.side, one.feed, one.line_id): (one.was_amount, one.amount)
                for one in found.lines
                if one.change != "outcome" and (one.feed, one.line_id) not in left_out
            }
            assert lines == changed_lines(was, now, period), told


def state(small: World, books: Books) -> None:
    small.deliver(books)
    small.reconcile(NAME)
    publish_statements(small.workplace, NAME, DAYS, run_id="run")


def test_a_page_says_which_version_it_is_and_what_changed() -> None:
    day, other = str(DAYS[0]), str(DAYS[1])
    with world(RECONCILIATIONS) as small:
        register = small.workplace.register
        assert versions_told(small.workplace, NAME, [day]) == {day: ""}
        state(small, {("psp", day): [source("a", DAYS[0]), source("b", DAYS[0])]})
        told = versions_told(small.workplace, NAME, [day, other])
        assert told[day].startswith("version 1 (20")
        assert told[day].endswith(" UTC), the first one")
        rows = [posting("a", DAYS[0]), posting("b", DAYS[0], "9")]
        taken = datetime(2026, 3, 31, 8, 12, tzinfo=UTC)
        for row in rows:
            row["extract_sha256"] = "5" * 64
        register.record_extract(
            TakenExtract("erp", day, "books.csv", "5" * 64, 1, "evidence/55", taken)
        )
        state(small, {("erp", day): rows})
        told = versions_told(small.workplace, NAME, [day])
        by = "books.csv (55555555, taken 2026-03-31 08:12 UTC)"
        assert "; since version 1: " in told[day]
        assert f"2 ledger lines came with {by}" in told[day]
        assert "1 settlement line was matched" in told[day]
        assert "1 settlement line was compared with another line" in told[day]
        day_found = versions(small.workplace, NAME, Period(DAYS[0], DAYS[0]))
        assert [one.number for one in day_found] == [
            p.version for p in register.history(f"statements/{NAME}", [day])
        ]


def test_a_backfill_compares_the_newest_days_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.statements.MOST_COMPARED", 1)
    days = [str(day) for day in DAYS[:2]]
    with world(RECONCILIATIONS) as small:
        state(small, {("psp", days[n]): [source("abc"[n], DAYS[n])] for n in range(2)})
        state(small, {("erp", days[n]): [posting("abc"[n], DAYS[n])] for n in range(2)})
        told = versions_told(small.workplace, NAME, days)
    assert "since version 1" in told[days[1]]
    assert told[days[0]].endswith(f"`tieout diff {NAME} --period {days[0]}` says what changed")


def test_what_no_line_explains_is_shown_and_does_not_hold() -> None:
    """Lines that were published, and not reconciled when the statement was made, are no rest; one
    that a row counts and no line stands for is.
    """
    version = Version(1, datetime(2026, 3, 31, tzinfo=UTC))
    row = RowChange("A", "USD", "source", "matched", Figure(), Figure(2, Decimal(5)), Figure(1))
    whole = Diff(NAME, PERIODS[0], version, version, (), (), {}, (), (row,))
    assert not whole.holds
    assert row.rest == Figure(1, Decimal(5))
    assert "! A, USD, source, matched: 1 line, 5.00 USD of the change" in text(whole)


def test_every_answer_of_a_chain_that_changed_is_explained() -> None:
    """Half of the deliveries, then all of them: the rows come from the statements themselves."""
    rows, wanted = all_fates()
    with world(LINKS) as small:
        small.deliver({window: some[::2] for window, some in windows(rows).items()})
        follow(small, "first")
        before = Version(None, moment())
        small.deliver(windows(rows))
        follow(small, "second")
        after = Version(None, moment())
        for name in LINKS:
            found = diff(small.workplace, name, month_of(CHAIN_DAYS[0]), before, after)
            assert found.holds, (name, [row for row in found.rows if row.rest != Figure()])
            assert found.rows
        answered = {row.row: row.now.count for row in found.rows if row.row.startswith("answer")}
    expected = {f"answer: {one}": list(wanted.values()).count(one) for one in ANSWERS}
    assert len(answered) > 2  # those whose count is what it was are left out
    assert answered.items() <= expected.items()


@examples(1, phases=[Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_refused_repeated_and_missing_rows_are_explained_too(seed: int) -> None:
    pick = random.Random(seed).choice
    scenario = scenarios.crowd(pick, 15)
    tables, items = beside(pick, scenario)
    with world({"small": scenario.reconciliation}) as small:
        small.deliver(scenario.deliveries)
        small.reconcile("small")
        before = Version(None, moment())
        for (stage, feed, window), rows in tables.items():
            small.beside(stage, feed, window, rows)
        for window, rows in scenario.deliveries.items():
            small.beside("duplicates", *window, rows[:1])
        after = Version(None, moment())
        months = sorted({month_of(day) for *_, day, _, _ in items})
        found = [diff(small.workplace, "small", month, before, after) for month in months]
    assert all(one.holds for one in found), seed
    for row in ("quarantined", "not_in_file"):
        told = sum((r.change for one in found for r in one.rows if r.row == row), Figure())
        mine = [Figure(lines, amount) for name, *_, lines, amount in items if name == row]
        assert told == sum(mine, Figure()), (seed, row)
    changes = {(one.what, one.change) for month in found for one in month.lines}
    assert {what for what, _ in changes} <= {"refused", "repeated", "not_in_file"}
    assert {change for _, change in changes} == {"came"}


def test_time_that_passed_and_a_configuration_are_causes_too() -> None:
    with world(RECONCILIATIONS) as small:
        before, _ = work(small, {("psp", str(DAYS[0])): [source("a", DAYS[0])]})
        delivered = {("erp", str(DAYS[0] + timedelta(days=n))): [] for n in range(9)}
        passed, _ = work(small, delivered)
        found = diff(small.workplace, NAME, month_of(DAYS[0]), before, passed)
        (line,) = found.lines
        assert found.holds
        assert (line.was, line.now, line.cause.kind) == ("timing", "missing_in_target", "time")
        assert (
            line.cause.text
            == f"the target side is delivered through {max(d for _, d in delivered)}"
        )
        wider = {NAME: RECONCILIATIONS[NAME] | {"timing_days": [-1, 30]}}
        changed = World(replace(small.workplace, settings=settings(wider)))
        changed.reconcile(NAME)
        found = diff(changed.workplace, NAME, month_of(DAYS[0]), passed, Version(None, moment()))
        (line,) = found.lines
        assert (line.was, line.now, line.cause.kind) == (
            "missing_in_target",
            "timing",
            "configuration",
        )


def test_a_sentence_does_not_repeat_what_differs_in_an_untold_cause_alone() -> None:
    version = Version(2, datetime(2026, 3, 30, tzinfo=UTC))
    counted = {
        Happened("usage line", "matched", Cause("counterpart", f"bill_{n}.csv")): n for n in (1, 2)
    }
    counted[Happened("usage line", "went", Cause("reopened", "2026-02 of A was reopened"))] = 4
    found = Changes(NAME, PERIODS[0], version, version, (), (), counted, ())
    told = sentence(version, found).partition("; since version 2: ")[2]
    assert told == "4 usage lines went (2026-02 of A was reopened), 3 usage lines were matched"
