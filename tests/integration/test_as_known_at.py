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
from typing import Any

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


def changes(office: Office, number: int) -> dict[str, Any]:
    """What changed with a version of the month, compared with the one before."""
    asked = ("--period", "2026-10", "--from-version", str(number - 1), "--to-version", str(number))
    found: dict[str, Any] = json.loads(office("diff", NAME, *asked, "--json"))
    assert found["holds"] is True
    return found


def by_line(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{one['feed']}:{one['line_id']}": one for one in found["lines"] if one["what"] == "line"
    }


def test_versions_of_a_month_and_of_a_day_are_listed(office: Office) -> None:
    months = json.loads(office("diff", NAME, "--period", "2026-10", "--list", "--json"))
    # Six of the eight steps are runs, and every run has changed something.
    assert [one["version"] for one in months] == [1, 2, 3, 4, 5, 6]
    assert [one["moment"] for one in months] == sorted(one["moment"] for one in months)
    shown = office("diff", NAME, "--period", "2026-10-02", "--list").splitlines()
    assert shown[0].startswith(f"{NAME}, 2026-10-02: ")
    assert len(shown) - 1 == int(shown[0].split()[-2])


def test_a_new_day_comes_with_its_extracts(office: Office) -> None:
    found = changes(office, 2)
    assert {(one["change"], one["cause"]["kind"]) for one in found["lines"]} == {
        ("came", "extract")
    }
    assert {one["cause"]["file"] for one in found["lines"]} == {"2026-10-02.csv"}
    # Three payments with their fees, four postings: nothing of the first day changed.
    assert len(found["lines"]) == 10
    taken = [one["cause"]["taken_at"] for one in found["lines"]]
    assert all(found["from"]["moment"] < one < found["to"]["moment"] for one in taken)


def test_a_decision_is_the_cause_of_an_accepted_break(office: Office) -> None:
    line = by_line(changes(office, 3))["card:P1002001.Settled.MP1002001"]
    assert (line["change"], line["was"], line["now"]) == (
        "outcome",
        "missing_in_target",
        "missing_in_target",
    )
    assert (line["cause"]["kind"], line["cause"]["decision"]) == ("decision", 1)


def test_a_corrected_extract_is_told_with_old_and_new_amount(office: Office) -> None:
    found = changes(office, 4)
    lines = by_line(found)
    corrected = lines["card:P1002002.Settled.MP1002002"]
    assert (corrected["change"], corrected["was_amount"], corrected["amount"]) == (
        "changed",
        "10.76",
        "10.81",
    )
    assert (corrected["was"], corrected["now"]) == ("matched", "amount_mismatch")
    assert (corrected["cause"]["kind"], corrected["cause"]["file"]) == (
        "correction",
        "2026-10-02.csv",
    )
    # Its posting is what it was, but what it was matched with is not.
    posted = lines["erp:L2026-10-02-1"]
    assert (posted["change"], posted["was"], posted["now"]) == (
        "outcome",
        "matched",
        "amount_mismatch",
    )
    assert posted["cause"]["kind"] == "counterpart"
    assert posted["cause"]["sha256"] == corrected["cause"]["sha256"]
    torn = [one for one in found["lines"] if one["what"] == "refused"]
    assert [one["change"] for one in torn] == ["came"]
    assert lines["card:P1002003.Settled.MP1002003"]["change"] == "went"
    rows = {(row["side"], row["row"]): row for row in found["rows"]}
    assert rows["source", "quarantined"]["change"]["count"] == 1
    assert all(row["unexplained"] == {"count": 0, "amount": "0.00"} for row in found["rows"])


def test_a_late_posting_matches_and_the_decision_is_gone(office: Office) -> None:
    lines = by_line(changes(office, 5))
    paid = lines["card:P1002001.Settled.MP1002001"]
    assert (paid["was"], paid["now"]) == ("missing_in_target", "matched")
    assert (paid["cause"]["kind"], paid["cause"]["decision"]) == ("taken_back", 2)
    fee = lines["card:P1002001.Settled.MP1002001:fee"]
    assert (fee["was"], fee["now"], fee["cause"]["kind"]) == (
        "missing_in_target",
        "matched",
        "counterpart",
    )
    assert (fee["cause"]["file"], fee["cause"]["counterpart"]) == (
        "2026-10-02.csv",
        "L2026-10-02-6",
    )
    shown = office("diff", NAME, "--period", "2026-10-02")
    assert "missing_in_target -> matched" in shown
    assert "with its counterpart L2026-10-02-6" in " ".join(shown.split())


def test_moments_can_be_compared_in_place_of_versions(office: Office) -> None:
    asked = ("diff", NAME, "--period", "2026-10", "--json")
    months = json.loads(office("diff", NAME, "--period", "2026-10", "--list", "--json"))
    numbers = (*asked, "--from-version", "2", "--to-version", "5")
    moments = ("--from-known-at", months[1]["moment"], "--to-known-at", months[4]["moment"])
    one, other = json.loads(office(*numbers)), json.loads(office(*asked, *moments))
    for told in (one, other):
        assert told.pop("from")["moment"] == months[1]["moment"]
        assert told.pop("to")["moment"] == months[4]["moment"]
    assert one == other


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--to-version", "7"), "has no version 7; versions are 1 to 6"),
        (("--to-version", "1"), "has no version 0"),
        (("--from-version", "4", "--to-version", "2"), "is later than"),
        (("--from-version", "1", "--from-known-at", "2026-10-01"), "are given for the same state"),
        (("--to-known-at", "2026-10-01"), "no state to compare with"),
    ],
)
def test_states_that_cannot_be_compared_are_refused(
    office: Office, more: tuple[str, ...], said: str
) -> None:
    env = {"TIEOUT_CONFIG": str(office.company.config), "TIEOUT_HOME": str(office.company.home)}
    done = CliRunner().invoke(tieout, ["diff", NAME, "--period", "2026-10", *more], env=env)
    assert done.exit_code == 2
    assert said in done.stderr


def test_the_history_of_a_line_has_a_row_for_each_change(office: Office) -> None:
    """The payment that was accepted as a break, redelivered, and booked late after all."""
    found = json.loads(office("line", "P1002001.Settled.MP1002001", "--history", "--json"))
    own = [one for one in found if one["line_id"] == "P1002001.Settled.MP1002001"]
    assert [(one["outcome"], one["decision"], one["counterpart"]) for one in own] == [
        (None, None, None),
        ("open", None, None),
        ("open", 1, None),
        (None, None, None),  # delivered again, in an extract that no run has worked in yet
        ("open", 1, None),
        ("matched", None, "L2026-10-02-5"),
    ]
    assert [one["known_from"] for one in own] == sorted(one["known_from"] for one in own)
    assert len({one["extract_sha256"] for one in own}) == 2
    assert {(one["file"], one["row_number"], one["amount"]) for one in own} == {
        ("2026-10-02.csv", 2, "10.39")  # below the heading
    }
    gone = json.loads(office("line", "P1002003.Settled.MP1002003", "--history", "--json"))
    there = [one["there"] for one in gone if one["line_id"] == "P1002003.Settled.MP1002003"]
    assert there == [True, True, False]
    # Its posting carries the reference, and stays; it has lost its counterpart.
    posted = [one for one in gone if one["line_id"] == "L2026-10-02-3"]
    assert [one["outcome"] for one in posted if one["outcome"]][:2] == ["matched", "open"]
    then = office.kept[3][0].isoformat()
    asked = ("line", "P1002003.Settled.MP1002003", "--history", "--as-known-at", then)
    assert "no longer delivered" not in office(*asked)
    shown = office("line", "P1002001.Settled.MP1002001", "--history")
    assert "matched by by_line with L2026-10-02-5" in shown
