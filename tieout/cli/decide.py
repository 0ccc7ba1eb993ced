"""`tieout decide`: what a person decides about lines, and how earlier decisions stand."""

from __future__ import annotations

import functools
import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import click

from tieout.cli.common import (
    PERIOD,
    Places,
    examples,
    located,
    pick,
    read_home,
    say,
    user_name,
    write,
)
from tieout.cli.group import Commands
from tieout.decisions import making
from tieout.decisions.making import LABELS, Said
from tieout.decisions.standing import Stated, stated
from tieout.money import text_amount
from tieout.periods import Period
from tieout.register.decisions import DecidedLine, Decision
from tieout.render.layout import count_of, printable

F = TypeVar("F", bound=Callable[..., Any])
_WORDS = {
    "match": "matched by hand",
    "accept_suggestion": "suggested match accepted",
    "reject_suggestion": "suggested match rejected",
    "accept_break": "break accepted",
    "take_back": "taken back",
}
_MOST_LINES = 20


@click.group(cls=Commands)
def decide() -> None:
    """What a person decides: matches, suggestions, breaks; and takes back.

    Decisions are recorded with who, when, why and the version of the outcomes they were made on.
    The next run works them in, and so does every later one as long as they hold; `list` shows how
    each stands.
    """


def _deciding(command: F) -> F:
    """Add --reason, --by and --json; the command gets `said` and gives a Decision to print."""

    @click.option("--reason", required=True, help="Why; it is kept and shown.")
    @click.option(
        "--by",
        "who",
        help="Who decides. Recorded as given: nothing proves who it is. [default: the user name]",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print the decision as a JSON object.")
    @located
    @functools.wraps(command)
    def with_said(
        places: Places, reason: str, who: str | None, as_json: bool, **arguments: Any
    ) -> None:
        said = Said(who if who is not None else user_name(), reason)
        with read_home(places) as workplace:
            made: Decision = command(workplace=workplace, said=said, **arguments)
        _print(made, as_json=as_json)

    return with_said  # type: ignore[return-value]


def _residual(command: F) -> F:
    """Add --label and --account; they become part of `said`."""

    @click.option("--label", type=click.Choice(LABELS), help="What a residual is.")
    @click.option("--account", help="The ledger account that a residual belongs on.")
    @functools.wraps(command)
    def with_residual(said: Said, label: str | None, account: str | None, **arguments: Any) -> Any:
        return command(said=Said(said.who, said.reason, label, account), **arguments)

    return with_residual  # type: ignore[return-value]


_one_reconciliation = click.option(
    "--reconciliation", "name", metavar="NAME", help="Where the line takes part in several."
)


@decide.command(
    epilog=examples(
        'tieout decide match settlement_to_ledger ch_7 erp:L-19 --reason "posted under the old id"',
        "tieout decide match settlement_to_ledger ch_7 L-19 --label fee --account 6999 --reason x",
    )
)
@click.argument("reconciliation")
@click.argument("lines", metavar="LINE...", nargs=-1, required=True)
@_deciding
@_residual
def match(workplace: Any, said: Said, reconciliation: str, lines: Sequence[str]) -> Decision:
    """Match lines by hand: LINE is a line_id, or feed:line_id.

    The lines are of one entity and one currency. Their amounts tie, or what they leave gets a label
    and an account. A match by hand goes before every pass: what a pass had matched the lines with
    is free again.
    """
    pick(reconciliation, workplace.settings.reconciliations, "reconciliation")
    return making.match(workplace, reconciliation, lines, said)


@decide.command(epilog=examples('tieout decide accept ch_7 --reason "the same invoice, mistyped"'))
@click.argument("ref")
@_one_reconciliation
@_deciding
@_residual
def accept(workplace: Any, said: Said, ref: str, name: str | None) -> Decision:
    """Accept a suggested match: REF is one of its lines, or a reference one carries."""
    return making.accept(workplace, ref, said, name)


@decide.command(epilog=examples('tieout decide reject ch_7 --reason "another customer"'))
@click.argument("ref")
@_one_reconciliation
@_deciding
def reject(workplace: Any, said: Said, ref: str, name: str | None) -> Decision:
    """Reject a suggested match; these lines together are not suggested again."""
    return making.reject(workplace, ref, said, name)


@decide.command("break", epilog=examples('tieout decide break ch_9 --reason "below 1 USD, let be"'))
@click.argument("line")
@_one_reconciliation
@_deciding
def accept_break(workplace: Any, said: Said, line: str, name: str | None) -> Decision:
    """Accept a break with a reason: LINE is a line_id, or feed:line_id.

    The line stays a break and is counted as one, and says who accepted it, as long as its amount
    and its class are what they were.
    """
    return making.accept_break(workplace, line, said, name)


@decide.command(
    "breaks",
    epilog=examples(
        "tieout decide breaks invoice_to_ledger --period 2026-10 --class tax_variance --reason ..."
    ),
)
@click.argument("name", metavar="RECONCILIATION")
@click.option("--period", type=PERIOD, required=True, help="A month (2026-10) or a day.")
@click.option("--entity", help="Only this entity.")
@click.option("--class", "break_class", help="Only breaks of this class.")
@_deciding
def accept_breaks(
    workplace: Any,
    said: Said,
    name: str,
    period: Period,
    entity: str | None,
    break_class: str | None,
) -> Decision:
    """Accept every break of a period that waits, in one decision with one reason."""
    return making.accept_breaks(
        workplace, name, period, said, entity=entity, break_class=break_class
    )


@decide.command(epilog=examples('tieout decide undo 3 --reason "the wrong posting"'))
@click.argument("decision", metavar="ID", type=click.IntRange(1))
@_deciding
def undo(workplace: Any, said: Said, decision: int) -> Decision:
    """Take a decision back; ID is its number in `tieout decide list`."""
    return making.take_back(workplace, decision, said)


@decide.command("list", epilog=examples("tieout decide list --reconciliation invoice_to_ledger"))
@click.option("--reconciliation", "name", metavar="NAME", help="Only this one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, an object a decision.")
@located
def list_decisions(places: Places, name: str | None, as_json: bool) -> None:
    """List every decision: standing, waiting for a run, void (and why), or taken back."""
    with read_home(places) as workplace:
        if name is not None:
            pick(name, workplace.settings.reconciliations, "reconciliation")
        found = stated(workplace, None if name is None else [name])
    if as_json:
        told = [one.as_json() for one in found]
        write(json.dumps(told, indent=2, ensure_ascii=False) + "\n", None)
    elif found:
        write("\n".join(line for one in found for line in _entry(one)) + "\n", None)
    else:
        say("Nobody has decided anything yet.")


def _print(made: Decision, *, as_json: bool) -> None:
    one = Stated(made, "waiting", "for the next run")
    if as_json:
        write(json.dumps(one.as_json(), indent=2, ensure_ascii=False) + "\n", None)
    else:
        write("\n".join(_entry(one)) + "\n", None)
    days = sorted(line.period for line in made.new.lines)
    say(f"  -> run `tieout run --from {days[0]} --to {days[-1]}` to work it in")


def _entry(one: Stated) -> Iterator[str]:
    new = one.decision.new
    what = _WORDS[new.kind] if new.takes_back is None else f"decision {new.takes_back} taken back"
    yield printable(f"{one.decision.id}  {new.reconciliation}  {what}  {one.state}")
    moment = f"{one.decision.decided_at:%Y-%m-%d %H:%M} UTC"
    yield from _indented(f"{new.who}, {moment}: {new.reason}")
    if one.why:
        yield from _indented(f"{one.state}: {one.why}")
    for line in new.lines[:_MOST_LINES]:
        yield from _indented(_line(line))
    if len(new.lines) > _MOST_LINES:
        yield f"    and {count_of(len(new.lines) - _MOST_LINES, 'more line')}"
    if new.residual is not None:
        currency = new.lines[0].currency
        left = f"{text_amount(new.residual, currency)} {currency}"
        yield from _indented(f"leaves {left}: {new.label}, account {new.account}")


def _line(line: DecidedLine) -> str:
    amount = f"{text_amount(line.amount, line.currency)} {line.currency}"
    facts = [line.side, line.feed, line.line_id, line.entity, amount, str(line.period)]
    return "  ".join([*facts, *([line.break_class] if line.break_class else [])])


def _indented(text: str) -> list[str]:
    return textwrap.wrap(printable(text), 100, initial_indent="    ", subsequent_indent="      ")
