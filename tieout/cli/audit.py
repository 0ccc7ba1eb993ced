"""`tieout verify` and `tieout audit`: whether all is as it was recorded, and the record itself."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tieout.audit.export import export
from tieout.audit.verify import chain_head, entries, verify
from tieout.cli.common import PERIOD, Places, examples, located, read_home, say
from tieout.cli.group import FAILED, Commands
from tieout.cli.progress import progress_bar
from tieout.periods import Period
from tieout.render.layout import printable

_MOST = 50


@click.command("verify", epilog=examples("tieout verify", "tieout verify --all --head 5f1c..."))
@click.option("--all", "every_version", is_flag=True, help="Files of every version kept.")
@click.option("--head", "known_head", help="A hash written down before: it must be in the chain.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@located
def verify_(places: Places, every_version: bool, known_head: str | None, as_json: bool) -> None:
    """Verify the audit chain, every row it records, files, evidence, signatures and statements.

    Exit code 1 if anything is not as it was recorded.
    """
    with read_home(places) as workplace, progress_bar("verifying") as advance:
        found = verify(
            workplace, every_version=every_version, known_head=known_head, progress=advance
        )
    if as_json:
        told = [one.as_json() for one in found.findings]
        click.echo(json.dumps({"counts": dict(found.counts), "findings": told}, indent=2))
    else:
        for one in found.findings[:_MOST]:
            click.echo(printable(f"{one.check}: {one.what}"))
        if len(found.findings) > _MOST:
            click.echo(f"and {len(found.findings) - _MOST:,} more; --json has all")
    counts = ", ".join(f"{number:,} {what}" for what, number in found.counts.items())
    if found.findings:
        say(f"Looked at {counts}: NOT as recorded.")
        say("  -> keep the home folder as it is, and see docs/runbook.md, Verification fails")
        click.get_current_context().exit(FAILED)
    say(f"Looked at {counts}: all as recorded.")


@click.group(cls=Commands)
def audit() -> None:
    """The audit chain: what was published, decided and signed, in order."""


@audit.command("list", epilog=examples("tieout audit list --kind close_action"))
@click.option("--kind", help="Only entries of this kind.")
@click.option("--after", default=0, help="Only entries after this number.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@located
def list_(places: Places, kind: str | None, after: int, as_json: bool) -> None:
    """List entries of the chain, the oldest first."""
    with read_home(places) as workplace:
        found = entries(workplace, after=after, kind=kind)
    for one in found:
        if as_json:
            told = {"seq": one.seq, "at": one.at.isoformat(), "kind": one.kind}
            click.echo(json.dumps({**told, "body": json.loads(one.body), "sha256": one.sha256}))
        else:
            body = printable(one.body)
            shown = body if len(body) < 160 else f"{body[:157]}..."
            click.echo(f"{one.seq:>8}  {one.at:%Y-%m-%d %H:%M:%S}Z  {one.kind:<14} {shown}")


@audit.command(epilog=examples("tieout audit head"))
@located
def head(places: Places) -> None:
    """Print number and hash of the last entry, to be written down elsewhere."""
    with read_home(places) as workplace:
        click.echo("{} {}".format(*chain_head(workplace)))


@audit.command("export", epilog=examples("tieout audit export october.zip --period 2026-10"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--period", type=PERIOD, required=True, help="The month or day to export.")
@located
def export_(places: Places, file: Path, period: Period) -> None:
    """Write one archive for an auditor: statements, sign-offs, hashes, the chain, configuration.

    The same state gives the same bytes. README.txt in it says how to check it without Tieout.
    """
    with read_home(places) as workplace:
        export(workplace, period, file)
    say(f"wrote {file} ({file.stat().st_size:,} bytes)")
