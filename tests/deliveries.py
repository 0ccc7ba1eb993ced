"""A relay on loopback between a sender and the intake, that delivers as badly as the wild does.

It takes every request at once, as an outbox would, and delivers it until it is acknowledged: late,
in another order, twice, in drips, or cut off before or after the whole of it was sent. Seeded.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

TRIES = 50
"""Deliveries of one request at most; then it is given up, which a test sees in `given_up`."""
_GONE = (OSError, asyncio.IncompleteReadError, ValueError)


@dataclass
class Relay:
    """What to do to deliveries, and what was done. `port` is where senders post to."""

    target: tuple[str, int]
    seed: int
    duplicates: float = 0.3
    cuts: float = 0.2
    drips: float = 0.1
    longest_delay: float = 0.3
    port: int = 0
    taken: int = 0
    acknowledged: int = 0
    given_up: int = 0
    done: Counter[str] = field(default_factory=Counter)
    _waiting: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def settled(self) -> bool:
        """Whether all that was taken has been acknowledged (or given up)."""
        return self.taken == self.acknowledged + self.given_up

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _request(reader)
            self.taken += 1
            task = asyncio.ensure_future(self._deliver(request, random.Random(self.taken)))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except _GONE:
            pass
        finally:
            writer.close()

    async def _deliver(self, request: bytes, own: random.Random) -> None:
        """Until it is acknowledged; a copy may follow one that was."""
        chance = random.Random(f"{self.seed}/{own.random()}")
        for attempt in range(TRIES):
            # What waits a while is passed by others: that is all it takes to change the order.
            await asyncio.sleep(chance.uniform(0, self.longest_delay) * min(attempt + 1, 5))
            if await self._once(request, chance):
                break
        else:
            self.given_up += 1
            return
        while chance.random() < self.duplicates:
            self.done["duplicate"] += 1
            await asyncio.sleep(chance.uniform(0, self.longest_delay))
            await self._whole(request)
        self.acknowledged += 1

    async def _once(self, request: bytes, chance: random.Random) -> bool:
        if chance.random() < self.cuts:
            await self._cut(request, chance)
            return False
        drip = chance.random() < self.drips
        if drip:
            self.done["drip"] += 1
        return await self._whole(request, piece=max(len(request) // 8, 1) if drip else 0)

    async def _whole(self, request: bytes, piece: int = 0) -> bool:
        try:
            reader, writer = await asyncio.open_connection(*self.target)
            try:
                for start in range(0, len(request), piece or len(request)):
                    writer.write(request[start : start + (piece or len(request))])
                    await writer.drain()
                    await asyncio.sleep(0.01 if piece else 0)
                status = await asyncio.wait_for(reader.readline(), 30)
                return status.split(b" ")[1:2] == [b"200"] or status[9:10] == b"2"
            finally:
                writer.close()
        except (*_GONE, TimeoutError):
            self.done["refused"] += 1
            return False

    async def _cut(self, request: bytes, chance: random.Random) -> None:
        """Send a part, or all of it, and be gone before the answer."""
        sent = len(request) if chance.random() < 0.5 else chance.randrange(1, len(request))
        self.done["cut after the whole" if sent == len(request) else "cut"] += 1
        try:
            _, writer = await asyncio.open_connection(*self.target)
            writer.write(request[:sent])
            await writer.drain()
            writer.transport.abort()
        except OSError:
            pass


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    lines = head.decode("latin-1").split("\r\n")
    length = next(
        int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length")
    )
    body = await asyncio.wait_for(reader.readexactly(length), 30)
    kept = [one for one in lines if one and not one.lower().startswith("connection")]
    return "\r\n".join([*kept, "Connection: close", "", ""]).encode("latin-1") + body


@contextmanager
def relay(target: tuple[str, int], seed: int, **settings: float) -> Iterator[Relay]:
    """A running relay to an address, ended with the block."""
    made = Relay(target, seed, **settings)  # type: ignore[arg-type]
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def serve() -> None:
        server = await asyncio.start_server(made._accept, "127.0.0.1", 0)
        made.port = server.sockets[0].getsockname()[1]
        ready.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
