"""Serves the intake with uvicorn: where it listens, whom it believes, how it ends."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Sequence

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tieout.errors import ConfigurationError, RequestError, TieoutError
from tieout.events.app import Intake
from tieout.events.apply import apply_waiting
from tieout.events.metrics import Metrics
from tieout.events.pages import TOKEN, Pages, is_loopback
from tieout.events.receive import receivers
from tieout.workplace import Workplace

HEAD_SECONDS, HEAD_BYTES = 10.0, 64 << 10
"""The head of a request must be there by then, and is at most this long."""
GRACE_SECONDS = 40
MOST_CONNECTIONS = 2_000
SWITCH_SECONDS = 0.0005
"""How long a thread that computes keeps the others from it: requests come first."""


class _BoundedHead(HttpToolsProtocol):
    """uvicorn's protocol, which itself would wait for the head of a request for ever."""

    _timer: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            self._head += len(data)
        super().data_received(data)
        if self._timer is not None and self._head > HEAD_BYTES:
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._timer is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._head_is_there()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head = 0
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_is_there(self) -> None:
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
    sockets = [_listening(host, port)]
    try:
        app = application(workplace, local=is_loopback(host) and not proxies)
        config = uvicorn.Config(
            app,
            http=_BoundedHead,
            loop="uvloop",
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=[_network(one) for one in proxies],
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        name, number = sockets[0].getsockname()[:2]
        told(f"http://{f'[{name}]' if ':' in name else name}:{number}")
        uvicorn.Server(config).run(sockets=sockets)
    finally:
        sockets[0].close()


def application(workplace: Workplace, *, local: bool) -> Intake:
    """The ASGI application. `local`: only this machine can ask. Raises ConfigurationError."""
    known = receivers(workplace.settings)
    if not known:
        raise ConfigurationError(
            "no feed has an inbox", "add a feed with `inbox:`, see docs/formats.md"
        )
    metrics = Metrics()
    pages = Pages(workplace, metrics, local, os.environ.get(TOKEN) or None)
    return Intake(workplace, known, _apply(workplace), pages, metrics)


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


def _network(text: str) -> str:
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
