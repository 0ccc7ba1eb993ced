"""A month closed on the command line, as its people do it: keys, refusals, lock, restatement."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner, Result

from assets.resources import WorkplaceResource
from pipelines.cli import tieout
from pipelines.closing import prepare_close

MONTH = "2026-10"
COMPANY = {
    "company": "Example",
    "calendar": {"start": "2026-10-01"},
    "entities": {"DE01": {"name": "Example GmbH", "currency": "EUR"}},
    "accounts": {"*": {"1000": "clearing"}},
    "feeds": {
        "source": {"format": "ledger_csv", "location": "s/{date}.csv", "entity": "DE01"},
        "target": {"format": "ledger_csv", "location": "t/{date}.csv", "entity": "DE01"},
    },
    "reconciliations": {
        "books": {
            "description": "Both ledgers say the same",
            "source": {"feeds": ["source"]},
            "target": {"feeds": ["target"]},
            "timing_days": [0, 0],
            "passes": [
                {
                    "name": "by_line",
                    "shape": "one_to_one",
                    "key": {"source": ["line_ref"], "target": ["line_ref"]},
                }
            ],
        }
    },
    "close": {
        "allowed_signers": "allowed_signers",
        "people": {
            "pia": {"name": "Preparer", "roles": ["preparer"]},
            "ada": {"name": "Approver", "roles": ["approver"]},
            "bob": {"name": "Second approver", "roles": ["approver"]},
        },
    },
}


class Desk:
    def __init__(self, folder: Path, ssh_keygen: str) -> None:
        self.folder = folder
        (folder / "tieout.yaml").write_text(yaml.safe_dump(COMPANY))
        signers = ""
        for name in ("pia", "ada", "bob"):
            key = folder / name
            made = [ssh_keygen, "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
            subprocess.run(made, check=True, timeout=30)
            signers += f"{name} {(folder / f'{name}.pub').read_text()}"
        (folder / "allowed_signers").write_text(signers)
        for day in range(1, 32):
            for side in ("s", "t"):
                self.extract(side, f"2026-10-{day:02d}", [])

    def extract(self, side: str, day: str, lines: list[tuple[str, str, str]]) -> None:
        path = self.folder / side / f"{day}.csv"
        path.parent.mkdir(exist_ok=True)
        rows = [f"{side}{n},{on},J{n},{n},1000,EUR,{amount}" for n, on, amount in lines]
        head = "line_id,posting_date,journal_ref,line_ref,account,currency,amount"
        path.write_text("\n".join([head, *rows]) + "\n")

    def __call__(self, *arguments: str) -> Result:
        places = ["--config", str(self.folder / "tieout.yaml"), "--home", str(self.folder / "h")]
        return CliRunner().invoke(tieout, [*arguments, *places])

    def json(self, *arguments: str, code: int = 0) -> Any:
        result = self(*arguments, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def statement(self) -> Any:
        return json.loads(self("statement", "books", "--period", MONTH, "--format", "json").stdout)

    def act(self, act: str, who: str, *more: str) -> Result:
        return self("close", act, "DE01", MONTH, "--key", str(self.folder / who), *more)

    def run(self, last: str = "2026-10-31") -> None:
        result = self("run", "--from", "2026-10-01", "--to", last)
        assert result.exit_code == 0, result.output


def test_a_month_from_its_first_run_to_its_restatement(tmp_path: Path, ssh_keygen: str) -> None:
    desk = Desk(tmp_path, ssh_keygen)
    desk.extract("s", "2026-10-05", [("1", "2026-10-05", "10.00"), ("2", "2026-10-05", "20.00")])
    desk.extract("t", "2026-10-05", [("1", "2026-10-05", "10.00")])
    desk.run()
    lacking = desk.json("close", "prepare", "DE01", MONTH, code=1)["obstacles"]
    assert [one["code"] for one in lacking] == ["undecided"]
    said = ("--period", MONTH, "--entity", "DE01", "--reason", "paid by hand")
    assert desk("decide", "breaks", "books", *said).exit_code == 0
    desk.run()
    assert desk.act("prepare", "ada").exit_code == 2, "not a preparer"
    assert "who acts?" in desk("close", "prepare", "DE01", MONTH).output
    assert desk.act("prepare", "pia").exit_code == 0
    # The approver signs elsewhere.
    text = tmp_path / "text"
    text.write_text(desk("close", "text", "approve", "DE01", MONTH).stdout)
    sign = [ssh_keygen, "-Y", "sign", "-n", "tieout-close", "-f", str(tmp_path / "ada"), str(text)]
    subprocess.run(sign, check=True, timeout=30, capture_output=True)
    result = desk("close", "approve", "DE01", MONTH, "--signature", f"{text}.sig")
    assert "approved and locked" in result.output
    signed = desk.statement()
    shown = desk.json("close", "status")
    assert [(o["month"], o["state"], o["who"]) for o in shown if o["month"] == MONTH] == [
        (MONTH, "approved", "Approver")
    ]
    # Late, and corrected.
    desk.extract("t", "2026-11-02", [("2", "2026-10-05", "20.00")])
    desk.extract("s", "2026-10-05", [("1", "2026-10-05", "11.00"), ("2", "2026-10-05", "20.00")])
    desk.run("2026-11-02")
    assert desk.statement() == signed
    source, target = desk.json("restatement", MONTH)
    assert source["signed"]["rows"]["accepted"]["amount"] == "30.00"
    assert (source["corrections"]["amount"], source["lines_now"]["amount"]) == ("1.00", "31.00")
    assert source["cleared_since"] == {"count": 1, "amount": "20.00"}
    assert [one["line_id"] for one in target["lines"]] == ["t2"]
    told = desk("restatement", MONTH).output
    assert "2026-10-05 -> 2026-11-01            1.00  source s1~2026-11" in told
    listed = desk("breaks", "--period", "2026-11", "--format", "json").stdout
    broken = next(one for one in json.loads(listed) if one["line_id"].startswith("s1"))
    assert (broken["class"], broken["line_id"]) == ("closed_period_correction", "s1~2026-11")
    assert "belongs to 2026-10-05, of a month that is locked" in broken["explanation"]
    # Reopened by two, and everything is as it was recorded.
    assert "still locked" in desk.act("reopen", "ada", "--reason", "a mistake").output
    assert desk.act("reopen", "ada", "--reason", "a mistake").exit_code == 2
    assert "reopened" in desk.act("reopen", "bob", "--reason", "agreed").output
    desk.run("2026-11-02")
    (now, _) = desk.statement()
    assert now["rows"]["accepted"] == {"count": 2, "amount": "31.00"}
    verified = desk("verify")
    assert verified.exit_code == 0, verified.output
    assert desk("close", "status", "--verify").exit_code == 0


def test_the_job_of_the_ui_says_what_lacks_and_signs_nothing(
    tmp_path: Path, ssh_keygen: str
) -> None:
    desk = Desk(tmp_path, ssh_keygen)
    desk.run("2026-10-01")
    resource = WorkplaceResource(config=str(tmp_path / "tieout.yaml"), home=str(tmp_path / "h"))

    def drafted(month: str) -> dg.ExecuteInProcessResult:
        config = {"ops": {"draft": {"config": {"entity": "DE01", "month": month}}}}
        return prepare_close.execute_in_process(
            run_config=config, resources={"workplace": resource}, raise_on_error=False
        )

    def told(failed: dg.ExecuteInProcessResult) -> str:
        (event,) = failed.get_step_failure_events()
        why = event.step_failure_data.user_failure_data
        assert why is not None
        return why.description or ""

    lacking = told(drafted(MONTH)).splitlines()
    assert lacking[0] == "2026-10 of DE01 cannot be closed yet:"
    assert [line.startswith("  -> ") for line in lacking[1:]] == [False, True] * (len(lacking) // 2)
    desk.run()
    assert drafted(MONTH).success
    assert "2026-09 is before the calendar" in told(drafted("2026-09"))
    (month,) = [o for o in desk.json("close", "status") if o["month"] == MONTH]
    assert month["state"] == "open"


def test_acts_are_refused_in_words(tmp_path: Path, ssh_keygen: str) -> None:
    desk = Desk(tmp_path, ssh_keygen)
    desk.run("2026-10-01")
    lacking = desk.json("close", "prepare", "DE01", MONTH, code=1)["obstacles"]
    assert {one["code"] for one in lacking} == {"not_delivered", "not_stated"}
    for arguments, told in (
        (("close", "approve", "DE01", MONTH), "2026-10 of DE01 is open: it cannot be approved"),
        (("close", "prepare", "FR01", MONTH), "no entity 'FR01'"),
        (("close", "prepare", "DE01", "2026-10-05"), "2026-10-05 is no month"),
        (("restatement", MONTH), "2026-10 is not locked"),
    ):
        result = desk(*arguments)
        assert (result.exit_code, told in result.output) == (2, True), result.output


@pytest.mark.parametrize("people", [{"a b": {"name": "x", "roles": ["preparer"]}}, {"a": {}}])
def test_a_wrong_configuration_of_people_is_an_error(tmp_path: Path, people: Any) -> None:
    wrong = COMPANY | {"close": {"people": people}}
    (tmp_path / "tieout.yaml").write_text(yaml.safe_dump(wrong))
    result = CliRunner().invoke(tieout, ["validate", "--config", str(tmp_path / "tieout.yaml")])
    assert result.exit_code == 2
    assert "close.people" in result.output
