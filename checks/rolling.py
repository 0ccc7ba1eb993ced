"""Open items roll forward: nothing open appears or vanishes between one day and the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from checks.findings import Finding, Findings
from checks.stated import NEVER, Statement, named, published, read_figure, told_figure
from tieout.model import Figure
from tieout.periods import DAY_FORMAT
from tieout.workplace import Workplace

_Key = tuple[str, str, str]
"""Side, entity, currency."""


def roll_forward(workplace: Workplace, name: str, days: Sequence[str]) -> Findings:
    """Each day's opening against the closing of the day before, by side, entity and currency."""
    before = {day: f"{date.fromisoformat(day) - timedelta(days=1):{DAY_FORMAT}}" for day in days}
    found = published(workplace, name, sorted({*days, *before.values()}))
    first = f"{workplace.settings.calendar.start:{DAY_FORMAT}}"
    return {day: _of_day(found[day], found[before[day]], first=day == first) for day in days}


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


def _key(one: Statement) -> _Key:
    return one["side"], one["entity"], one["currency"]
