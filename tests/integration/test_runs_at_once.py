"""Two runs of one home at once: the second waits, and both leave what one would have left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.turns import own_turn
from tests.integration.test_cli_run import HEADER, tieout
from tieout.errors import TieoutError

ROOT = Path(__file__).resolve().parents[2]
DAYS = [f"2026-10-0{n}" for n in range(1, 7)]
RANGE = ("--from", DAYS[0], "--to", DAYS[-1])
CONFIGURATION = """\
company: Example GmbH
calendar: {start: 2026-10-01}
entities: {DE01: {name: Example GmbH, currency: EUR}}
accounts: {"*": {"1460": clearing}}
feeds:
  subledger: {format: ledger_csv, location: "subledger/{date}.csv"}
  ledger: {format: ledger_csv, location: "ledger/{date}.csv"}
  group: {format: ledger_csv, location: "group/{date}.csv"}
reconciliations:
  subledger_to_ledger:
    source: {feeds: [subledger]}
    target: {feeds: [ledger]}
    timing_days: [0, 0]
    passes: [{name: by_line, shape: one_to_one, key: {source: [line_id], target: [line_ref]}}]
  ledger_to_group:
    source: {feeds: [ledger]}
    target: {feeds: [group]}
    timing_days: [0, 0]
    passes: [{name: by_line, shape: one_to_one, key: {source: [line_id], target: [line_ref]}}]
  subledger_to_group:
    chain: [subledger_to_ledger, ledger_to_group]
"""
AT_THE_BARRIER = """\
import sys
import pipelines.run_command
from pipelines.cli import main
print("ready", flush=True)
sys.stdin.readline()
sys.argv[0] = "tieout"
main()
"""
HOLDING = """\
import sys, time
from pathlib import Path
from pipelines.turns import own_turn
with own_turn(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def company(folder: Path) -> Path:
    folder.mkdir()
    (folder / "tieout.yaml").write_text(CONFIGURATION)
    chain = [("subledger", "s", ""), ("ledger", "g", "s"), ("group", "k", "g")]
    for feed, own, other in chain:
        (folder / feed).mkdir()
        for day in DAYS:
            rows = [
                f"{own}-{day}-{n},{day},J,DE01,1460,EUR,{n}.00,{other and f'{other}-{day}-{n}'}\n"
                for n in range(1, 5)
                if (feed, n) != ("group", 4)
            ]
            (folder / feed / f"{day}.csv").write_text(HEADER + "".join(rows))
    return folder


def started(folder: Path, program: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}"]
        + list(arguments),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() in ("ready", "held")
    return process


def stated(folder: Path) -> Any:
    shown = tieout(folder, "statement", "--period", "2026-10", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def test_two_runs_at_once_both_succeed_and_state_what_one_run_states(tmp_path: Path) -> None:
    alone, both = company(tmp_path / "alone"), company(tmp_path / "both")
    single = tieout(alone, "run", *RANGE)
    assert single.returncode == 0, single.stderr
    runs = [started(both, AT_THE_BARRIER, "run", *RANGE) for _ in range(2)]
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("\n")
        run.stdin.flush()
    told = [run.communicate(timeout=120)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    waited = [text for text in told if "is at work; waiting until it has ended" in text]
    assert len(waited) == 1, told
    assert waited[0].count("another run of") == 1
    assert stated(both) == stated(alone)


def test_a_run_that_was_killed_leaves_no_lock_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    holder = started(tmp_path, HOLDING, str(home))
    with pytest.raises(TieoutError, match="is still at work") as raised, own_turn(home, patience=0):
        pass
    assert "then run again" in raised.value.remedy
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with own_turn(home, patience=0):
        pass


def test_a_home_that_cannot_be_written_is_said_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "home"
    with pytest.raises(TieoutError, match=r"cannot write .*file/home/run\.lock"), own_turn(home):
        pass
