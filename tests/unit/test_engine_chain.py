"""A chain of two reconciliations, usage -> invoice -> ledger, against the oracle."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from hypothesis import Phase, given
from hypothesis import strategies as st

from tests import reference, reference_statement, scenarios, worlds
from tests.scenarios import Pick, Row, Vocabulary, Window
from tests.worlds import World
from tieout.breaks import breaks
from tieout.model import Break
from tieout.periods import Period, month_of
from tieout.statement import statements_of

LINKS = ("billed", "booked")
CHAIN = {"chain": list(LINKS)}
DAYS = [scenarios.START + timedelta(days=n) for n in range(scenarios.DAYS + 3)]


@dataclass(frozen=True)
class Way:
    """Both links, and what all feeds deliver."""

    links: dict[str, dict[str, Any]]
    deliveries: dict[Window, list[Row]]

    @property
    def rows(self) -> list[Row]:
        """Every row delivered."""
        return [row for rows in self.deliveries.values() for row in rows]

    def text(self, prefixes: Sequence[str] = ("",)) -> str:
        """Both links and the rows of the worlds named, to read."""
        links = "\n".join(map(str, self.links.values()))
        return f"{links}\n{scenarios.text_of(self.deliveries, prefixes)}"


def way(pick: Pick, number: int) -> Way:
    """That many worlds side by side."""
    links = {
        name: scenarios.configuration(pick, pair, scenarios.SHAPES)
        for name, pair in zip(LINKS, ("usage_to_invoice", "invoice_to_ledger"), strict=True)
    }
    links["billed"]["target"]["where"] = pick([{}, {"line_type": ["usage", "charge"]}])
    links["booked"]["source"]["where"] = pick([{}, {}, {"line_type": ["usage"]}])
    links["booked"]["target"]["where"] = pick([{}, {"account_class": ["revenue", "tax"]}])
    rows = [
        row
        for world in range(number)
        for row in lines(
            pick,
            links,
            replace(scenarios.vocabulary(pick), prefix=f"w{world:03d}.", month=world),
        )
    ]
    closing = {
        window: rows
        for link in links.values()
        for window, rows in scenarios.closing(pick, link).items()
    }
    return Way(links, scenarios.delivered(rows) | closing)


def lines(pick: Pick, links: Mapping[str, Any], words: Vocabulary) -> Iterator[Row]:
    """Usage and invoice lines, and postings for most of the invoice lines."""
    found = list(scenarios.lines(pick, "usage_to_invoice", links["billed"], words))
    for row in found:
        if row["feed"] == "billing":
            for column in ("customer_ref", "invoice_ref"):
                name = pick(["K1", "K2", None])
                row[column] = name and words.prefix + name
    found += _credits(pick, found)
    kinds = {"source": "invoice", "target": "ledger"}
    pair, link = "invoice_to_ledger", links["booked"]
    postings = [
        scenarios._mirror(pick, pair, kinds, link, words, row)
        for row in found
        if row["feed"] == "billing" and pick([False, True, True])
    ]
    for number, row in enumerate(postings):
        row["line_id"] = f"{words.prefix}P{number}"
    yield from found
    yield from ({name: value for name, value in row.items() if name != "side"} for row in postings)


def _credits(pick: Pick, found: Sequence[Row]) -> list[Row]:
    """Credits of some invoice lines, in full or in part, with an invoice of a day or two later."""
    found_credits = []
    for number, row in enumerate(found):
        if row["feed"] == "billing" and pick([False, False, True]):
            amount = -row["amount"] / pick([1, 1, 1, 2])
            day = row["period"] + timedelta(days=pick([0, 1, 2]))
            own = {"amount": amount, "line_type": "credit", "window": str(day), "period": day}
            own |= {"line_id": f"{row['line_id']}C{number}", "received_on": day}
            found_credits.append(row | own)
    return found_credits


def expected_of(way: Way) -> list[dict[str, Any]]:
    first, second = (reference.reconcile(way.links[name], worlds.FEEDS, way.rows) for name in LINKS)
    invoices = [row for row in way.rows if row["feed"] == "billing"]
    timing = way.links["billed"]["timing_days"]
    return reference_statement.chain(first, second, invoices, timing[1])


def follow(world: World, run: str) -> None:
    for name in (*LINKS, "chain"):
        world.reconcile(name, run_id=run)


@worlds.examples(3, phases=[Phase.generate])
@given(st.integers(min_value=0, max_value=2**32))
def test_every_line_of_a_chain_shares_the_fate_of_what_it_was_matched_with(seed: int) -> None:
    pick = random.Random(seed).choice
    told = way(pick, 40)
    expected = expected_of(told)
    with worlds.world({**told.links, "chain": CHAIN}) as world:
        world.deliver(told.deliveries)
        follow(world, "run")
        worlds.assert_same(world.outcomes("chain"), expected, told)
        periods = [Period(day, day) for day in DAYS]
        made = statements_of(world.workplace, "chain", periods)
        months = sorted({month_of(row["period"]) for row in told.rows})
        broken = [b for month in months for b in breaks(world.workplace, "chain", month)]
    through = through_of(told)
    assert_broken_links_are_told(broken, expected, through["target"])
    for period, found in made.items():
        wanted = reference_statement.statements(expected, period.first, period.last, through)
        assert {(s.entity, s.currency, s.side) for s in found} == set(wanted)
        for one in found:
            rows = {name: (f.count, f.amount) for name, f in one.rows.items()}
            assert rows == wanted[one.entity, one.currency, one.side]["rows"], (period, one)
            items = {name: (f.count, f.amount) for name, f in one.open_items.items()}
            assert items == wanted[one.entity, one.currency, one.side]["open_items"], (period, one)


def assert_broken_links_are_told(
    broken: Sequence[Break], expected: Sequence[Mapping[str, Any]], through: date
) -> None:
    """Each by name: the line, what it was matched with, and why that is no end."""
    due = [one for one in expected if one["outcome"] == "open" and one["due_on"] <= through]
    assert [(b.line_id, b.break_class) for b in broken] == [
        (one["line_id"], one["break_class"]) for one in due
    ]
    for one in broken:
        said = [one.ref, one.feed, one.currency, str(one.period), one.counterpart or ""]
        assert all(str(word) in one.explanation for word in said), one
        assert "None" not in one.explanation, one


def through_of(told: Way) -> dict[str, Any]:
    """Usage as far as it has come; the other end as far as both billing and ledger have."""
    windows: dict[str, list[str]] = {}
    for feed, window in told.deliveries:
        windows.setdefault(feed, []).append(window)
    billing, erp = (told.links["booked"][side]["feeds"] for side in ("source", "target"))
    source, *others = (
        reference_statement.delivered_through(windows, feeds) for feeds in (["meter"], billing, erp)
    )
    return {"source": source, "target": min(others)}


@worlds.examples(1, phases=[Phase.generate])
@given(st.integers(min_value=0, max_value=2**32))
def test_a_chain_followed_step_by_step_is_the_chain_followed_once(seed: int) -> None:
    pick = random.Random(seed).choice
    told = way(pick, 20)
    once, stepped = (
        chained(told, steps) for steps in ([told.deliveries], in_steps(pick, told.deliveries))
    )
    worlds.assert_same(stepped[1], once[1], told)
    assert stepped == once, "equal outcomes in other bytes"


def chained(told: Way, steps: Sequence[Mapping[Window, Sequence[Row]]]) -> Any:
    with worlds.world({**told.links, "chain": CHAIN}) as world:
        for number, step in enumerate(steps):
            world.deliver(step)
            follow(world, f"run-{number}")
        assert world.reconcile("chain").days == ()
        return world.files("chain"), world.outcomes("chain")


def in_steps(pick: Pick, deliveries: dict[Window, list[Row]]) -> list[dict[Window, list[Row]]]:
    """Three portions; a part of the first one comes without its last lines at first."""
    steps: list[dict[Window, list[Row]]] = [{}, {}, {}]
    for window, rows in deliveries.items():
        pick(steps)[window] = rows
    early = {window: rows[:-1] for step in steps for window, rows in step.items() if pick([0, 1])}
    return [early, *steps]
