"""`tieout diff`: what changed in a statement between two of its versions, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from tieout.changes.diff import diff as compared
from tieout.changes.versions import Version, numbered, versions
from tieout.cli.common import (
    MOMENT,
    PERIOD,
    Places,
    examples,
    located,
    pick,
    read_home,
    say,
    write,
)
from tieout.cli.group import FAILED
from tieout.errors import RequestError
from tieout.known import heading
from tieout.periods import Period
from tieout.render import changes as rendering


@click.command(
    epilog=examples(
        "tieout diff settlement_to_ledger --period 2026-10",
        "tieout diff settlement_to_ledger --period 2026-10-15 --from-version 1 --to-version 3",
        "tieout diff settlement_to_ledger --period 2026-10 --from-known-at 2026-11-05",
        "tieout diff settlement_to_ledger --period 2026-10 --list",
    )
)
@click.argument("name")
@click.option("--period", type=PERIOD, required=True, help="A month (2026-10) or a day.")
@click.option("--from-version", "first", type=click.IntRange(1), help="[default: the one before]")
@click.option("--to-version", "last", type=click.IntRange(1), help="[default: the last one]")
@click.option(
    "--from-known-at", "since", type=MOMENT, help="In place of a version: what was known."
)
@click.option("--to-known-at", "until", type=MOMENT, help="The same for the later state.")
@click.option("--list", "listed", is_flag=True, help="List the versions and compare nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (--list: an array).")
@located
def diff(
    places: Places,
    name: str,
    period: Period,
    listed: bool,
    as_json: bool,
    **states: int | datetime | None,
) -> None:
    """Say what changed in the statements of NAME between two versions, and why.

    A day has the versions that were published of it, a month one for each moment at which any of
    its days was. Listed are the rows that differ, then the lines that came, went, changed or fared
    otherwise, each with its cause. Exit code 1 where the lines do not add up to the rows.
    """
    with read_home(places) as workplace:
        pick(name, workplace.settings.reconciliations, "reconciliation")
        found = versions(workplace, name, period)
        if listed:
            _list(name, period, found, as_json=as_json)
            return
        before, after = _states(found, states, f"{name}, {period}")
        if before.moment > after.moment:
            raise RequestError(f"{before} is later than {after}", "turn them round")
        one = compared(workplace, name, period, before, after)
        if (then := heading(workplace.known_at(before.moment), [name])) and "changed" in then:
            say(then)
    if as_json:
        write(json.dumps(one.as_json(), indent=2, ensure_ascii=False) + "\n", None)
    else:
        write(rendering.text(one), None)
    if not one.holds:
        say("The changed lines do not add up to the changed rows: see `unexplained`.")
        click.get_current_context().exit(FAILED)


def _states(
    found: list[Version], asked: Mapping[str, int | datetime | None], what: str
) -> tuple[Version, Version]:
    """The two states asked for by number or moment: the last version, against the one before."""
    after = _state(found, asked["last"], asked["until"], what)
    if asked["first"] is None and asked["since"] is None:
        if after.number is None:
            raise RequestError("there is no state to compare with", "add --from-known-at")
        return numbered(found, after.number - 1, what), after
    return _state(found, asked["first"], asked["since"], what), after


def _state(found: list[Version], number: Any, moment: Any, what: str) -> Version:
    if number is not None and moment is not None:
        raise RequestError("a version and a moment are given for the same state", "give one")
    return Version(None, moment) if moment is not None else numbered(found, number, what)


def _list(name: str, period: Period, found: list[Version], *, as_json: bool) -> None:
    if as_json:
        write(json.dumps([one.as_json() for one in found], indent=2) + "\n", None)
    elif found:
        write(rendering.versions_text(name, period, found), None)
    else:
        say(f"{name} has not been published for {period} yet.")
