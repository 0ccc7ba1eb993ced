"""Open items roll forward: nothing open appears or vanishes between one day and the next.

At the end of a month its open items are counted once more by class, line by line, from what was
open before it (as signed, where the month before is locked) to what is open at its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from checks.findings import Finding, Findings
from checks.stated import NEVER, Statement, named, published, read_figure, told_figure
from tieout.model import Figure
from tieout.periods import DAY_FORMAT, Period, month_of
from tieout.rollforward import roll_forwards
from tieout.workplace import Workplace

_Key = tuple[str, str, str]
"""Side, entity, currency."""


def roll_forward(workplace: Workplace, name: str, days: Sequence[str]) -> Findings:
    """Each day's opening against the closing of the day before, by side, entity and currency."""
    before = {day: f"{date.fromisoformat(day) - timedelta(days=1):{DAY_FORMAT}}" for day in days}
    found = published(workplace, name, sorted({*days, *before.values()}))
    first = f"{workplace.settings.calendar.start:{DAY_FORMAT}}"
    findings = {day: _of_day(found[day], found[before[day]], first=day == first) for day in days}
    for day in days:
        if findings[day].passed and (month := month_of(_on(day))).last == _on(day):
            findings[day] = _of_month(workplace, name, month, findings[day])
    return findings


def _of_month(workplace: Workplace, name: str, month: Period, so_far: Finding) -> Finding:
    """Its classes against themselves, and their sums against the statements at both its ends."""
    last = f"{month.last:{DAY_FORMAT}}"
    before = f"{month.first - timedelta(days=1):{DAY_FORMAT}}"
    stated = {
        day: {_key(one): read_figure(one["open_items"]["closing"]) for one in found or ()}
        for day, found in published(workplace, name, [before, last]).items()
    }
    wrong = []
    for one in roll_forwards(workplace, name, month):
        key = (one.side, one.entity, one.currency)
        wrong += [f"{' '.join(key)}: {of} does not add up" for of in one.unexplained]
        for day, total in ((before, one.total("opening")), (last, one.total("closing"))):
            if (was := stated[day].pop(key, Figure())) != total:
                told = f"{total.count:,} lines by class, {was.count:,} on the statement of {day}"
                wrong.append(f"{' '.join(key)}: {told}")
    for day, left in stated.items():
        lacking = [" ".join(key) for key, figure in left.items() if figure != Figure()]
        wrong += [f"{told}: open on {day}, and of no class" for told in lacking]
    said = "; ".join(wrong) or f"{so_far.description}; every class of {month} adds up"
    return Finding(not wrong, said, so_far.figures)


def _of_day(
    now: Sequence[Statement] | None, before: Sequence[Statement] | None, *, first: bool
) -> Finding:
    if now is None:
        return Finding(False, NEVER)
    wrong = [told for one in now for told in _within(one)]
    if before is None and not first:
        said = "; ".join(wrong) or "adds up; the day before is not stated"
        return Finding(not wrong, said)
    closing = {_key(one): read_figure(one["open_items"]["closing"]) for one in before or ()}
    for one in now:
        opening = read_figure(one["open_items"]["opening"])
        if opening != (was := closing.pop(_key(one), Figure())):
            off = told_figure(opening - was, one)
            wrong.append(f"{named(one)}: opening is not the closing before, by {off}")
    wrong += [f"{' '.join(key)}: {f.count:,} open, gone" for key, f in closing.items() if f.count]
    said = "; ".join(wrong) or "every opening is the closing of the day before"
    return Finding(not wrong, said, {"statements": len(now)})


def _within(one: Statement) -> Iterator[str]:
    """What does not add up in the roll-forward of one statement."""
    rolled = {name: read_figure(figure) for name, figure in one["open_items"].items()}
    off = rolled["opening"] + rolled["new"] - rolled["cleared"] - rolled["closing"]
    if off != Figure():
        yield f"{named(one)}: the roll-forward is off by {told_figure(off, one)}"
    aged = sum((read_figure(figure) for figure in one["ageing"].values()), Figure())
    if aged != rolled["closing"]:
        yield f"{named(one)}: the ages add up to {told_figure(aged, one)}"


def _on(day: str) -> date:
    return date.fromisoformat(day)


def _key(one: Statement) -> _Key:
    return one["side"], one["entity"], one["currency"]
