"""`tieout intake`: takes events in over HTTP."""

from __future__ import annotations

import logging

import click

from tieout.cli.common import Places, examples, located, say


@click.command(
    epilog=examples(
        "tieout intake",
        "tieout intake --host 0.0.0.0 --proxy-mode 10.0.0.5",
    )
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8420,
    show_default=True,
    help="The port; 0 takes any that is free.",
)
@click.option(
    "--proxy-mode",
    "proxies",
    metavar="ADDRESS",
    multiple=True,
    help="The address of the proxy in front: only then may --host be one the network reaches, and "
    "X-Forwarded-* are believed from there alone. May be given again.",
)
@located
def intake(places: Places, host: str, port: int, proxies: tuple[str, ...]) -> None:
    """Take events in from senders, at /v1/events/FEED, until it is told to end.

    An event is answered with 2xx once it is durable. /healthz, /readyz and /metrics are for
    monitoring, /openapi.json says the rest.
    """
    from tieout.events.server import serve

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with places.open() as workplace:
        serve(workplace, host, port, proxies, lambda address: say(f"taking events in at {address}"))
