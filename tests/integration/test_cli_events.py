"""`tieout events` and `tieout live`: what waits, what a person does about it, what remains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipelines.cli import tieout
from tieout.cli import live

COMPANY = """
company: Example
calendar: {{start: 2026-10-01}}
entities: {{DE01: {{name: Example GmbH, currency: EUR, known_as: [{known}]}}}}
formats: formats
feeds:
  own:
    format: own_events
    inbox: {{secrets: ["${{NOT_SET}}"], expects: {{payout: {{feeds: [bank]}}}}}}
  bank: {{format: stripe_balance, location: "s/{{date}}.csv", entity: DE01}}
reconciliations:
  payouts:
    description: Every payout that was announced is on the balance
    source: {{feeds: [own], where: {{type: [payout.paid]}}}}
    target: {{feeds: [bank]}}
    passes: [{{name: a, shape: one_to_one, key: {{source: [subject_ref], target: [payment_ref]}}}}]
"""
FORMAT = """
name: own_events
title: Own events
kind: event
documentation: docs/formats.md
notes: [of the tests]
webhook:
  scheme: hmac
  documentation: docs/formats.md
  event_id: id
  type: type
  version: v
  occurred_at: at
  account: who
  types:
    {name}: {{type: payout.paid, refs: {{payout: ref}}, amount: sum, currency: cur}}
"""


class Desk:
    """A home folder, and the commands a person calls there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "formats").mkdir()
        self.configure()

    def configure(self, known: str = "Example", name: str = "paid") -> None:
        (self.folder / "tieout.yaml").write_text(COMPANY.format(known=known), encoding="utf-8")
        own = self.folder / "formats" / "own.yaml"
        own.write_text(FORMAT.format(name=name), encoding="utf-8")

    def run(self, *arguments: str, given: str | None = None) -> Result:
        places = ["--config", str(self.folder / "tieout.yaml"), "--home", str(self.folder / "h")]
        return CliRunner().invoke(tieout, [*arguments, *places], input=given)

    def json(self, *arguments: str, given: str | None = None) -> Any:
        result = self.run(*arguments, "--json", given=given)
        assert result.exit_code in (0, 1), result.output
        return json.loads(result.stdout)

    def take(self, *events: dict[str, Any]) -> dict[str, int]:
        lines = "\n".join(json.dumps(one) for one in events)
        counts: dict[str, int] = self.json(
            "events", "import", "own", "-", "--reason", "an outage", given=lines
        )
        return counts


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def payout(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"e{number}",
        "type": "paid",
        "v": "1",
        "at": "2026-10-05T10:00:00Z",
        "who": "Example",
        "ref": f"po_{number}",
        "sum": "10.00",
        "cur": "EUR",
    } | changes


def test_what_was_missed_is_imported_once_and_is_live_at_once(desk: Desk) -> None:
    assert desk.take(payout(1), payout(2)) == {"new": 2, "duplicate": 0, "conflict": 0}
    assert desk.take(payout(2), payout(3)) == {"new": 1, "duplicate": 1, "conflict": 0}
    assert desk.take(payout(3, sum="11.00")) == {"new": 0, "duplicate": 0, "conflict": 1}
    live = desk.json("live")
    assert live["inbox"]["applied_through"] == live["inbox"]["newest_sequence"] == 3
    assert live["inbox"]["conflicts"] == 1
    (awaited,) = live["expectations"]
    assert (awaited["what"], awaited["currency"]) == ("extract_line", "EUR")
    assert awaited["open"] == awaited["overdue"] == {"count": 3, "amount": "30.00"}
    assert awaited["met"] == {"count": 0, "amount": "0.00"}
    (other,) = desk.json("events", "conflicts")
    assert (other["event_id"], json.loads(other["body"])["sum"]) == ("e3", "11.00")
    assert "overdue" in desk.run("live").output.lower()


def test_an_event_is_shown_as_received_and_as_read(desk: Desk) -> None:
    desk.take(payout(1, note="kept as it is"))
    (one,) = desk.json("events", "list", "--feed", "own", "--state", "applied")
    shown = desk.json("events", "show", str(one["sequence"]))
    assert json.loads(shown["body"])["note"] == "kept as it is"
    assert (shown["type"], shown["subject"], shown["amount"]) == ("payout.paid", "po_1", "10.00")
    assert "po_1" in desk.run("events", "show", "1").output
    unknown = desk.run("events", "show", "99")
    assert unknown.exit_code == 2
    assert "no event 99" in unknown.output


def test_a_dead_letter_is_read_again_after_the_fix_once_and_recorded(desk: Desk) -> None:
    desk.take(payout(1, who="Beispiel"), payout(2), payout(3, type="settled"))
    dead = desk.json("events", "dead")
    assert [(one["event_id"], one["problem"]["code"]) for one in dead] == [
        ("e1", "unknown_account"),
        ("e3", "unmapped_type"),
    ]
    assert "known_as" in desk.run("events", "dead").output
    early = desk.run("events", "replay", "1", "--reason", "again")
    assert early.exit_code == 1, "nothing was corrected"

    desk.configure(known="Beispiel, Example")
    fixed = desk.json("events", "replay", "--all", "--reason", "known now", "--by", "an operator")
    assert [(one["event_id"], one["state"]) for one in fixed] == [("e1", "new"), ("e3", "dead")]
    again = desk.json("events", "replay", "1", "--reason", "twice")
    assert again == [], "no dead letter any more"
    assert [one["problem"]["code"] for one in desk.json("events", "dead")] == ["unmapped_type"]
    shown = desk.json("events", "show", "1")
    assert shown["state"] == "applied"
    done = [(one["action"], one["who"], one["reason"]) for one in shown["actions"]][1:]
    assert done == [("replay", "an operator", "known now")]
    last = shown["actions"][-1]
    assert last["before"]["problem"]["code"] == "unknown_account"
    assert last["after"]["state"] == "new"
    (awaited,) = desk.json("live")["expectations"]
    assert awaited["open"]["count"] == 2


def test_a_discarded_event_stays_in_the_inbox_with_the_reason(desk: Desk) -> None:
    desk.take(payout(1, sum="ten"))
    assert desk.run("events", "discard", "1").exit_code == 2, "a reason is needed"
    assert desk.run("events", "discard", "1", "--reason", "a test").exit_code == 0
    assert desk.json("events", "dead") == []
    shown = desk.json("events", "show", "1")
    assert shown["state"] == "discarded"
    assert shown["actions"][-1]["reason"] == "a test"
    assert desk.run("events", "discard", "1", "--reason", "again").exit_code == 2


def test_dead_letters_of_one_problem_are_discarded_together(desk: Desk) -> None:
    desk.take(payout(1, sum="ten"), payout(2, sum="two"), payout(3) | {"type": "payout.unheard"})
    which = ("--code", "unmapped_type", "--reason", "of no use")
    (gone,) = desk.json("events", "discard", *which)
    assert (gone["event_id"], gone["state"]) == ("e3", "discarded")
    assert [one["event_id"] for one in desk.json("events", "dead")] == ["e1", "e2"]


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_it_asks_which(desk: Desk, command: str) -> None:
    for arguments in ([], ["1", "--all"]):
        result = desk.run("events", command, *arguments, "--reason", "x")
        assert result.exit_code == 2
        assert "--all" in result.output


def test_a_row_that_is_no_event_is_named(desk: Desk) -> None:
    result = desk.run("events", "import", "own", "-", "--reason", "x", given='{"id": "1"}\n[1]\n')
    assert result.exit_code == 2
    assert "row 2" in result.output
    result = desk.run("events", "import", "own", "-", "--reason", "x", given='{"type": "paid"}\n')
    assert "row 1 has no id" in result.output
    unknown = desk.run("events", "import", "owm", "-", "--reason", "x", given="")
    assert unknown.exit_code == 2
    assert "own" in unknown.output


def test_the_schema_report_tells_what_came_and_what_stopped(desk: Desk) -> None:
    desk.take(payout(0))
    assert desk.json("events", "schema") == [], "a feed's first day is no change"
    desk.take(payout(1, v="2"), payout(2, colour="red"), payout(3, type="other"))
    told = desk.json("events", "schema", "--feed", "own")
    assert {(one["what"], one["source_type"], one["version"], one["path"]) for one in told} == {
        ("new version", "paid", "2", ""),
        ("new field", "paid", "1", "colour"),
        ("unmapped type", "other", "1", ""),
    }
    desk.take(*(payout(n) for n in range(10, 70)))
    gone = [one for one in desk.json("events", "schema") if one["what"] == "gone field"]
    assert [one["path"] for one in gone] == ["colour"]


def test_the_live_state_is_printed_anew_until_one_ends_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.take(payout(1))
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(live.time, "sleep", pause)
    result = desk.run("live", "--watch", "--json")
    assert [json.loads(line)["inbox"]["waiting"] for line in result.stdout.splitlines()] == [0] * 3
