"""Numbers that go up by one from extract to extract (Adyen's batches) or from event to event: which
are missing in between.

A gap belongs to the window of the extract after it. Extracts arrive in any order, so gaps are told
from all that is published, and the deliveries of a window are published again when its gaps have
changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from tieout.lines.columns import DELIVERIES
from tieout.lines.deliveries import sequence_gap
from tieout.lines.delivery import Delivery, Source
from tieout.periods import window_day
from tieout.register.records import NewPublication, Publication
from tieout.workplace import Workplace

Numbers = Mapping[str, Mapping[str, list[list[object]]]]
"""Window -> account -> [number, entity], or [first, last, entity of the first] for many."""


@dataclass(frozen=True)
class Gap:
    """Numbers `first` to `last` of an account are not there; the next one is `before`."""

    account: str
    entity: str
    first: int
    last: int

    def as_json(self) -> list[object]:
        """The gap as it is kept with the publication."""
        return [self.account, self.entity, self.first, self.last]


def gaps(numbers: Numbers) -> dict[str, list[Gap]]:
    """Gaps by window; the lowest number of an account is where it begins."""
    ranges: dict[str, list[tuple[int, int, str, str]]] = {}
    for window, accounts in numbers.items():
        for account, seen in accounts.items():
            ranges.setdefault(account, []).extend(
                (int(str(one[0])), int(str(one[-2])), window, str(one[-1])) for one in seen
            )
    found: dict[str, list[Gap]] = {}
    for account in sorted(ranges):
        before = reach = ends = None
        for first, last, window, entity in sorted(ranges[account]):
            if first != before:
                # Of several extracts with one number, each has the gap before it.
                before, reach = first, ends
            if reach is not None and reach < first - 1:
                found.setdefault(window, []).append(Gap(account, entity, reach + 1, first - 1))
            ends = last if ends is None else max(ends, last)
    return found


def republish(workplace: Workplace, feed: str, *, run_id: str) -> dict[str, list[Delivery]]:
    """Publish deliveries again where gaps have opened or closed; all gaps there are, by window."""
    register = workplace.register
    numbers = {
        window: head.totals["numbers"]
        for window, head in register.heads(f"lines/{feed}").items()
        if head.totals.get("numbers")
    }
    there = gaps(numbers)
    heads = register.heads(f"deliveries/{feed}")
    changed = {
        window: head
        for window, head in heads.items()
        if head.totals.get("gaps", []) != [g.as_json() for g in there.get(window, [])]
    }
    if changed:
        table = f"deliveries/{feed}"
        epochs = register.take_epochs(table, list(changed), run_id)
        new = [_with_gaps(workplace, feed, head, there.get(w, [])) for w, head in changed.items()]
        register.publish(new, {(table, w): e for w, e in epochs.items()}, run_id=run_id)
    return {w: [_delivery(feed, w, g) for g in found] for w, found in there.items()}


def _with_gaps(
    workplace: Workplace, feed: str, head: Publication, found: list[Gap]
) -> NewPublication:
    frame = pl.read_parquet(workplace.store.paths([head])).filter(pl.col("check") != "sequence")
    rows = [_delivery(feed, head.partition, gap) for gap in found]
    frame = pl.concat([frame, pl.DataFrame(rows, schema=DELIVERIES)])
    file = workplace.store.write(head.table, head.partition, frame)
    totals = {**head.totals, "gaps": [g.as_json() for g in found]}
    return NewPublication(head.table, head.partition, (file,), frame.height, totals)


def _delivery(feed: str, window: str, gap: Gap) -> Delivery:
    source = Source(feed, window_day(window), None, None)
    return sequence_gap(source, gap.account, gap.entity, gap.first, gap.last)
