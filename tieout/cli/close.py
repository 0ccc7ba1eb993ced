"""`tieout close`: months are prepared, approved and so locked, and reopened, with signatures."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tieout.cli.common import PERIOD, Places, examples, located, read_home, say
from tieout.cli.group import FAILED, Commands
from tieout.close import acts, status
from tieout.close.acts import NotReadyError
from tieout.close.history import Act
from tieout.close.recording import Proven
from tieout.close.signatures import sign, signer
from tieout.errors import RequestError
from tieout.periods import Period
from tieout.workplace import Workplace

_SAID: dict[Act, str] = {
    "prepare": "prepared; somebody else may approve it now",
    "approve": "approved and locked",
    "ask_reopen": "still locked; another person has to agree: `tieout close reopen`",
    "reopen": "reopened: what came since counts where it belongs after the next run",
}


@click.group(cls=Commands)
def close() -> None:
    """Close months: prepare, approve and lock, reopen.

    Who acts is proven by an SSH signature, checked against the allowed signers of the
    configuration. Approving and reopening take two persons.
    """


def _acting(command: Any) -> Any:
    for add in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option(
            "--signature",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A signature made elsewhere of what `tieout close text` prints.",
        ),
        click.option(
            "--key",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="The SSH key to sign with; a public one signs by the agent.",
        ),
        click.option("--reason", default="", help="Why; it is signed, kept and shown."),
        click.argument("month", type=PERIOD),
        click.argument("entity"),
    ):
        command = add(command)
    return command


@close.command(
    epilog=examples(
        "tieout close prepare DE01 2026-10 --key ~/.ssh/id_ed25519",
        'tieout close prepare DE01 2026-10 --key k --accept-deliveries --reason "corrected in 11"',
    )
)
@_acting
@click.option(
    "--accept-deliveries",
    is_flag=True,
    help="Sign though deliveries have breaks of their own; needs a reason.",
)
@located
def prepare(places: Places, accept_deliveries: bool, **asked: Any) -> None:
    """Freeze the statements of a month and sign them. Exit code 1 with all that stands in the way.

    Every statement has to be there and explained to zero, and every break settled or accepted.
    """
    with read_home(places) as workplace:
        _act(workplace, "prepare", _Asked(**asked), deliveries_accepted=accept_deliveries)


@close.command(epilog=examples("tieout close approve DE01 2026-10 --key ~/.ssh/id_ed25519"))
@_acting
@located
def approve(places: Places, **asked: Any) -> None:
    """Approve what another person prepared: the month is locked from then on.

    Its figures are counted again first; if they have changed since, the preparation is void.
    """
    with read_home(places) as workplace:
        _act(workplace, "approve", _Asked(**asked))


@close.command(epilog=examples('tieout close reopen DE01 2026-10 --key k --reason "wrong rate"'))
@_acting
@located
def reopen(places: Places, **asked: Any) -> None:
    """Ask to reopen a locked month, or agree to what another person asked. Needs a reason."""
    with read_home(places) as workplace:
        act = acts.act_to_reopen(workplace, asked["entity"], asked["month"])
        _act(workplace, act, _Asked(**asked))


@close.command(epilog=examples("tieout close text approve DE01 2026-10 > text"))
@click.argument("act", type=click.Choice(["prepare", "approve", "ask_reopen", "reopen"]))
@click.argument("entity")
@click.argument("month", type=PERIOD)
@click.option("--reason", default="", help="The reason as it will be given.")
@click.option("--accept-deliveries", is_flag=True, help="As it will be given.")
@located
def text(
    places: Places, act: Act, entity: str, month: Period, reason: str, accept_deliveries: bool
) -> None:
    """Print what is to be signed, to sign it elsewhere.

    `ssh-keygen -Y sign -n tieout-close -f KEY text` makes text.sig; give it with --signature.
    """
    with read_home(places) as workplace:
        what = acts.pending(
            workplace, act, entity, month, reason, deliveries_accepted=accept_deliveries
        )
    click.echo(what.text, nl=False)


@close.command("status", epilog=examples("tieout close status", "tieout close status --json"))
@click.option("--entity", help="Only this entity.")
@click.option("--verify", is_flag=True, help="Check every signature again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@located
def status_(places: Places, entity: str | None, verify: bool, as_json: bool) -> None:
    """Show each month of each entity: its state, by whom, and what was signed.

    Exit code 1 where a signature does not hold (--verify).
    """
    with read_home(places) as workplace:
        found = status.months(workplace, entity)
        proofs = status.check_proofs(workplace) if verify else None
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found], indent=2))
    else:
        for one in found:
            by = f"  {one.act} by {one.who}, {one.done_at:%Y-%m-%d %H:%M} UTC" if one.who else ""
            signed = f"  {one.package_sha256[:12]}" if one.package_sha256 else ""
            note = f"  ({one.note})" if one.note else ""
            click.echo(f"{one.entity:<8} {one.month}  {one.state:<9}{by}{signed}{note}")
    if proofs is None:
        return
    for problem in proofs.wrong:
        say(problem)
    say(f"{proofs.checked} signatures checked, {len(proofs.wrong)} of them do not hold")
    click.get_current_context().exit(FAILED if proofs.wrong else 0)


@close.command(
    epilog=examples("tieout close serve --proxy-mode 127.0.0.1", "tieout close serve --port 8430")
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8421,
    show_default=True,
    help="The port; 0 takes any that is free.",
)
@click.option(
    "--proxy-mode",
    "proxies",
    metavar="ADDRESS",
    multiple=True,
    required=True,
    help="The address of the proxy in front, which alone is answered. May be given again.",
)
@located
def serve(places: Places, host: str, port: int, proxies: tuple[str, ...]) -> None:
    """Let months be closed over HTTP, at /v1/close, behind a proxy that knows its people.

    The proxy names who asks in close.identity_header, and shows itself by the header X-Tieout-Proxy
    with the value of TIEOUT_PROXY_SECRET (at least 32 characters). /openapi.json says the rest.
    """
    from tieout.close.identity import Gate
    from tieout.close.web import Closings
    from tieout.events.server import network, run

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    with places.open() as workplace:
        gate = Gate([network(one) for one in proxies], workplace.settings.close)
        told = "closing months at {}/v1/close, for the proxy alone"
        run(Closings(workplace, gate), host, port, (), lambda at: say(told.format(at)))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options of an act say."""

    entity: str
    month: Period
    reason: str
    key: Path | None
    signature: Path | None
    as_json: bool

    def signed(self, text: str) -> str:
        """The signature of a text."""
        if (self.key is None) == (self.signature is None):
            raise RequestError("who acts?", "sign with --key, or give a --signature made elsewhere")
        if self.signature is not None:
            return self.signature.read_text(encoding="utf-8")
        assert self.key is not None
        return sign(text, self.key)


def _act(
    workplace: Workplace, act: Act, asked: _Asked, *, deliveries_accepted: bool = False
) -> None:
    entity, month = asked.entity, asked.month
    try:
        what = acts.pending(
            workplace, act, entity, month, asked.reason, deliveries_accepted=deliveries_accepted
        )
    except NotReadyError as problem:
        if asked.as_json:
            click.echo(json.dumps({"obstacles": problem.obstacles}, indent=2))
        say(problem.problem)
        click.get_current_context().exit(FAILED)
    made = asked.signed(what.text)
    allowed = workplace.settings.close.signers(workplace.settings.base)
    principal = signer(what.text, made, allowed, datetime.now(UTC))
    done = acts.RECORD[act](workplace, what, Proven(principal, "ssh", made))
    if asked.as_json:
        told = {"entity": entity, "month": str(month), "act": done.act, "who": done.who}
        click.echo(json.dumps(told | {"package_sha256": done.package_sha256}, indent=2))
    say(f"{month} of {entity}, {what.package_sha256[:12]}, by {done.who}: {_SAID[act]}.")
