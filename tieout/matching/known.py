"""The lines that a reconciliation knows, each in the day where it counts.

Nothing changes in a locked month. Where the extracts of a locked month have changed since, or more
came, its lines stay as they were signed; what differs now counts in the first month that was open
then: a line that came too late as it is, a changed amount as the difference, anything else that
changed or went as its reversal and, where there is one, its replacement. What stands in a month
together with all corrections of it is always what is known now.

A window that is the same in every lock and now is read once, as ever. The others are read in each
state they were in when a month was locked; equal states are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

from tieout.engine.duck import Engine
from tieout.lines.columns import DELIVERIES, QUARANTINE
from tieout.locks import Lock, locks
from tieout.matching.inputs import SIDES, Place, show_lines, side_of, side_tables
from tieout.model import ALL_ENTITIES
from tieout.periods import DAY_FORMAT
from tieout.register.records import Publication
from tieout.workplace import Workplace

Stage = Literal["lines", "duplicates", "quarantine", "deliveries"]
_STEP = {
    "entity": pl.String(),
    "step": pl.Int32(),
    "state": pl.Int32(),
    "first_day": pl.Date(),
    "last_day": pl.Date(),
    "opens_on": pl.Date(),
}
_THROUGH = {"entity": pl.String(), "last_day": pl.Date()}


@dataclass(frozen=True)
class Moved:
    """Windows of some tables that are not, or not in all locks, what they are now.

    `states`: the publications of these windows in each state that a lock knows, the last one as
    they are now. `steps`: a row for each locked month of an entity in order, and one for all that
    is open (columns of `_STEP`): its lines are those of `state`; what came too late for the steps
    before it counts on `opens_on`.
    """

    places: frozenset[Place]
    states: tuple[tuple[Publication, ...], ...]
    steps: pl.DataFrame

    @property
    def opened(self) -> list[date]:
        """The days on which what came too late counts."""
        return sorted(set(self.steps.filter(pl.col("step") > 1)["opens_on"].to_list()))

    def still(self, heads: Iterable[Publication]) -> list[Publication]:
        """Those of publications whose windows never moved."""
        return [head for head in heads if (head.table, head.partition) not in self.places]


def moved(workplace: Workplace, tables: Iterable[str]) -> Moved:
    """What has moved in tables since months were locked; nothing where none is."""
    held = locks(workplace.register)
    if not held:
        return Moved(frozenset(), (), pl.DataFrame(schema=_STEP))
    tables = sorted(set(tables))
    heads = {
        (table, key): head
        for table in tables
        for key, head in workplace.register.heads(table).items()
    }
    # The versions at each lock, in the order of `held`, and now.
    versions = [_of_tables(lock.versions, tables) for lock in held]
    versions.append({place: head.version for place, head in heads.items()})
    ever = {place for known in versions for place in known}
    unlike = [place for place in ever if len({v.get(place, 0) for v in versions}) > 1]
    published = _publications(workplace, versions, unlike, heads)
    turns = _turns(held)
    places = frozenset(p for p in unlike if _moves(p, versions, turns, published))
    numbers: list[int] = []
    states: list[tuple[Publication, ...]] = []
    for known in versions:
        state = tuple(published[p, known[p]] for p in sorted(places) if known.get(p))
        if state not in states:
            states.append(state)
        numbers.append(states.index(state))
    return Moved(places, tuple(states), _steps(workplace, held, numbers))


def show_known(
    engine: Engine,
    workplace: Workplace,
    name: str,
    view: str,
    heads: Sequence[Publication],
    what: Moved,
) -> None:
    """Make view known_line or so: the lines of `heads` and of what has moved, with `counted_on`.

    `heads` are publications of lines of both sides as they are now; those that moved may be among
    them or not.
    """
    if not what.places:
        show_lines(engine, workplace, name, view, heads)
        return
    show_lines(engine, workplace, name, "still_line", what.still(heads))
    engine.frame("lock_step", what.steps)
    for number, publications in enumerate(what.states):
        show_lines(engine, workplace, name, "one_state", publications)
        engine.run("state_line_first" if number == 0 else "state_line_next", state=number)
    engine.run("shifted_line")
    still, shifted = engine.connection.view("still_line"), engine.connection.table("shifted_line")
    still.union(shifted.select(*map(_quoted, still.columns))).create_view(view, replace=True)


def show_late_figures(engine: Engine, workplace: Workplace, name: str, what: Moved) -> None:
    """Make table late_figure: what was refused, removed and not delivered of windows that moved.

    Grain: a row of one step, or one by which a later state of a window differs.
    """
    engine.run("state_figure")
    for number, publications in enumerate(what.states):
        duplicates = [p for p in publications if p.table.startswith("duplicates/")]
        show_lines(engine, workplace, name, "removed_line", duplicates, "duplicates")
        make_refused(engine, workplace, name, publications)
        engine.run("state_figure_next", state=number)
    engine.frame("lock_step", what.steps)
    engine.run("late_figure")


def make_refused(
    engine: Engine, workplace: Workplace, name: str, publications: Sequence[Publication]
) -> None:
    """Tables refused_row and undelivered of some publications."""
    reconciliation = workplace.settings.reconciliations[name]
    signs = {f"{side}_sign": side_of(reconciliation, side).sign for side in SIDES}
    show_refused(engine, workplace, name, publications)
    engine.run("refused_row", **signs)
    engine.run("undelivered", **signs)


def show_refused(
    engine: Engine, workplace: Workplace, name: str, publications: Sequence[Publication]
) -> None:
    """Views source_quarantine, target_quarantine, source_delivery and target_delivery."""
    reconciliation = workplace.settings.reconciliations[name]
    shown: tuple[tuple[Stage, str], ...] = (
        ("quarantine", "quarantine"),
        ("deliveries", "delivery"),
    )
    for stage, view in shown:
        for side in SIDES:
            tables = set(side_tables(reconciliation, side, stage))
            paths = workplace.store.paths(p for p in publications if p.table in tables)
            schema = QUARANTINE if stage == "quarantine" else DELIVERIES
            engine.view(f"{side}_{view}", paths, schema)


def show_locked_through(engine: Engine, workplace: Workplace) -> None:
    """Table locked_through: entity, last_day; the last locked day of each entity that has one."""
    last = {lock.entity: lock.month.last for lock in locks(workplace.register)}
    frame = pl.DataFrame(sorted(last.items()), schema=_THROUGH, orient="row")
    engine.frame("locked_through", frame)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _of_tables(versions: Mapping[Place, int], tables: Iterable[str]) -> dict[Place, int]:
    wanted = {*tables}
    return {place: version for place, version in versions.items() if place[0] in wanted}


def _publications(
    workplace: Workplace,
    versions: Sequence[Mapping[Place, int]],
    places: Sequence[Place],
    heads: Mapping[Place, Publication],
) -> dict[tuple[Place, int], Publication]:
    """What was published in the versions that some places had."""
    found = {(p, heads[p].version): heads[p] for p in places if p in heads}
    for known in versions:
        lacking = {p: known[p] for p in places if p in known and (p, known[p]) not in found}
        for one in workplace.register.versions(lacking):
            found[(one.table, one.partition), one.version] = one
    return found


def _turns(held: Sequence[Lock]) -> list[tuple[int, int, date]]:
    """Consecutive locks of an entity, the last one and now: their positions, and the last day of
    the earlier one."""
    found = []
    for number, lock in enumerate(held):
        following = number + 1 < len(held) and held[number + 1].entity == lock.entity
        found.append((number, number + 1 if following else len(held), lock.month.last))
    return found


def _moves(
    place: Place,
    versions: Sequence[Mapping[Place, int]],
    turns: Sequence[tuple[int, int, date]],
    published: Mapping[tuple[Place, int], Publication],
) -> bool:
    """Whether a window has changed after a lock of days that its rows may count in."""
    for old, new, last_day in turns:
        before, after = versions[old].get(place, 0), versions[new].get(place, 0)
        if before == after:
            continue
        some = [published[place, version] for version in (before, after) if version]
        begins = [one.totals.get("first_period") for one in some if one.rows or one.totals]
        if any(begin is None or begin <= f"{last_day:{DAY_FORMAT}}" for begin in begins):
            return True
    return False


def _steps(workplace: Workplace, held: Sequence[Lock], numbers: Sequence[int]) -> pl.DataFrame:
    """The steps of every entity; one that has no lock has a single step without an end."""
    rows: list[tuple[str, int, int, date, date, date]] = []
    for entity in (*workplace.settings.entities, ALL_ENTITIES):
        begins, opens, step = date.min, date.min, 1
        for number, lock in enumerate(held):
            if lock.entity == entity:
                rows.append((entity, step, numbers[number], begins, lock.month.last, opens))
                begins = opens = lock.next_day
                step += 1
        rows.append((entity, step, numbers[-1], begins, date.max, opens))
    return pl.DataFrame(rows, schema=_STEP, orient="row")
