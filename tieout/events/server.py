"""Serves the intake with uvicorn: where it listens, whom it believes, how it ends."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tieout.errors import ConfigurationError, RequestError, TieoutError
from tieout.events.app import Intake
from tieout.events.apply import apply_waiting
from tieout.events.metrics import Metrics
from tieout.events.pages import TOKEN, Pages, is_loopback
from tieout.events.reading import Message, Receive, Send
from tieout.events.receive import receivers
from tieout.workplace import Workplace

Application = Callable[[Message, Receive, Send], Awaitable[None]]

REQUEST_SECONDS, HEAD_BYTES = 20.0, 64 << 10
"""A request must be there by then, from its first byte; its head is at most this long."""
GRACE_SECONDS = 40
MOST_CONNECTIONS = 2_000
SWITCH_SECONDS = 0.0005
"""How long a thread that computes keeps the others from it: requests come first."""


class _Joined:
    """A transport that sends the head of an answer with its body: one system call, one packet."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._head = transport, b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """uvicorn writes the head as a whole, and the body next."""
        if data.startswith(b"HTTP/1.1 ") and data.endswith(b"\r\n\r\n") and data[9:12] != b"100":
            self._head = data
            return
        self._transport.write(self._head + data)
        self._head = b""

    def flush(self) -> None:
        """An answer to HEAD has no body."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Close when all is sent."""
        self.flush()
        self._transport.close()


class _Bounded(HttpToolsProtocol):
    """uvicorn's protocol, which itself would wait for the rest of a request for ever."""

    _timer: asyncio.TimerHandle | None = None
    _is_open = _has_head = False
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Joined(transport))  # type: ignore[arg-type]
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # A request that comes in one piece, as most do, has no timer.
        super().data_received(data)
        if not self._is_open:
            self._disarm()
        elif self._timer is None:
            self._arm()
        self._head = 0 if self._has_head or not self._is_open else self._head + len(data)
        if self._head > HEAD_BYTES:
            self.transport.close()

    def on_message_begin(self) -> None:
        self._is_open, self._has_head = True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._has_head = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_open = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        cast("_Joined", self.transport).flush()
        super().on_response_complete()

    def _arm(self) -> None:
        self._timer = self.loop.call_later(REQUEST_SECONDS, self.transport.close)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def serve(
    workplace: Workplace,
    host: str,
    port: int,
    proxies: Sequence[str],
    told: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is queued and end.

    `told` gets the address once it is listened at. Raises RequestError for an address that is not
    this machine's own without a proxy, ConfigurationError when no feed has an inbox.
    """
    if not proxies and not is_loopback(host):
        raise RequestError(
            f"the intake does not listen at {host}, where the network reaches it",
            "put a proxy with TLS before it and name its address with --proxy-mode",
        )
    with_proxy = [network(one) for one in proxies]
    app = application(workplace, local=is_loopback(host) and not proxies)
    run(app, host, port, with_proxy, told)


def run(
    app: Application,
    host: str,
    port: int,
    proxies: Sequence[str],
    told: Callable[[str], None],
) -> None:
    """Serve an application until SIGTERM or SIGINT. Raises TieoutError where it cannot listen."""
    sockets = [_listening(host, port)]
    try:
        config = configured(app, proxies)
        for ending in (signal.SIGTERM, signal.SIGINT):
            # uvicorn ends by them and then raises them again, after all is done.
            signal.signal(ending, lambda *_: None)
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        name, number = sockets[0].getsockname()[:2]
        told(f"http://{f'[{name}]' if ':' in name else name}:{number}")
        uvicorn.Server(config).run(sockets=sockets)
    finally:
        sockets[0].close()


def configured(app: Application, proxies: Sequence[str] = ()) -> uvicorn.Config:
    """How uvicorn serves it; X-Forwarded-* are believed from `proxies`."""
    return uvicorn.Config(
        app,
        http=_Bounded,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def application(
    workplace: Workplace, *, local: bool, apply: Callable[[int], int] | None = None
) -> Intake:
    """The ASGI application. `local`: only this machine can ask. Raises ConfigurationError."""
    known = receivers(workplace.settings)
    if not known:
        raise ConfigurationError(
            "no feed has an inbox", "add a feed with `inbox:`, see docs/formats.md"
        )
    metrics = Metrics()
    pages = Pages(workplace, metrics, local, os.environ.get(TOKEN) or None)
    return Intake(workplace, known, apply or _apply(workplace), pages, metrics)


def _apply(workplace: Workplace) -> Callable[[int], int]:
    def apply(most: int) -> int:
        return apply_waiting(workplace.register, workplace.settings, most)

    return apply


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[
            0
        ]
        listening = socket.socket(family, kind, number)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(1024)
    except OSError as problem:
        raise TieoutError(
            f"cannot listen at {host}:{port}: {problem.strerror}",
            "name another address or port with --host and --port",
        ) from None
    return listening


def network(text: str) -> str:
    """An address or network in its own spelling. Raises RequestError for anything wider."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        network = None
    if network is None or network.prefixlen == 0:
        raise RequestError(
            f"{text!r} is no address of a proxy", "name its address (10.0.0.5) or network"
        )
    return text
