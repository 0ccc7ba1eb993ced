"""`tieout dev`: web server and daemon as one program, which leaves nothing behind when it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tests.dagster_processes import Servers, answers, free_port, until
from tests.small_company import days_from, small_company

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["terminated", "interrupted"])
def test_both_servers_run_and_end_with_the_command(tmp_path: Path, how: signal.Signals) -> None:
    company = small_company(tmp_path / "company")
    company.close_books(days_from(date(2026, 10, 1), 1))
    port = free_port()
    at = Servers(f"http://127.0.0.1:{port}", tmp_path)
    with (tmp_path / "webserver.log").open("wb") as log:
        command = [sys.executable, "-c", "from pipelines.cli import main; main()", "dev"]
        command += ["--port", str(port), "--config", str(company.config)]
        command += ["--home", str(company.home)]
        dev = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            until(lambda: answers(at), 90, "the web server")
            health = "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy } } } }"
            until(
                lambda: any(
                    one["healthy"]
                    for one in at.ask(health)["instance"]["daemonHealth"]["allDaemonStatuses"]
                    if one["daemonType"] == "SCHEDULER"
                ),
                90,
                "the daemon's heartbeat",
            )
            dev.send_signal(how)
            assert dev.wait(60) == 0
        finally:
            dev.kill()
    assert not answers(at)
