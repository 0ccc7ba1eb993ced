"""`tieout events`: the inbox and its dead letters; read again after a fix, discarded, imported."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, TypeVar

import click

from tieout.cli.common import Places, examples, located, pick, say, user_name
from tieout.cli.eventoutput import event_facts, facts_of, print_events, row_facts
from tieout.cli.group import Commands
from tieout.errors import RequestError
from tieout.events import deadletters
from tieout.events.inbox import by_sequence
from tieout.events.schema import changes
from tieout.render.layout import count_of, printable
from tieout.workplace import Workplace

F = TypeVar("F", bound=Callable[..., Any])
_STATES = ("new", "applied", "ignored", "dead", "discarded")
_LONGEST_LINE = 1 << 20


@click.group(cls=Commands)
def events() -> None:
    """The inbox of events: what came in, and what waits for a person."""


def _json(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def _doing(command: F) -> F:
    """Add --reason and --by: what a person does is recorded with both."""

    @click.option("--reason", required=True, help="Why; it is kept and shown.")
    @click.option(
        "--by",
        "who",
        help="Who does it. Recorded as given: nothing proves who it is. [default: the user name]",
    )
    @functools.wraps(command)
    def with_who(who: str | None, **arguments: Any) -> Any:
        return command(who=who or user_name(), **arguments)

    return with_who  # type: ignore[return-value]


def _selecting(command: F) -> F:
    """Add SEQUENCE..., --all, --feed and --code: which dead letters are meant."""
    for add in (
        click.option("--code", help="Only problems with this code."),
        click.option("--feed", help="Only this feed."),
        click.option(
            "--all", "every", is_flag=True, help="All dead letters, or those of --feed and --code."
        ),
        click.argument("sequences", metavar="SEQUENCE...", type=int, nargs=-1),
    ):
        command = add(command)
    return command


@events.command("list", epilog=examples("tieout events list --feed stripe_events --state dead"))
@click.option("--feed", help="Only this feed.")
@click.option("--state", type=click.Choice(_STATES), help="Only events in this state.")
@click.option("--before", type=int, metavar="SEQUENCE", help="Older ones than this.")
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 10_000))
@_json
@located
def list_(places: Places, as_json: bool, **wanted: Any) -> None:
    """List events, the newest first."""
    with places.open() as workplace:
        _assert_feed(workplace, wanted["feed"])
        found = deadletters.listed(workplace.register, **wanted)
    print_events(found, as_json, "no event")


@events.command(epilog=examples("tieout events show 4711"))
@click.argument("sequence", type=int)
@_json
@located
def show(places: Places, sequence: int, as_json: bool) -> None:
    """Show one event: as received, as read, and what was done with it."""
    with places.open() as workplace:
        with workplace.register.reading() as connection:
            found = by_sequence(connection, [sequence])
        if not found:
            raise RequestError(f"no event {sequence}", "see `tieout events list`")
        done = deadletters.actions(workplace.register, sequence)
    told = event_facts(found[0]) | {
        "headers": dict(found[0].headers),
        "body": found[0].body.decode(errors="replace"),
        "actions": [row_facts(one) for one in done],
    }
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    for name, value in told.items():
        if name == "body":
            click.echo(f"\n{printable(str(value))}")
        elif isinstance(value, dict | list):
            click.echo(f"{name:<14} {printable(json.dumps(value))}")
        else:
            click.echo(f"{name:<14} {printable(str(value))}")


@events.command(epilog=examples("tieout events dead", "tieout events dead --code unmapped_type"))
@click.option("--feed", help="Only this feed.")
@click.option("--code", help="Only problems with this code.")
@_json
@located
def dead(places: Places, feed: str | None, code: str | None, as_json: bool) -> None:
    """List the dead letters, with what is wrong and what to do; the oldest first."""
    with places.open() as workplace:
        _assert_feed(workplace, feed)
        found = deadletters.waiting(workplace.register, feed=feed, code=code)
    print_events(found, as_json, "nothing waits in the dead letters")


@events.command(
    epilog=examples(
        'tieout events replay 4711 --reason "mapped the type"',
        'tieout events replay --all --code unknown_account --reason "added the account"',
    )
)
@_selecting
@_doing
@_json
@located
def replay(places: Places, who: str, reason: str, as_json: bool, **wanted: Any) -> None:
    """Read dead events again, by the declarations and the configuration of today.

    What is right now is applied; what is not stays in the dead letters. Exit code 1 if any stays.
    """
    with places.open() as workplace:
        chosen = _chosen(workplace, **wanted)
        done = deadletters.replay(workplace.register, workplace.settings, chosen, who, reason)
        _apply(workplace)
    still = [one for one in done if one.state == "dead"]
    if as_json:
        click.echo(json.dumps([facts_of(one) for one in done], indent=2))
    else:
        for one in still:
            click.echo(f"{one.sequence}  {one.event_id}: {(one.problem or {}).get('reason')}")
    say(f"{count_of(len(done), 'event')} read again, {len(done) - len(still)} right now.")
    if still:
        click.get_current_context().exit(1)


@events.command(
    epilog=examples(
        'tieout events discard 4711 --reason "a test of the sender"',
        'tieout events discard --code unmapped_type --reason "of no use to us"',
    )
)
@_selecting
@_doing
@_json
@located
def discard(places: Places, who: str, reason: str, as_json: bool, **wanted: Any) -> None:
    """Take events out of the dead letters for good. They stay in the inbox, with the reason."""
    with places.open() as workplace:
        chosen = _chosen(workplace, **wanted)
        done = deadletters.discard(workplace.register, chosen, who, reason)
    if as_json:
        click.echo(
            json.dumps([event_facts(one) | {"state": "discarded"} for one in done], indent=2)
        )
    say(f"{count_of(len(done), 'event')} discarded.")
    if missed := sorted(set(chosen) - {one.sequence for one in done}):
        raise RequestError(
            f"no dead letters: {', '.join(map(str, missed))}", "see `tieout events dead`"
        )


@events.command(
    "import", epilog=examples('tieout events import stripe_events missed.ndjson --reason "outage"')
)
@click.argument("feed")
@click.argument("file", type=click.File("rb"))
@_doing
@_json
@located
def import_(
    places: Places, feed: str, file: BinaryIO, who: str, reason: str, as_json: bool
) -> None:
    """Store events from a file of the sender's (NDJSON; - for stdin), as if they had been sent.

    For events that were sent while nobody listened: a sender's API gives them again. Those that are
    there already are duplicates.
    """
    with places.open() as workplace:
        _assert_feed(workplace, feed)
        counts = deadletters.import_events(
            workplace.register, workplace.settings, feed, _lines(file), who, reason
        )
        _apply(workplace)
    if as_json:
        click.echo(json.dumps(counts))
    say(f"{counts['new']:,} new, {counts['duplicate']:,} there already, "
        f"{counts['conflict']:,} with other content.")  # fmt: skip


@events.command()
@_json
@located
def conflicts(places: Places, as_json: bool) -> None:
    """List what came under a known id with other content. None of it was applied."""
    with places.open() as workplace:
        found = deadletters.conflicts(workplace.register)
    if as_json:
        told = [{**row_facts(one), "body": one["body"].decode(errors="replace")} for one in found]
        click.echo(json.dumps(told, indent=2))
        return
    for one in found:
        click.echo(
            f"{one['received_at']:%Y-%m-%d %H:%M:%S}Z  {one['feed']}  {printable(one['event_id'])}"
            f"  {one['times']}x  {printable(one['body'].decode(errors='replace'))[:120]}"
        )
    if not found:
        say("No conflicts.")


@events.command(epilog=examples("tieout events schema --days 7"))
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3660))
@click.option("--feed", help="Only this feed.")
@_json
@located
def schema(places: Places, days: int, feed: str | None, as_json: bool) -> None:
    """Report what changed in senders' schemas: types, versions, fields that came or stopped."""
    with places.open() as workplace:
        _assert_feed(workplace, feed)
        found = changes(workplace.register, days=days, feed=feed)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for one in found:
        name = f"{one['feed']}  {one['source_type']} {one['version']}".rstrip()
        click.echo(printable(f"{one['what']:<15} {name}  {one['path']}  since {one['since'][:19]}"))
    if not found:
        say("Nothing changed.")


def _chosen(
    workplace: Workplace, sequences: Sequence[int], every: bool, feed: str | None, code: str | None
) -> list[int]:
    _assert_feed(workplace, feed)
    if bool(sequences) == (every or feed is not None or code is not None):
        raise RequestError("which events?", "name their sequences, or --all, --feed or --code")
    if sequences:
        return list(sequences)
    found = deadletters.waiting(workplace.register, feed=feed, code=code, most=1_000_000)
    return [one.sequence for one in found]


def _apply(workplace: Workplace) -> None:
    """Bring what a person just stored or corrected into the live state, intake running or not."""
    from tieout.events.apply import apply_waiting

    while apply_waiting(workplace.register, workplace.settings):
        pass


def _assert_feed(workplace: Workplace, feed: str | None) -> None:
    if feed is not None:
        known = [name for name, one in workplace.settings.feeds.items() if one.inbox is not None]
        pick(feed, known, "feed with an inbox")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise RequestError("a line is larger than 1 MB", "is it NDJSON, an event a line?")
        yield line
