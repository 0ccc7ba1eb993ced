"""`tieout run`: a range of days through the very assets and checks that production runs."""

from __future__ import annotations

import itertools
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime

import click

from pipelines.run import FailedCheck, RunOutcome, run_range
from tieout.cli.common import DATE, Places, day, examples, located, pick, say
from tieout.cli.group import BREAKS_FOUND, FAILED
from tieout.cli.progress import progress_bar
from tieout.decisions.standing import Stated
from tieout.decisions.standing import stated as decisions_stated
from tieout.model import Figure, Statement
from tieout.periods import Period
from tieout.render import report
from tieout.render.layout import accepts_any, classes_in_order, count_of, printable
from tieout.statement import statements
from tieout.validation import validated
from tieout.workplace import Workplace

PROOFS = frozenset({"conservation", "completeness", "consumption"})
"""Checks of Tieout's own arithmetic: one that fails as an error fails the run. What the others find
(a late extract, a control total that disagrees) is a break of the data."""
_MOST_SHOWN = 20


@click.command(
    epilog=examples(
        "tieout run --from 2026-10-01 --to 2026-10-31",
        "tieout run --from 2026-10-05 --to 2026-10-05 --reconciliation settlement_to_ledger",
        "tieout run --from 2026-10-01 --to 2026-10-31 --fail-on-breaks --json",
    )
)
@click.option("--from", "first", type=DATE, required=True, help="The first day.")
@click.option("--to", "last", type=DATE, required=True, help="The last day, included.")
@click.option("--reconciliation", metavar="NAME", help="Only this one, its links and its feeds.")
@click.option("--fail-on-breaks", is_flag=True, help="Exit with 3 when there are breaks.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON object.")
@located
def run(
    places: Places,
    first: datetime,
    last: datetime,
    reconciliation: str | None,
    fail_on_breaks: bool,
    as_json: bool,
) -> None:
    """Take in, reconcile and state every day of a range.

    Only what is new or changed is worked; running a range again is safe. Exit codes: 0 done,
    1 failed (a step, or a proof that does not hold), 2 bad configuration, 3 breaks found (with
    --fail-on-breaks).
    """
    settings = validated(places.config)
    names = pick(reconciliation, settings.reconciliations, "reconciliation")
    with progress_bar("starting") as advance:
        outcome = run_range(
            places.config,
            places.home,
            day(first),
            day(last),
            reconciliation=reconciliation,
            progress=advance,
            say=say,
        )
    tell(
        places,
        names,
        (day(first), day(last)),
        outcome,
        as_json=as_json,
        fail_on_breaks=fail_on_breaks,
    )


def tell(
    places: Places,
    names: Sequence[str],
    ends: tuple[date, date],
    outcome: RunOutcome,
    *,
    as_json: bool,
    fail_on_breaks: bool = False,
) -> None:
    """Print what became of a range of days and what its statements say, and exit accordingly."""
    with places.open() as workplace:
        found = stated(workplace, names, *ends)
        void = [one for one in decisions_stated(workplace, names) if one.state == "void"]
    if as_json:
        shown = _as_json(outcome, *ends, found)
        shown["void_decisions"] = [one.as_json() for one in void]
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        click.echo(f"{_did(outcome, *ends)}\n")
        click.echo(_shown(found))
    told = (what_is_new(outcome), what_was_found(outcome), what_is_void(void), what_failed(outcome))
    for line in itertools.chain.from_iterable(told):
        say(line)
    click.get_current_context().exit(exit_code(outcome, found, fail_on_breaks=fail_on_breaks))


def stated(workplace: Workplace, names: Sequence[str], first: date, last: date) -> list[Statement]:
    """The statements of a range of days, each as of its last day."""
    period = Period(first, last)
    return [one for name in names for one in statements(workplace, name, period)]


def exit_code(outcome: RunOutcome, found: Sequence[Statement], *, fail_on_breaks: bool) -> int:
    """0 done, 1 failed, 3 breaks of lines or deliveries where that was asked for."""
    if not outcome.success or any(map(_disproves, outcome.failed_checks)):
        return FAILED
    broken = any(one.rows["breaks"].count or one.delivery for one in found)
    return BREAKS_FOUND if broken and fail_on_breaks else 0


def what_failed(outcome: RunOutcome) -> list[str]:
    """Failed steps and proofs that do not hold, a line each."""
    lines = [printable(f"failed: {one.asset}: {one.message}") for one in outcome.failed]
    proofs = [one for one in outcome.failed_checks if _disproves(one)]
    lines += [
        printable(f"does not hold: {one.check} of {one.asset} {one.partition}: {one.description}")
        for one in proofs[:_MOST_SHOWN]
    ]
    if len(proofs) > _MOST_SHOWN:
        lines.append(f"and {len(proofs) - _MOST_SHOWN} more")
    return lines


def what_was_found(outcome: RunOutcome) -> list[str]:
    """What the checks found in the deliveries: a line for each check of an asset."""
    found: dict[tuple[str, str], list[FailedCheck]] = {}
    for one in outcome.failed_checks:
        # A warning is about breaks, which the report lists with their reasons.
        if one.severity == "ERROR" and not _disproves(one):
            found.setdefault((one.asset, one.check), []).append(one)
    return [
        printable(f"{asset}: {check}: {_days(failed)}; {_brief(failed[0])}")
        for (asset, check), failed in found.items()
    ]


def what_is_new(outcome: RunOutcome) -> list[str]:
    """What the extracts have that they had not before, or lack, a line each."""
    lines = [printable(f"note: {note}") for note in outcome.notes[:_MOST_SHOWN]]
    left = len(outcome.notes) - len(lines)
    return [*lines, f"and {left} notes more"] if left else lines


def what_is_void(void: Sequence[Stated]) -> list[str]:
    """Decisions that do not hold any more, a line each."""
    lines = [
        printable(
            f"void: decision {one.decision.id} of {one.decision.new.who}"
            f" in {one.decision.new.reconciliation}: {one.why}"
        )
        for one in void[:_MOST_SHOWN]
    ]
    left = len(void) - len(lines)
    return [*lines, f"and {left} void decisions more; see `tieout decide list`"] if left else lines


def _days(failed: Sequence[FailedCheck]) -> str:
    if len(failed) == 1:
        return failed[0].partition
    return f"{count_of(len(failed), 'window')} from {failed[0].partition} to {failed[-1].partition}"


def _brief(one: FailedCheck) -> str:
    return textwrap.shorten(one.description, 160, placeholder=" ...")


def _disproves(one: FailedCheck) -> bool:
    return one.check in PROOFS and one.severity == "ERROR"


def _did(outcome: RunOutcome, first: date, last: date) -> str:
    partitions = count_of(sum(outcome.materialized.values()), "partition")
    done = "done" if outcome.success else "FAILED"
    return (
        f"{first} to {last}: {done}; {count_of(len(outcome.materialized), 'asset')},"
        f" {partitions}, {count_of(outcome.checks, 'check')}, {outcome.seconds:.1f} s"
    )


def _shown(found: Sequence[Statement]) -> str:
    """The figures and whether they hold; where there are no lines, nothing holds or fails."""
    if any(accepts_any(one) or one.rows["received"] != Figure() for one in found):
        return f"{report.totals_text(found)}\n{report.does_it_hold(found)}"
    told = "No lines are known for these days, so nothing is proven."
    classes = classes_in_order({name for one in found for name in one.delivery})
    return f"{told}\nDeliveries have breaks: {', '.join(classes)}." if classes else told


def _as_json(
    outcome: RunOutcome, first: date, last: date, found: Sequence[Statement]
) -> dict[str, object]:
    told = asdict(outcome)
    return {
        "from": first.isoformat(),
        "to": last.isoformat(),
        **told,
        "seconds": round(outcome.seconds, 1),
        "lines": report.totals(found),
        "holds": all(one.holds for one in found),
        "breaks": sum(one.rows["breaks"].count for one in found),
    }
