"""Every past state of a small company is asked for again, and comes out byte for byte.

The company is worked day by day: a posting comes late, an extract is corrected, persons decide and
take back. At each step everything that is kept by time is printed and put aside; at the end the
same is asked for as known at the moment of each step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import tieout
from tests.small_company import Payment, SmallCompany, days_from, payments_of, small_company
from tieout.extracts import take_in
from tieout.lines.ingest import refresh_lines
from tieout.matching.reconcile import reconcile
from tieout.stale import mark_stated, stale_days
from tieout.statement import publish_statements
from tieout.workplace import Workplace

NAME = "card_to_ledger"
DAYS = days_from(date(2026, 10, 1), 4)
ASKED = (
    ("statement", NAME, "--period", "2026-10", "--format", "json"),
    ("statement", NAME, "--period", "2026-10", "--format", "html"),
    ("breaks", NAME, "--period", "2026-10", "--format", "json"),
)
MORE = (
    ("statement", NAME, "--period", "2026-10-02"),
    ("statement", NAME, "--period", "2026-10", "--format", "markdown"),
    ("breaks", "--period", "2026-10", "--format", "csv"),
    ("explain", NAME, "--period", "2026-10", "--json"),
    ("line", "P1002001", "--json"),
    ("journals", "--period", "2026-10", "--reconciliation", NAME, "--json"),
    ("quarantine", "list", "--json"),
)
"""Asked at one moment only, when there is something in each."""
Told = dict[tuple[str, ...], str]


@dataclass
class Office:
    """The company, its command line, and what was printed when."""

    company: SmallCompany
    kept: list[tuple[datetime, Told]] = field(default_factory=list)

    def __call__(self, *arguments: str) -> str:
        done = CliRunner().invoke(
            tieout,
            arguments,
            env={
                "TIEOUT_CONFIG": str(self.company.config),
                "TIEOUT_HOME": str(self.company.home),
            },
        )
        # A line nothing is known of yet is an answer as well.
        assert done.exit_code == 0 or arguments[0] == "line", (arguments, done.output)
        return done.stdout

    def work(self, day: date) -> None:
        """Take in, reconcile and state what is there up to a day, as a run of that day does."""
        days = [d for d in DAYS if d <= day]
        with Workplace.open(self.company.config, self.company.home) as workplace:
            for feed in ("card", "erp"):
                windows = [str(d) for d in days]
                take_in(workplace, feed, windows)
                refresh_lines(workplace, feed, windows, run_id="run")
            reconcile(workplace, NAME, run_id="run")
            stale = stale_days(workplace, NAME)
            publish_statements(workplace, NAME, {*days, *stale.days}, run_id="run")
            mark_stated(workplace, NAME, stale, run_id="run")

    def keep(self, *more: tuple[str, ...]) -> None:
        """Put aside what is known at this very moment."""
        moment = datetime.now(UTC)
        self.kept.append((moment, {asked: self(*asked) for asked in (*ASKED, *more)}))


def without_moment(shown: str, moment: datetime) -> str:
    """What is printed but for the moment: a heading, a part of the title, a line in each object."""
    text = f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC"
    shown = shown.removeprefix(f"As known at {text}.\n\n").replace(f", as known at {text}", "")
    return re.sub(rf'\n *"as_known_at": "{re.escape(moment.isoformat())}",', "", shown)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    company = small_company(tmp_path_factory.mktemp("company"))
    here = Office(company)
    paid = {day: payments_of(day, 3) for day in DAYS}

    def deliver(day: date) -> None:
        company.settle(str(day), paid[day])
        company.close_books([day])
        here.work(day)

    company.post_payments(DAYS[0], paid[DAYS[0]])
    company.post_payments(DAYS[1], paid[DAYS[1]][1:])  # the first payment is not booked yet
    company.post_payments(DAYS[2], paid[DAYS[2]])
    steps: list[Callable[[], object]] = [
        lambda: deliver(DAYS[0]),
        lambda: deliver(DAYS[1]),
        # Accepted, and worked in by the next run only.
        lambda: here("decide", "break", paid[DAYS[1]][0].line_id, "--reason", "let be"),
        lambda: deliver(DAYS[2]),
        lambda: _correct(company, paid[DAYS[1]], here),
        lambda: here("decide", "undo", "1", "--reason", "it was booked after all"),
        lambda: _book_late(company, paid[DAYS[1]][0], here),
        lambda: deliver(DAYS[3]),
    ]
    for number, step in enumerate(steps):
        step()
        here.keep(*(MORE if number == 4 else ()))
    return here


def _correct(company: SmallCompany, paid: list[Payment], here: Office) -> None:
    """The processor sends a day again: one payment had another amount, one row cannot be read."""
    paid[1] = Payment(paid[1].ref, paid[1].at, paid[1].gross + Decimal("0.05"), paid[1].fee)
    path = company.settle(str(DAYS[1]), paid)
    lines = path.read_text().splitlines()
    torn = lines[3].replace(str(paid[2].gross), "12.x")
    path.write_text("\n".join([*lines[:3], torn, *lines[4:]]) + "\n")
    here.work(DAYS[2])


def _book_late(company: SmallCompany, payment: Payment, here: Office) -> None:
    company.post_payments(DAYS[1], [payment])
    company.close_books([DAYS[1]])
    here.work(DAYS[2])


def test_every_kept_moment_comes_out_again_byte_for_byte(office: Office) -> None:
    for moment, told in office.kept:
        for asked, shown in told.items():
            again = office(*asked, "--as-known-at", moment.isoformat())
            assert again != shown or shown == "[]\n" or asked[-1] == "csv"  # it says as of when
            assert without_moment(again, moment) == shown


def test_the_moments_differ_from_each_other(office: Office) -> None:
    """Without this the test above could pass on answers that never depend on the moment."""
    told = [tuple(one[asked] for asked in ASKED) for _, one in office.kept]
    # Taking a decision back changes nothing that is published before the next run.
    assert len(set(told)) == len(told) - 2


def test_a_moment_before_the_first_run_knows_nothing(office: Office) -> None:
    before = office.kept[0][0] - timedelta(days=1)
    asked = ("statement", "--period", "2026-10", "--as-known-at", before.isoformat())
    assert office(*asked) == ""
    assert json.loads(office(*asked, "--format", "json")) == []


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2026-10-05T00:00", "has no time zone"),
        ("yesterday", "is no moment"),
        ("2999-01-01", "has not been yet"),
    ],
)
def test_a_moment_that_cannot_be_known_is_refused(office: Office, moment: str, said: str) -> None:
    env = {"TIEOUT_CONFIG": str(office.company.config), "TIEOUT_HOME": str(office.company.home)}
    asked = ["statement", "--period", "2026-10", "--as-known-at", moment]
    done = CliRunner().invoke(tieout, asked, env=env)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_configuration_changed_since_is_said(office: Office, tmp_path: Path) -> None:
    moment = office.kept[0][0].isoformat()
    changed = tmp_path / "tieout.yaml"
    text = office.company.config.read_text().replace("timing_days: [0, 0]", "timing_days: [0, 9]")
    changed.write_text(text.replace('location: "', f'location: "{office.company.folder}/'))
    asked = ["statement", NAME, "--period", "2026-10", "--as-known-at", moment]
    env = {"TIEOUT_CONFIG": str(changed), "TIEOUT_HOME": str(office.company.home)}
    done = CliRunner().invoke(tieout, asked, env=env)
    assert f"The configuration of {NAME} has changed since" in done.stdout
    assert "has changed since" not in office(*asked)
