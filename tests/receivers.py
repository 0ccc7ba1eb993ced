"""Receivers of alerts on loopback: an HTTP server for webhooks, a small SMTP server for mail."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What came, and whether it is answered well. `port` is where to send to."""

    port: int = 0
    works: bool = True
    posts: list[dict[str, Any]] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)


@contextmanager
def webhook() -> Iterator[Receiver]:
    """An HTTP server that takes JSON; 503 while it does not work."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.works:
                receiver.posts.append(json.loads(body))
            self.send_response(200 if receiver.works else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@contextmanager
def mail() -> Iterator[Receiver]:
    """An SMTP server without encryption or login (RFC 5321, as much as a sender needs)."""
    receiver, loop, ready = Receiver(), asyncio.new_event_loop(), threading.Event()

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 loopback\r\n")
        while command := (await reader.readline()).decode("ascii").strip():
            verb = command.partition(" ")[0].upper()
            if verb == "DATA":
                writer.write(b"354 go on\r\n")
                lines = []
                while (line := await reader.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                parsed = message_from_bytes(b"".join(lines), policy=policy.default)
                assert isinstance(parsed, EmailMessage)
                receiver.mails.append(parsed)
            answer = {"QUIT": b"221 bye\r\n"}.get(verb, b"250 ok\r\n")
            writer.write(answer if receiver.works else b"451 try again later\r\n")
            await writer.drain()
            if verb == "QUIT":
                break
        writer.close()

    async def start() -> asyncio.Server:
        server = await asyncio.start_server(session, "127.0.0.1", 0)
        receiver.port = server.sockets[0].getsockname()[1]
        ready.set()
        return server

    def run() -> None:
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(start())
        loop.run_forever()
        server.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
