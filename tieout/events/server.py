"""Runs the intake on uvicorn, until it is told to end."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

import uvicorn

from tieout.errors import RequestError
from tieout.events.app import Intake
from tieout.workplace import Workplace

_KEEP_ALIVE = 75
_MOST_CONNECTIONS = 2_000
_GRACE = 25
"""Seconds of an idle connection, connections at once, seconds that requests may take at the end."""


def serve(
    workplace: Workplace,
    host: str,
    port: int,
    *,
    proxies: Sequence[str] = (),
    token: str | None = None,
    listening: Callable[[str], None],
) -> None:
    """Listen until a signal ends it; `listening` is told the address once senders can post.

    Raises ConfigurationError for feeds of no use, RequestError where nothing can listen there.
    """
    config = uvicorn.Config(
        Intake(workplace, proxied=bool(proxies), token=token),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
        backlog=2048,
    )
    server = _Server(config, listening)
    try:
        server.run()
    except SystemExit:  # how uvicorn says that it could not begin
        raise RequestError(
            f"nothing can listen on {host}:{port}", "name another --port, or end what listens there"
        ) from None


class _Server(uvicorn.Server):
    """Says where it listens once it does: with port 0 nobody else knows."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[str], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._listening(f"Taking events in at http://{host}:{port}/v1/events/FEED")
