"""The step process of a run whose worker was killed: it lives on, wakes up late, publishes nothing.

Real processes: Dagster's own command runs assets with a process for each step, as the UI does. The
step stops itself where it has read and written everything and is about to publish.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipelines.home import environment
from pipelines.run import run_range
from tests.small_company import SmallCompany, payments_of, small_company
from tieout.workplace import Workplace

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parents[2]
DAY = date(2026, 10, 1)
STOPPING = """
import os, signal
from pathlib import Path
from pipelines.definitions import defs
from tieout.register.register import Register

publish = Register.publish

def stopped(self, new, *rest, **named):
    mark = Path(__file__).with_name("step.pid")
    if any(one.table == "lines/card" for one in new) and not mark.exists():
        beside = mark.with_suffix(".part")
        beside.write_text(f"{os.getpid()} {named['run_id']}")
        beside.replace(mark)
        os.kill(os.getpid(), signal.SIGSTOP)
    return publish(self, new, *rest, **named)

Register.publish = stopped
"""


def until(ask: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 90
    while not ask():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


def state(pid: int) -> str:
    """What the kernel says of a process: T stopped, Z ended and not waited for; empty for none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def versions(company: SmallCompany) -> dict[tuple[str, str], tuple[int, str]]:
    with Workplace.open(company.config, company.home) as workplace:
        return {
            (table, key): (head.version, head.run_id)
            for table in workplace.register.tables()
            for key, head in workplace.register.heads(table).items()
        }


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc, which Linux has")
def test_an_orphaned_step_that_wakes_up_late_publishes_nothing(tmp_path: Path) -> None:
    company = small_company(tmp_path / "company")
    company.settle(str(DAY), payments_of(DAY, 3))
    company.close_books([DAY])
    (company.folder / "stopping.py").write_text(STOPPING, encoding="utf-8")
    variables = {**environment(company.config, company.home), "PYTHONPATH": str(ROOT)}
    asked = ["asset", "materialize", "--select", "key:extracts/card,key:lines/card"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "dagster", *asked, "--partition", str(DAY), "-m", "stopping"],
        cwd=company.folder,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=(company.folder / "worker.log").open("wb"),
        start_new_session=True,
    )
    mark = company.folder / "step.pid"
    try:
        until(lambda: mark.exists() or worker.poll() is not None, "the step to be about to publish")
        assert worker.poll() is None, (company.folder / "worker.log").read_text()[-2000:]
        step, run = mark.read_text().split()
        until(lambda: state(int(step)) == "T", "the step to stop")
        assert int(step) != worker.pid, "the step has a process of its own"
        worker.send_signal(signal.SIGKILL)
        worker.wait(30)
        assert state(int(step)) == "T", "the orphan lives on"
        assert versions(company) == {}

        outcome = run_range(company.config, company.home, DAY, DAY, reconciliation="card_to_ledger")
        assert outcome.success
        after = versions(company)
        assert {run_id for _, run_id in after.values()} <= set(outcome.run_ids)
        assert run not in outcome.run_ids

        os.kill(int(step), signal.SIGCONT)
        until(lambda: state(int(step)) in ("", "Z"), "the orphan to end")
        assert versions(company) == after, "what woke up late has published nothing"
        log = (company.folder / "worker.log").read_text(encoding="utf-8")
        assert "has taken over" in log, log[-2000:]
    finally:
        worker.kill()
        worker.wait(30)
        left = int(mark.read_text().split()[0]) if mark.exists() else 0
        if left and state(left) not in ("", "Z"):
            os.kill(left, signal.SIGKILL)
