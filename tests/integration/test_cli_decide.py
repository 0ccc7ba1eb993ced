"""`tieout decide` on a small world: what is recorded, what the next run makes of it, what is void.

Three charges and a fee; the ledger has the first charge, the fee a cent off, the second charge
under a reference of its own, and a posting that nothing is behind.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

from pipelines.cli import tieout
from tests.integration.test_cli_statements import DAY, RECONCILIATIONS, posting, settlement
from tests.small_company import days_from, payments_of, small_company
from tests.worlds import World, world
from tieout.matching.columns import OUTCOMES
from tieout.register.records import NewPublication

NAME = "settlement_to_ledger"
ACCOUNTS = {"*": {"1090": "clearing", "6999": "fee"}}


class Place:
    """The small world, its command line, and its runs."""

    def __init__(self, small: World) -> None:
        self.small = small
        self.runs = 0
        config = small.workplace.home / "tieout.yaml"
        settings = small.workplace.settings.model_copy(update={"accounts": ACCOUNTS})
        config.write_text(settings.model_dump_json(exclude_none=True, exclude_defaults=True))
        self.env = {"TIEOUT_CONFIG": str(config), "TIEOUT_HOME": str(small.workplace.home)}

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(tieout, arguments, env=self.env)

    def deliver(self, **amounts: str) -> None:
        """The charges and postings, some with another amount (None of those called gone)."""
        settled = [
            settlement("ch_1", "100.00"),
            settlement("ch_1:fee", "-3.00", "fee"),
            settlement("ch_2", "50.00"),
            settlement("ch_3", "9.00"),
        ]
        posted = [
            posting("je_1", "100.00", "ch_1"),
            posting("je_2", "-3.01", "ch_1:fee"),
            posting("je_3", "50.00", "mistyped"),
            posting("je_4", "7.00", "nothing"),
            posting("ch_3", "1.00", "nothing at all"),
        ]
        for rows in (settled, posted):
            for row in list(rows):
                wanted = amounts.get(row["line_id"])
                if wanted == "gone":
                    rows.remove(row)
                elif wanted is not None:
                    row["amount"] = Decimal(wanted)
            for number, row in enumerate(rows, 1):
                row["row_number"] = number
        self.small.deliver({("psp", str(DAY)): settled, ("erp", str(DAY)): posted})

    def run(self) -> dict[str, dict[str, Any]]:
        """Reconcile; every outcome by feed:line_id."""
        self.runs += 1
        self.small.reconcile(NAME, run_id=f"run-{self.runs}")
        return {f"{o['feed']}:{o['line_id']}": o for o in self.small.outcomes(NAME)}

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self("decide", "list", "--json").stdout)
        return found

    def states(self) -> list[str]:
        return [one["state"] for one in self.listed()]


@pytest.fixture
def place() -> Iterator[Place]:
    with world(RECONCILIATIONS) as small:
        small.deliver({("psp", "2026-10-09"): [], ("erp", "2026-10-09"): []})
        here = Place(small)
        here.deliver()
        here.run()
        yield here


def decided(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_lines_matched_by_hand_stay_matched_until_it_is_taken_back(place: Place) -> None:
    made = place("decide", "match", NAME, "ch_2", "je_3", "--reason", "typo", "--by", "anna")
    assert made.exit_code == 0, made.output
    assert f"run `tieout run --from {DAY} --to {DAY}`" in made.stderr
    assert place.states() == ["waiting"]
    found = place.run()
    for one, other in (("psp:ch_2", "je_3"), ("erp:je_3", "ch_2")):
        assert (found[one]["outcome"], found[one]["pass"], found[one]["counterpart"]) == (
            "matched",
            "by_hand",
            other,
        )
        assert (found[one]["decision"], found[one]["residual"]) == (1, 0)
    (one,) = place.listed()
    assert (one["state"], one["by"], one["reason"]) == ("standing", "anna", "typo")
    assert [line["amount"] for line in one["lines"]] == ["50.00", "50.00"]
    assert one["statement_versions"] == {str(DAY): 1}
    assert one["decided_at"].endswith("+00:00")
    assert "Matched by hand (decision 1) with je_3 (erp)" in place("line", "ch_2").stdout
    again = place("decide", "match", NAME, "ch_2", "je_4", "--reason", "x")
    assert again.exit_code == 2
    assert "decide undo 1" in again.stderr
    back = decided(place("decide", "undo", "1", "--reason", "not so", "--by", "bert", "--json"))
    assert (back["kind"], back["takes_back"]) == ("take_back", 1)
    found = place.run()
    assert {found["psp:ch_2"]["outcome"], found["erp:je_3"]["outcome"]} == {"open"}
    assert place.states() == ["taken back", "standing"]
    assert "by bert, decision 2: not so" in place("decide", "list").stdout
    assert place("decide", "undo", "1", "--reason", "again").exit_code == 2
    assert place("decide", "undo", "2", "--reason", "again").exit_code == 2
    assert place("decide", "undo", "7", "--reason", "again").exit_code == 2


def test_what_amounts_leave_needs_a_label_and_an_account(place: Place) -> None:
    lines = ("decide", "match", NAME, "ch_1:fee", "je_2", "--reason", "a cent")
    refused = place(*lines)
    assert refused.exit_code == 2
    assert "targets less sources leave -0.01 USD" in refused.stderr
    assert place(*lines, "--label", "fee").exit_code == 2
    nowhere = place(*lines, "--label", "fee", "--account", "6998")
    assert nowhere.exit_code == 2
    assert "no account '6998'" in nowhere.stderr
    assert place(*lines, "--label", "whim", "--account", "6999").exit_code == 2
    made = decided(place(*lines, "--label", "fee", "--account", "6999", "--json"))
    assert (made["residual"], made["label"], made["account"]) == ("-0.01", "fee", "6999")
    found = place.run()
    assert found["psp:ch_1:fee"]["residual"] == Decimal("-0.01")
    assert found["psp:ch_1:fee"]["label"] == "fee"
    assert (found["erp:je_2"]["residual"], found["erp:je_2"]["label"]) == (0, None)
    tied = place("decide", "match", NAME, "ch_2", "je_3", "--reason", "x", "--account", "6999")
    assert tied.exit_code == 2


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"je_3": "51.00"}, "erp:je_3 changed its amount from 50.00 to 51.00 USD"),
        ({"je_3": "gone"}, "erp:je_3 is no longer delivered"),
    ],
)
def test_a_decision_is_void_while_its_lines_are_not_what_they_were(
    place: Place, changed: Mapping[str, str], why: str
) -> None:
    decided(place("decide", "match", NAME, "ch_2", "je_3", "--reason", "typo", "--json"))
    place.run()
    place.deliver(**changed)
    found = place.run()
    assert found["psp:ch_2"]["outcome"] == "open"
    (one,) = place.listed()
    assert (one["state"], one["why"]) == ("void", why)
    assert why in place("decide", "list").stdout
    place.deliver()
    found = place.run()
    assert found["psp:ch_2"]["decision"] == 1
    assert place.states() == ["standing"]


def test_of_decisions_that_share_a_line_the_earlier_one_holds(place: Place) -> None:
    decided(place("decide", "match", NAME, "ch_2", "je_3", "--reason", "typo", "--json"))
    early = place("decide", "match", NAME, "ch_2", "je_4", "--reason", "x")
    assert early.exit_code == 2, "no run has worked the first one in, and still it counts"
    assert "matched by decision 1 already" in early.stderr
    place.run()
    place.deliver(je_3="51.00")
    place.run()
    second = ("decide", "match", NAME, "ch_2", "je_4", "--label", "write_off", "--account", "6999")
    decided(place(*second, "--reason", "instead", "--json"))
    found = place.run()
    assert found["psp:ch_2"]["decision"] == 2
    assert place.states() == ["void", "standing"]
    place.deliver()
    found = place.run()
    assert found["psp:ch_2"]["decision"] == 1
    assert found["erp:je_4"]["outcome"] == "open"
    first, later = place.listed()
    assert (first["state"], later["state"]) == ("standing", "void")
    assert later["why"] == "psp:ch_2 is matched by decision 1 already"
    assert place("decide", "undo", "1", "--reason", "the second is right").exit_code == 0
    found = place.run()
    assert found["psp:ch_2"]["decision"] == 2
    assert place.states() == ["taken back", "standing", "standing"]


def test_a_line_that_left_the_reconciliation_or_was_reversed_holds_no_decision(
    place: Place,
) -> None:
    decided(place("decide", "match", NAME, "ch_2", "je_3", "--reason", "typo", "--json"))
    place.run()
    posted = {"journal_ref": "JE-9"}
    place.small.deliver(
        {("erp", str(DAY)): [posting("je_3", "50.00", "x", account_class="revenue", **posted)]}
    )
    place.run()
    assert place.listed()[0]["why"] == "erp:je_3 does not take part any more"
    back = posting("je_3R", "-50.00", "x", journal_ref="JE-9R", reversal_of="JE-9", row_number=2)
    place.small.deliver({("erp", str(DAY)): [posting("je_3", "50.00", "x", **posted), back]})
    found = place.run()
    assert found["erp:je_3"]["pass"] == "reversal"
    (one,) = place.listed()
    assert one["state"] == "void"
    assert one["why"] == "erp:je_3 was reversed, and cancels with its reversal"
    cancelled = place("decide", "match", NAME, "ch_2", "je_3", "--reason", "x")
    assert cancelled.exit_code == 2
    assert "cancel each other" in cancelled.stderr


def test_a_match_by_hand_frees_what_a_pass_had_matched(place: Place) -> None:
    place.deliver(je_3="100.00")
    place.run()
    decided(place("decide", "match", NAME, "ch_1", "je_3", "--reason", "the right one", "--json"))
    found = place.run()
    assert (found["psp:ch_1"]["pass"], found["psp:ch_1"]["counterpart"]) == ("by_hand", "je_3")
    assert found["erp:je_1"]["outcome"] == "open"


def test_an_accepted_break_stays_one_and_says_who_accepted_it(place: Place) -> None:
    done = place("decide", "break", "je_4", "--reason", "known since May", "--by", "anna")
    assert done.exit_code == 0, done.output
    twice = place("decide", "break", "je_4", "--reason", "x")
    assert (twice.exit_code, "decide undo 1" in twice.stderr) == (2, True)
    found = place.run()
    assert (found["erp:je_4"]["outcome"], found["erp:je_4"]["decision"]) == ("open", 1)
    shown = json.loads(place("breaks", "--period", str(DAY), "--format", "json").stdout)
    (one,) = [b for b in shown if b["line_id"] == "je_4"]
    assert (one["class"], one["decision"], one["accepted_by"], one["accepted_because"]) == (
        "missing_in_source",
        1,
        "anna",
        "known since May",
    )
    assert [b["decision"] for b in shown if b["line_id"] != "je_4"] == [None] * (len(shown) - 1)
    text = place("breaks", "--period", str(DAY)).stdout
    assert "accepted by anna, decision 1: known since May" in text
    assert text.splitlines()[-1].endswith(", 1 of them accepted")
    heads = place.small.workplace.register.heads(f"outcomes/{NAME}")
    assert heads[str(DAY)].totals["accepted"] == 1
    again = place("decide", "break", "je_4", "--reason", "x")
    assert again.exit_code == 2
    place.deliver(je_4="8.00")
    found = place.run()
    assert found["erp:je_4"]["decision"] is None
    (state,) = place.listed()
    assert state["state"] == "void"
    assert state["why"] == "erp:je_4 changed its amount from 7.00 to 8.00 USD"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("match", NAME, "ch_3", "je_4"), "write one of erp:ch_3, psp:ch_3"),
        (("match", NAME, "nobody", "je_4"), "no line 'nobody'"),
        (("match", NAME, "ch_2"), "at least two lines"),
        (("match", NAME, "ch_2", "psp:ch_2"), "each named once"),
        (("match", "nothing_to_ledger", "ch_2", "je_3"), "nothing_to_ledger"),
        (("accept", "ch_2"), "no match is suggested for 'ch_2'"),
        (("reject", "ch_2"), "no match is suggested for 'ch_2'"),
        (("break", "ch_1"), "matched by by_line"),
        (("break", "nobody"), "no line 'nobody'"),
        (("match", NAME, "ch_2", "je_3", "--by", " "), "needs a name"),
    ],
)
def test_what_cannot_be_decided_is_said_and_recorded_nowhere(
    place: Place, arguments: tuple[str, ...], said: str
) -> None:
    refused = place("decide", *arguments, "--reason", "because")
    assert refused.exit_code == 2, refused.output
    assert said in refused.stderr
    assert place.listed() == []


def test_a_line_of_an_ambiguous_name_is_named_with_its_feed(place: Place) -> None:
    lines = ("psp:ch_3", "erp:ch_3", "je_4")
    tied = place("decide", "match", NAME, *lines, "--reason", "in two", "--json")
    assert tied.exit_code == 2
    assert "leave -1.00 USD" in tied.stderr
    made = place(
        "decide", "match", NAME, *lines, "--reason", "in two", "--label", "write_off",
        "--account", "6999", "--json",
    )  # fmt: skip
    assert decided(made)["residual"] == "-1.00"
    found = place.run()
    assert [found[one]["match_ref"] for one in lines[:1]] == ["ch_3"]
    assert found["erp:je_4"]["decision"] == 1


def test_currencies_and_entities_do_not_mix(place: Place) -> None:
    place.small.deliver(
        {
            ("psp", "2026-10-06"): [
                settlement("eur", "5.00", currency="EUR", period=DAY),
                settlement("other", "5.00", entity="B", period=DAY),
            ],
            ("erp", "2026-10-06"): [posting("usd", "5.00", "none", period=DAY)],
        }
    )
    place.run()
    for line, said in (("eur", "several currencies: EUR, USD"), ("other", "several entities")):
        refused = place("decide", "match", NAME, line, "usd", "--reason", "x")
        assert refused.exit_code == 2
        assert said in refused.stderr


def suggest(place: Place, *lines: str, label: str | None = None) -> None:
    """Publish the outcomes with a match of lines as a pass that only suggests would leave it."""
    register, store = place.small.workplace.register, place.small.workplace.store
    rows = place.small.outcomes(NAME)
    by_name = {f"{row['feed']}:{row['line_id']}": row for row in rows}
    members = [by_name[line] for line in lines]
    for row in members:
        other = next(one for one in members if one["side"] != row["side"])
        row |= {"pass": "by_guess", "match_ref": members[0]["line_id"], "score": Decimal("0.8")}
        row |= {"counterpart_feed": other["feed"], "counterpart": other["line_id"]}
        row |= {"reason": "alike", "residual": Decimal(0)}
    members[0]["label"] = label
    table = f"outcomes/{NAME}"
    file = store.write(table, str(DAY), pl.DataFrame(rows, schema=OUTCOMES))
    epochs = register.take_epochs(table, [str(DAY)], "suggest")
    new = NewPublication(
        table, str(DAY), (file,), file.rows, register.heads(table)[str(DAY)].totals
    )
    register.publish([new], {(table, str(DAY)): epochs[str(DAY)]}, run_id="suggest")


def test_a_suggested_match_is_accepted_with_all_its_lines(place: Place) -> None:
    suggest(place, "psp:ch_2", "erp:je_3")
    made = decided(place("decide", "accept", "je_3", "--reason", "the same", "--json"))
    assert made["kind"] == "accept_suggestion"
    assert [line["line_id"] for line in made["lines"]] == ["ch_2", "je_3"]
    assert made["statement_versions"] == {str(DAY): 2}
    found = place.run()
    assert (found["psp:ch_2"]["pass"], found["psp:ch_2"]["decision"]) == ("by_hand", 1)
    assert place.states() == ["standing"]


def test_a_suggested_match_is_rejected_and_its_lines_stay_open(place: Place) -> None:
    suggest(place, "psp:ch_2", "erp:je_3", "erp:je_4")
    made = decided(place("decide", "reject", "ch_2", "--reason", "others", "--json"))
    assert {line["line_id"] for line in made["lines"]} == {"ch_2", "je_3", "je_4"}
    found = place.run()
    assert {found[one]["outcome"] for one in ("psp:ch_2", "erp:je_3", "erp:je_4")} == {"open"}
    assert found["psp:ch_2"]["pass"] is None
    assert place.states() == ["standing"]
    place.deliver(je_4="8.00")
    place.run()
    assert place.states() == ["void"]


def test_one_decision_waiting_for_a_run_is_not_contradicted_by_the_next(place: Place) -> None:
    suggest(place, "psp:ch_2", "erp:je_3")
    decided(place("decide", "accept", "ch_2", "--reason", "the same", "--json"))
    for second in (("reject", "ch_2"), ("accept", "je_3"), ("break", "je_3")):
        refused = place("decide", *second, "--reason", "or not")
        assert refused.exit_code == 2, second
        assert "is matched by decision 1 already" in refused.stderr
        assert "tieout decide undo 1" in refused.stderr
    decided(place("decide", "undo", "1", "--reason", "it is not", "--json"))
    assert decided(place("decide", "reject", "ch_2", "--reason", "no", "--json"))["id"] == 3
    for second in (("accept", "ch_2"), ("reject", "je_3")):
        refused = place("decide", *second, "--reason", "or so")
        assert refused.exit_code == 2, second
        assert "this match is rejected already, by decision 3" in refused.stderr
    assert [one["id"] for one in place.listed()] == [1, 2, 3]


def test_a_suggestion_that_does_not_tie_is_accepted_with_a_label_only(place: Place) -> None:
    suggest(place, "psp:ch_1:fee", "erp:je_2", label="fee")
    refused = place("decide", "accept", "je_2", "--reason", "a cent")
    assert refused.exit_code == 2
    assert "leave -0.01 USD" in refused.stderr
    made = place("decide", "accept", "je_2", "--reason", "a cent", "--account", "6999", "--json")
    assert (decided(made)["label"], decided(made)["residual"]) == ("fee", "-0.01")


def test_a_run_works_decisions_in_and_says_which_are_void(tmp_path: Path) -> None:
    """The small company: its card payments are posted under another number."""
    company = small_company(tmp_path)
    (day,) = days_from(date(2026, 10, 5), 1)
    payments = payments_of(day, 3)
    company.settle(str(day), payments)
    company.post_payments(day, payments[1:])
    first = payments[0]
    company.post(day, "unknown", first.gross)
    company.post(day, f"{first.line_id}:fee", -first.fee)
    company.close_books([day])
    company.settle(f"{day}T09", [], feed="kiosk")
    env = {"TIEOUT_CONFIG": str(company.config), "TIEOUT_HOME": str(company.home)}

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(tieout, arguments, env=env)

    def ran() -> dict[str, Any]:
        done = run(
            "run", "--from", str(day), "--to", str(day), "--reconciliation", "card_to_ledger",
            "--json",
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        told: dict[str, Any] = json.loads(done.stdout)
        return told | {"said": done.stderr}

    before = ran()
    assert (before["breaks"], before["void_decisions"]) == (2, [])
    posting = next(r["line_id"] for r in company.postings[day] if r["line_ref"] == "unknown")
    made = run(
        "decide", "match", "card_to_ledger", first.line_id, posting, "--reason", "renumbered"
    )
    assert made.exit_code == 0, made.output
    after = ran()
    assert (after["breaks"], after["holds"], after["void_decisions"]) == (0, True, [])
    statements = json.loads(run("statement", "--period", str(day), "--format", "json").stdout)
    matched = {s["side"]: s["rows"]["matched"] for s in statements}
    # Three charges and three fees on either side, and they tie.
    assert {side["count"] for side in matched.values()} == {6}
    assert len({side["amount"] for side in matched.values()}) == 1
    changed = next(row for row in company.postings[day] if row["line_ref"] == "unknown")
    changed["amount"] = str(first.gross + 1)
    company.close_books([day])
    void = ran()
    assert void["breaks"] == 2
    assert [one["id"] for one in void["void_decisions"]] == [1]
    assert f"void: decision 1 of {getpass.getuser()} in card_to_ledger: erp:" in void["said"]
    assert "changed its amount" in void["said"]


def test_what_a_mangled_reference_suggests_is_accepted_or_rejected_for_good(place: Place) -> None:
    """The engine's own suggestion, not one made up here."""
    settled = [settlement("8816194829190754", "71.00"), settlement("7716194829190754", "72.00")]
    posted = [
        posting("je_8", "71.00", "8816194829190574"),
        posting("je_9", "72.00", "771619482919075"),
    ]
    place.small.deliver({("psp", str(DAY)): settled, ("erp", str(DAY)): posted})
    found = place.run()
    assert found["erp:je_8"]["match_ref"] == "8816194829190754"
    made = decided(place("decide", "accept", "je_8", "--reason", "exchanged", "--json"))
    assert [line["line_id"] for line in made["lines"]] == ["8816194829190754", "je_8"]
    decided(place("decide", "reject", "7716194829190754", "--reason", "no", "--json"))
    found = place.run()
    assert (found["erp:je_8"]["outcome"], found["erp:je_8"]["decision"]) == ("matched", 1)
    assert (found["erp:je_9"]["outcome"], found["erp:je_9"]["match_ref"]) == ("open", None)
    assert place.states() == ["standing", "standing"]
    assert place("decide", "undo", "2", "--reason", "it is the same").exit_code == 0
    assert place.run()["erp:je_9"]["match_ref"] == "7716194829190754"
