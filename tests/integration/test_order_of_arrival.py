"""The same extracts, delivered and worked in any order and portion: the same bytes are stated.

What is compared: the published files of the statements, and what `tieout statement` prints as JSON.
A run does what the assets do; one that is killed has stopped between two of their steps.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import Phase, given
from hypothesis import strategies as st

from pipelines.cli import tieout
from pipelines.run import run_range
from tests.small_company import SmallCompany, days_from, payments_of, small_company
from tests.worlds import examples
from tieout.extracts import take_in
from tieout.lines.ingest import refresh_lines
from tieout.matching.reconcile import reconcile
from tieout.stale import mark_stated, stale_days
from tieout.statement import publish_statements
from tieout.workplace import Workplace

DAYS = days_from(date(2026, 10, 1), 3)
HOURS = (0, 1, 13, 23)
Delivery = tuple[str, str, str]
"""Feed, window and the file's path in the company's folder."""


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> SmallCompany:
    """Three days: postings a day late, lacking, twice, and for lines of an hour far away."""
    company = small_company(tmp_path_factory.mktemp("books") / "company")
    text = company.config.read_text(encoding="utf-8")
    company.config.write_text(text.replace("timing_days: [0, 0]", "timing_days: [0, 1]"), "utf-8")
    for number, day in enumerate(DAYS):
        payments = payments_of(day, 5)
        company.settle(str(day), payments)
        company.post_payments(day, payments[1:3])
        company.post_payments(DAYS[min(number + 1, 2)], payments[3:])
        company.post_payments(day, payments[1:2] if number == 1 else [])
        for hour in HOURS:
            paid = payments_of(day, 2, hour)
            company.settle(f"{day}T{hour:02d}", paid, "kiosk")
            company.post_payments(DAYS[-1] if hour == 13 else day, paid[hour % 2 :], "1020")
    company.close_books(DAYS)
    return company


def deliveries(company: SmallCompany) -> list[Delivery]:
    found = []
    for feed in ("card", "erp", "kiosk"):
        for path in sorted((company.folder / feed).glob("*.csv")):
            window = path.stem.replace("T", "-") + (":00" if "T" in path.stem else "")
            found.append((feed, window, f"{feed}/{path.name}"))
    return found


class Place:
    """A company of its own, to which the extracts of another are delivered bit by bit."""

    def __init__(self, books: SmallCompany, folder: Path) -> None:
        self.books = books
        self.company = SmallCompany(folder)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(books.config, self.company.config)
        self.runs = 0

    def deliver(self, some: Iterable[Delivery]) -> None:
        for feed, _, path in some:
            (self.company.folder / feed).mkdir(exist_ok=True)
            shutil.copy(self.books.folder / path, self.company.folder / path)

    def work(
        self, windows: Sequence[str], *, until: int = 99, feeds: Sequence[str] | None = None
    ) -> None:
        """What a run over windows does, step by step; one that is killed comes to `until` only."""
        self.runs += 1
        run = f"run-{self.runs}"
        with Workplace.open(self.company.config, self.company.home) as at:
            for step in self._steps(at, windows, run, feeds)[:until]:
                step()

    def _steps(
        self, at: Workplace, windows: Sequence[str], run: str, feeds: Sequence[str] | None
    ) -> list[Callable[[], object]]:
        steps: list[Callable[[], object]] = []
        days = sorted({date.fromisoformat(window[:10]) for window in windows})
        for feed, about in at.settings.feeds.items():
            own = [w for w in windows if (len(w) > 10) == (about.every == "hour")]
            if own and (feeds is None or feed in feeds):
                steps += [
                    lambda feed=feed, own=own: take_in(at, feed, own),
                    lambda feed=feed, own=own: refresh_lines(at, feed, own, run_id=run),
                ]
        for name in at.settings.reconciliations:

            def state(name: str = name) -> None:
                stale = stale_days(at, name)
                publish_statements(at, name, {*days, *stale.days}, run_id=run)
                mark_stated(at, name, stale, run_id=run)

            steps += [lambda name=name: reconcile(at, name, run_id=run), state]
        return steps

    def told(self) -> dict[str, object]:
        """The published files of all statements, to the byte, and what the command prints."""
        found: dict[str, object] = {}
        with Workplace.open(self.company.config, self.company.home) as at:
            for name in at.settings.reconciliations:
                for day, head in at.register.heads(f"statements/{name}").items():
                    paths = at.store.paths([head])
                    content = [hashlib.sha256(Path(p).read_bytes()).hexdigest() for p in paths]
                    found[f"{name} {day}"] = content
        for period in ("2026-10", *map(str, DAYS)):
            places = ["--config", str(self.company.config), "--home", str(self.company.home)]
            asked = ["statement", "--period", period, "--format", "json", *places]
            done = CliRunner().invoke(tieout, asked)
            assert done.exit_code == 0, done.output
            found[period] = json.loads(done.stdout)
        return found


def all_windows() -> list[str]:
    return [*map(str, DAYS), *(f"{day}-{hour:02d}:00" for day in DAYS for hour in HOURS)]


@pytest.fixture(scope="module")
def one_range(books: SmallCompany, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What one run over everything says."""
    place = Place(books, tmp_path_factory.mktemp("range") / "company")
    place.deliver(deliveries(books))
    place.work(all_windows())
    return place.told()


def test_a_run_a_day_says_what_one_range_says(
    books: SmallCompany, one_range: dict[str, object], tmp_path: Path
) -> None:
    place = Place(books, tmp_path / "company")
    for day in DAYS:
        place.deliver(one for one in deliveries(books) if one[1][:10] == str(day))
        place.work([window for window in all_windows() if window[:10] == str(day)])
    assert place.told() == one_range


@examples(2, phases=[Phase.generate])
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_any_order_of_arrival_says_what_one_range_says(
    books: SmallCompany, one_range: dict[str, object], seed: int, tmp_path_factory: object
) -> None:
    """Extracts come one by one or in portions; what has come is worked at once or later, by hour or
    day; days are worked that nothing has come for; runs are killed between any two steps."""
    assert isinstance(tmp_path_factory, pytest.TempPathFactory)
    draw = random.Random(seed)
    place = Place(books, tmp_path_factory.mktemp("order") / "company")
    waiting = deliveries(books)
    draw.shuffle(waiting)
    owed: set[str] = set()
    while waiting:
        some = [waiting.pop() for _ in range(min(len(waiting), draw.choice([1, 4, 9])))]
        place.deliver(some)
        owed |= {window for _, window, _ in some}
        owed |= {window[:10] for window in owed}
        if draw.random() < 0.3:
            place.work(sorted(owed), until=draw.randrange(1, 10))
        elif draw.random() < 0.3:
            place.work([draw.choice(all_windows())])  # also one whose extracts are still to come
        elif draw.random() < 0.7:
            place.work(sorted(owed))
            owed.clear()
    place.work(sorted(owed | set(map(str, DAYS))))
    assert place.told() == one_range


def test_runs_of_dagster_in_any_order_say_what_one_range_says(
    books: SmallCompany, one_range: dict[str, object], tmp_path: Path
) -> None:
    """The last day first, and then the others, whose extracts come when it is stated already."""
    place = Place(books, tmp_path / "company")
    for first, last in ((DAYS[2], DAYS[2]), (DAYS[0], DAYS[1])):
        place.deliver(d for d in deliveries(books) if str(first) <= d[1][:10] <= str(last))
        outcome = run_range(
            place.company.config, place.company.home, first, last, reconciliation="card_to_ledger"
        )
        assert outcome.success
    found, expected = (
        {place: told for place, told in some.items() if place.startswith("card_to_ledger ")}
        for some in (place.told(), one_range)
    )
    assert found == expected
    assert len(found) == len(DAYS)
