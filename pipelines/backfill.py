"""A long range of days in parts, so that what ends it early costs one part at most.

Each part is a month, worked in single runs as `tieout run` does. The register remembers the parts
that are done; the same backfill, asked for again after it was cut off, goes on behind them, and in
the part that was cut off works only what had not been published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from pipelines.run import Progress, RunOutcome, run_range
from tieout.periods import Period, month_of
from tieout.workplace import Workplace

_NOTE = "backfill"


def backfill(
    config: Path,
    home: Path,
    first: date,
    last: date,
    *,
    reconciliation: str | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> RunOutcome:
    """Take in, reconcile and state every day from first to last, both included, month by month.

    A part in which a step failed holds up no other, and is not done: asked for again, it is worked
    again. Raises as `run_range` does.
    """
    parts = parts_of(first, last)
    key = f"{first}..{last}/{reconciliation or '*'}"
    done = _done(config, home, key)
    left = [part for part in parts if str(part) not in done]
    if done and say is not None:
        say(f"going on: {len(parts) - len(left)} of {len(parts)} parts were done before")
    outcomes = []
    for number, part in enumerate(left):
        outcome = run_range(
            config,
            home,
            part.first,
            part.last,
            reconciliation=reconciliation,
            progress=_within(progress, str(part), number, len(left)),
            say=say,
        )
        outcomes.append(outcome)
        if say is not None and len(parts) > 1:
            ended = "done" if outcome.success else "FAILED"
            nth = len(parts) - len(left) + number + 1
            say(f"{part}: {ended}, {nth} of {len(parts)} parts, {outcome.seconds:.1f} s")
        if outcome.success:
            done = [*done, str(part)]
            _remember(config, home, key, done)
    if len(done) == len(parts):
        _remember(config, home, key, [])
    return together(outcomes)


def parts_of(first: date, last: date) -> list[Period]:
    """The months of a range, the first and the last as far as they lie in it."""
    parts, start = [], first
    while start <= last:
        end = min(month_of(start).last, last)
        parts.append(Period(start, end))
        start = date.fromordinal(end.toordinal() + 1)
    return parts or [Period(first, last)]


def together(outcomes: Sequence[RunOutcome]) -> RunOutcome:
    """What became of several runs, as of one."""
    counts: Counter[str] = Counter()
    for one in outcomes:
        counts.update(one.materialized)
    return RunOutcome(
        success=all(one.success for one in outcomes),
        failed=tuple(failed for one in outcomes for failed in one.failed),
        materialized=dict(sorted(counts.items())),
        failed_checks=tuple(failed for one in outcomes for failed in one.failed_checks),
        seconds=sum(one.seconds for one in outcomes),
        run_ids=tuple(run for one in outcomes for run in one.run_ids),
        checks=sum(one.checks for one in outcomes),
        notes=tuple(note for one in outcomes for note in one.notes),
    )


def _within(progress: Progress | None, part: str, number: int, parts: int) -> Progress | None:
    """Progress of one part as progress of all; parts have about as many steps as each other."""
    if progress is None:
        return None
    told = progress

    def advance(what: str, done: int, steps: int) -> None:
        told(f"{part}: {what}", number * steps + done, parts * steps)

    return advance


def _done(config: Path, home: Path, key: str) -> list[str]:
    with Workplace.open(config, home) as workplace:
        return list(workplace.register.notes(_NOTE).get(key, {}).get("done", []))


def _remember(config: Path, home: Path, key: str, done: Sequence[str]) -> None:
    with Workplace.open(config, home) as workplace:
        workplace.register.note(_NOTE, key, {"done": list(done)})
