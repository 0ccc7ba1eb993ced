"""What stands in the way of closing a month, each with what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

from tieout.close.package import breaks_of
from tieout.close.status import following
from tieout.locks import locks
from tieout.matching import decided
from tieout.matching.inputs import SIDES, side_tables
from tieout.model import DELIVERY_CLASSES
from tieout.periods import DAY_FORMAT, Period, month_of
from tieout.render.layout import count_of
from tieout.stale import feeds_of
from tieout.statement import fingerprint, statements_of
from tieout.statement_inputs import delivered_through
from tieout.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that stands in the way; `code` is for programs."""

    code: str
    problem: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        """The obstacle as one JSON object."""
        return asdict(self)


def obstacles(
    workplace: Workplace, entity: str, month: Period, *, deliveries_accepted: bool
) -> list[Obstacle]:
    """Everything that stands in the way of preparing a month; nothing where it can be signed."""
    found = [*_calendar(workplace, entity, month)]
    if found:
        return found
    for name in workplace.settings.reconciliations:
        found += _of_reconciliation(workplace, name, entity, month, deliveries_accepted)
    return found


def _calendar(workplace: Workplace, entity: str, month: Period) -> Iterator[Obstacle]:
    first = month_of(workplace.settings.calendar.start)
    if month < first:
        yield Obstacle("before_calendar", f"{month} is before the calendar", f"close {first}")
        return
    if datetime.now(UTC).date() <= month.last:
        yield Obstacle("not_over", f"{month} is not over", "close it when it is")
    held = {lock.month for lock in locks(workplace.register) if lock.entity == entity}
    if month in held:
        yield Obstacle("locked", f"{month} of {entity} is locked", "reopen it first")
    while first < month:
        if first not in held:
            yield Obstacle(
                "earlier_month_open",
                f"{first} of {entity} is not locked",
                f"close it first: `tieout close prepare {entity} {first}`",
            )
        first = following(first)


def _of_reconciliation(
    workplace: Workplace, name: str, entity: str, month: Period, deliveries_accepted: bool
) -> Iterator[Obstacle]:
    run = f"`tieout run --from {month.first} --to {month.last}`"
    through = delivered_through(workplace, name)
    for side, day in (("source", through.source), ("target", through.target)):
        if day < month.last:
            told = "nothing" if day == date.min else f"only through {day}"
            yield Obstacle(
                "not_delivered",
                f"{name}: the {side} side has delivered {told}",
                f"wait for the extracts of {', '.join(feeds_of(workplace.settings, name))}, "
                f"then {run}",
            )
    if _waits(workplace, name):
        yield Obstacle("not_reconciled", f"{name}: lines or decisions are not worked in", run)
        return
    days = month.days()
    made = statements_of(workplace, name, [month, *(Period(day, day) for day in days)])
    heads = workplace.register.heads(f"statements/{name}", [f"{d:{DAY_FORMAT}}" for d in days])
    stale = [
        day
        for day in days
        if f"{day:{DAY_FORMAT}}" not in heads
        or heads[f"{day:{DAY_FORMAT}}"].totals["sha256"] != fingerprint(made[Period(day, day)])
    ]
    if stale:
        yield Obstacle(
            "not_stated", f"{name}: {count_of(len(stale), 'day')} from {stale[0]} not stated", run
        )
    for one in made[month]:
        if one.entity in (entity, "*") and not one.holds:
            yield Obstacle(
                "unexplained",
                f"{name}: {one.entity} {one.currency} {one.side} is not explained to zero",
                "this is a fault of the program: report it",
            )
    yield from _breaks(workplace, name, entity, month, deliveries_accepted)


def _breaks(
    workplace: Workplace, name: str, entity: str, month: Period, deliveries_accepted: bool
) -> Iterator[Obstacle]:
    chained = workplace.settings.reconciliations[name].chain is not None
    undecided: Counter[str] = Counter()
    deliveries: Counter[str] = Counter()
    for one in breaks_of(workplace, name, entity, month):
        if one.break_class in DELIVERY_CLASSES:
            deliveries[one.break_class] += 1
        elif one.decision is None and not chained:  # a chain's breaks are those of its links
            undecided[one.break_class] += 1
    for break_class, number in sorted(undecided.items()):
        yield Obstacle(
            "undecided",
            f"{name}: {count_of(number, 'break')} of class {break_class} not accepted",
            f"settle them, or `tieout decide breaks {name} --period {month} --entity {entity} "
            f"--class {break_class} --reason ...`",
        )
    if deliveries and not deliveries_accepted:
        told = ", ".join(f"{number:,} {one}" for one, number in sorted(deliveries.items()))
        yield Obstacle(
            "deliveries",
            f"{name}: deliveries have breaks of their own: {told}",
            "have the sender correct them, or prepare with --accept-deliveries and a reason",
        )


def _waits(workplace: Workplace, name: str) -> bool:
    """Whether a reconciliation has not yet worked in what is published or decided."""
    reconciliation = workplace.settings.reconciliations[name]
    if reconciliation.chain is not None:
        tables = [f"outcomes/{link}" for link in reconciliation.chain]
    else:
        tables = [t for side in SIDES for t in side_tables(reconciliation, side)]
    worked = workplace.register.consumed(f"reconcile.{name}")
    heads = [head for table in tables for head in workplace.register.heads(table).values()]
    if any(worked.get((one.table, one.partition)) != one.version for one in heads):
        return True
    newest = max((one.id for one in workplace.register.decisions(name)), default=0)
    return newest > worked.get(decided.place(name), 0)
