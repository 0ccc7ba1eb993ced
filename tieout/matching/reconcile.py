"""One reconciliation brought up to date with the lines that are published.

Only what a change may touch is worked again: the changed lines and those newly decided upon, and
all lines joined to them by a match key, however many passes away. What is left alone stays as
published, so the result is the same as working everything at once, whatever the order of arrival.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

from tieout.engine.duck import Engine, session
from tieout.errors import TieoutError
from tieout.locks import locks
from tieout.matching import alike, passes
from tieout.matching.columns import outcomes
from tieout.matching.decided import Decided, place
from tieout.matching.inputs import (
    SIDES,
    Inputs,
    Place,
    fingerprint,
    read_inputs,
    show_lines,
    side_kinds,
    side_tables,
)
from tieout.matching.known import Moved, moved, show_known, show_locked_through
from tieout.matching.publish import Publisher
from tieout.periods import DAY_FORMAT
from tieout.rules import Reconciliation
from tieout.workplace import Workplace

Progress = Callable[[str, int, int], None]
MOST_HOPS = 100
"""Keys lead from line to line in two or three hops; more than this is a fault, not data."""


@dataclass(frozen=True)
class ReconcileReport:
    """What one run of a reconciliation did. `days` are those whose outcomes were published."""

    name: str
    days: tuple[date, ...]
    lines: int = 0
    matched: int = 0
    open: int = 0
    duplicates: int = 0
    changed_windows: int = 0
    new_decisions: int = 0


def reconcile(
    workplace: Workplace, name: str, *, run_id: str, progress: Progress | None = None
) -> ReconcileReport:
    """Match what is new, and publish the outcomes of every day that it touches.

    Does nothing when no feed has changed and nobody decided anything new. Raises FencedError when
    another run took over, and ConfigurationError for keys that the lines do not have.
    """
    reconciliation = workplace.settings.reconciliations.get(name)
    if reconciliation is None:
        known = ", ".join(workplace.settings.reconciliations)
        raise TieoutError(f"no reconciliation {name!r}", f"reconciliations are {known}")
    publisher = Publisher.start(workplace, name, fingerprint(workplace, name), run_id)
    if reconciliation.chain:
        from tieout.matching.chain import reconcile_chain

        return reconcile_chain(workplace, name, publisher)
    tables = [t for side in SIDES for t in side_tables(reconciliation, side)]
    inputs = read_inputs(workplace, tables, publisher.consumer)
    decided = Decided.read(workplace, name, inputs.consumed)
    locked = locks(workplace.register)
    new_locks = len(locked) - inputs.consumed.get(_locks(name), 0)
    if not inputs.dirty and not decided.new and not new_locks:
        return ReconcileReport(name, ())
    with session(workplace.store.root, workplace.settings.limits) as engine:
        decided.show(engine)
        _show_newly_locked(engine, workplace, name, new=new_locks > 0)
        days = _choose_lines(engine, workplace, name, inputs, moved(workplace, tables))
        _show_settled(engine, workplace, name, days)
        _match(engine, workplace, name, reconciliation, progress or _silent)
        consumed = {where: head.version for where, head in inputs.heads.items()}
        if decided.newest:
            consumed[place(name)] = decided.newest
        if locked:
            consumed[_locks(name)] = len(locked)
        totals, published = _publish(engine, workplace, name, consumed, days, publisher)
    return ReconcileReport(
        name,
        tuple(date.fromisoformat(day) for day in published),
        lines=totals["lines"],
        matched=totals["matched"],
        open=totals["open"],
        duplicates=totals["duplicate"],
        changed_windows=len(inputs.dirty),
        new_decisions=len(decided.new),
    )


def _choose_lines(
    engine: Engine, workplace: Workplace, name: str, inputs: Inputs, late: Moved
) -> list[date] | None:
    """Make views working_line and affected; the days that may change, or None for all of them."""
    show_known(engine, workplace, name, "known_line", list(inputs.heads.values()), late)
    if not inputs.consumed:
        engine.connection.view("known_line").create_view("working_line", replace=True)
        show_lines(engine, workplace, name, "dirty_line", [])
        engine.run("affected")
        return None
    dirty = inputs.dirty
    changed = [inputs.heads[place] for place in dirty] + inputs.was(workplace, dirty)
    show_lines(engine, workplace, name, "dirty_line", changed)
    for statement in ("affected", "known_link", "dirty_link", "reached"):
        engine.run(statement)
    opened = late.opened if late.places.intersection(dirty) else []
    if opened:
        _show_published(engine, workplace, name, "corrected_outcome", opened)
        engine.run("affected_corrections")
    for hop in range(MOST_HOPS):
        # Each reads the keys of all lines. What a person decided on is affected from the start.
        if engine.run("affected_grow") == 0 and hop > 0:
            break
        if engine.run("reached_grow") == 0:
            break
    else:
        raise TieoutError(
            f"keys of {name!r} still lead to further lines after {MOST_HOPS} hops",
            "a key that joins unrelated lines is too coarse; see the passes' keys",
        )
    engine.run("working_line")
    touched = engine.table("touched_days")["period"].to_list()
    return sorted({day for day in (*touched, *opened) if day is not None})


def _locks(name: str) -> Place:
    """Where the register keeps how many locks a reconciliation has worked in."""
    return f"locks/{name}", "all"


def _show_newly_locked(engine: Engine, workplace: Workplace, name: str, *, new: bool) -> None:
    """View newly_locked: all outcomes of days with something open, where a lock is new. What was
    matched in it is settled now, and takes no part any more in what is open."""
    heads = workplace.register.heads(f"outcomes/{name}") if new else {}
    days = [date.fromisoformat(day) for day, head in heads.items() if head.totals["open"]]
    _show_published(engine, workplace, name, "newly_locked", days)


def _show_settled(
    engine: Engine, workplace: Workplace, name: str, days: Sequence[date] | None
) -> None:
    """Tables locked_through, and settled: what was signed of the days, or of all."""
    show_locked_through(engine, workplace)
    locked = engine.count("locked_through") > 0
    wanted = [date.fromisoformat(day) for day in workplace.register.heads(f"outcomes/{name}")]
    shown = (wanted if days is None else days) if locked else ()
    _show_published(engine, workplace, name, "locked_outcome", shown)
    engine.run("settled")


def _show_published(
    engine: Engine, workplace: Workplace, name: str, view: str, days: Sequence[date]
) -> None:
    """A view of the outcomes of days as they are published."""
    heads = workplace.register.heads(f"outcomes/{name}", [f"{day:{DAY_FORMAT}}" for day in days])
    fine = "usage" in side_kinds(workplace, name).values()
    engine.view(view, workplace.store.paths(heads.values()), outcomes(fine))


def _match(
    engine: Engine,
    workplace: Workplace,
    name: str,
    reconciliation: Reconciliation,
    progress: Progress,
) -> None:
    rules = reconciliation.passes
    passes.prepare(engine, reconciliation, workplace.settings)
    for number, rule in enumerate(rules, 1):
        progress(f"{name}: {rule.name}", number - 1, len(rules) + 1)
        passes.run_pass(engine, number, rule, reconciliation.timing_days)
    progress(f"{name}: why not", len(rules), len(rules) + 1)
    passes.diagnose(engine, reconciliation, side_kinds(workplace, name)["source"])
    passes.prove_consumption(engine)
    progress(f"{name}: done", len(rules) + 1, len(rules) + 1)


def _publish(
    engine: Engine,
    workplace: Workplace,
    name: str,
    consumed: Mapping[Place, int],
    days: Sequence[date] | None,
    publisher: Publisher,
) -> tuple[Counter[str], list[str]]:
    """Publish every outcome of the days; counts by outcome, and the days."""
    reconciliation = workplace.settings.reconciliations[name]
    timing = reconciliation.timing_days
    schema = outcomes("usage" in side_kinds(workplace, name).values())
    table = f"outcomes/{name}"
    variance = passes.variance_class(side_kinds(workplace, name)["source"])
    if engine.count("locked_through"):
        engine.run("cleared_later")
    engine.run("fresh_outcome", first_day=timing[0], last_day=timing[1], variance=variance)
    engine.run("accept_breaks")
    around = alike.days_around(reconciliation, days or ())
    _show_published(engine, workplace, name, "near_outcome", around)
    suggested = alike.suggest(engine, reconciliation)
    if days is None:
        stale = list(workplace.register.heads(table))
        filled = engine.table("outcome_days")["period"].to_list()
        _show_published(engine, workplace, name, "prior_outcome", ())
    else:
        filled = sorted({*days, *suggested})
        stale = [f"{day:{DAY_FORMAT}}" for day in filled]
        _show_published(engine, workplace, name, "prior_outcome", filled)
    frames = chain.from_iterable(
        engine.batches("outcomes_of_day", workplace.settings.limits.batch_rows, day=day)
        for day in filled
    )
    totals = publisher.write(frames, schema, stale)
    return totals, publisher.publish(consumed)


def _silent(_label: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""
