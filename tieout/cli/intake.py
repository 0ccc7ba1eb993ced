"""`tieout intake`: the server that senders post their events to."""

from __future__ import annotations

import ipaddress
import logging
import os

import click

from tieout.cli.common import Places, examples, located, say
from tieout.errors import ConfigurationError, RequestError

TOKEN = "TIEOUT_VIEW_TOKEN"  # noqa: S105 - the name of the variable


@click.command(
    epilog=examples(
        "tieout intake",
        "tieout intake --port 9000",
        "tieout intake --host 10.0.0.5 --proxy-mode 10.0.0.2   # behind a proxy that ends TLS",
    )
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8420, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--proxy-mode",
    metavar="ADDRESS",
    multiple=True,
    help="The proxy in front, whose word on the caller is taken; needed for any other address "
    "than loopback.",
)
@located
def intake(places: Places, host: str, port: int, proxy_mode: tuple[str, ...]) -> None:
    """Take events in at /v1/events/FEED, for every feed with an inbox.

    A request is acknowledged once its events are durable. The live state and traces are shown to
    loopback, or to who sends `Authorization: Bearer $TIEOUT_VIEW_TOKEN`.
    """
    _assert_behind_a_proxy(host, proxy_mode)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    from tieout.events.server import serve

    token = _token()
    with places.open() as workplace:
        serve(workplace, host, port, proxies=proxy_mode, token=token, listening=say)


def _assert_behind_a_proxy(host: str, proxies: tuple[str, ...]) -> None:
    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            raise RequestError(
                f"--proxy-mode {proxy!r} is no address", "name the proxy's own, such as 10.0.0.2"
            ) from None
    if host != "localhost":
        try:
            local = ipaddress.ip_address(host).is_loopback
        except ValueError:
            raise RequestError(
                f"--host {host!r} is no address", "name one of this machine"
            ) from None
        if not local and not proxies:
            raise RequestError(
                f"the intake would listen on {host}, which is not loopback, without TLS",
                "put a proxy with TLS in front and name it with --proxy-mode",
            )


def _token() -> str | None:
    token = os.environ.get(TOKEN) or None
    if token is not None and len(token) < 16:
        raise ConfigurationError(f"{TOKEN} is too short", "use 16 characters or more")
    return token
