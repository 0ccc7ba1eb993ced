"""One answer a usage record: cycles made for an answer each, and said of every record of theirs."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import Phase, given
from hypothesis import strategies as st

from checks.statements import _adds_up
from tests import worlds
from tests.scenarios import Row, Window
from tests.worlds import World
from tieout.lookup import find
from tieout.model import ANSWERS, Figure, Statement
from tieout.periods import Period
from tieout.render import markdown, text
from tieout.statement import statements

CYCLE = date(2026, 10, 1)
DAYS = [CYCLE + timedelta(days=n) for n in range(7)]
BILLED = CYCLE + timedelta(days=7)
LINKS: dict[str, Any] = {
    "billed": {
        "source": {"feeds": ["meter"]},
        "target": {"feeds": ["billing"], "where": {"line_type": ["usage"]}},
        "timing_days": [0, 9],
        "passes": [
            {
                "name": "by_cycle",
                "shape": "many_to_one",
                "days": [0, 40],
                "key": {
                    "source": ["subscription_ref", "meter", "cycle_start"],
                    "target": ["subscription_ref", "meter", "service_start"],
                },
            },
            {
                "name": "by_line",
                "shape": "many_to_one",
                "days": [-9, 40],
                "key": {"source": ["invoice_line_ref"], "target": ["line_id"]},
            },
        ],
    },
    "booked": {
        "source": {"feeds": ["billing"]},
        "target": {"feeds": ["erp"]},
        "passes": [
            {
                "name": "by_line",
                "shape": "one_to_one",
                "key": {"source": ["line_id"], "target": ["line_ref"]},
            }
        ],
    },
    "chain": {"chain": ["billed", "booked"], "timing_days": [-1, 13]},
}
FATES = {
    "in time": "billed_and_booked",
    "not invoiced": "not_billed",
    "wrong amount": "not_billed",
    "not posted": "billed_not_booked",
    "invoiced later": "billed_late",
    "for the next cycle": "billed_late",
    "credited": "credited",
    "credited on a later invoice": "credited",
    "credited in two parts": "credited",
    "invoiced later and credited": "credited",
    "credited and not posted": "billed_not_booked",
    "credited in part": "billed_and_booked",
    "credited for another cycle": "billed_and_booked",
    "credited and billed again": "billed_and_booked",
}
"""What happens to the usage of a cycle -> the answer of each of its records."""


def cycle(name: str, fate: str) -> list[Row]:
    """Three usage records of a subscription and all that follows from them."""
    amounts = [Decimal(2), Decimal(3), Decimal(5)]
    ref = f"II-{name}"
    usage = [
        line("meter", f"{name}-{n}", DAYS[2 * n], amount, name, cycle_start=CYCLE)
        for n, amount in enumerate(amounts)
    ]
    if fate == "for the next cycle":
        usage = [u | {"cycle_start": None, "invoice_line_ref": ref} for u in usage]
    if fate == "not invoiced":
        return usage
    on = BILLED + timedelta(days=14) if fate.startswith("invoiced later") else BILLED
    starts = BILLED if fate == "for the next cycle" else CYCLE
    total = Decimal(11) if fate == "wrong amount" else sum(amounts, Decimal(0))
    bill = invoice(ref, on, total, name, service_start=starts, line_type="usage")
    found = [*usage, bill]
    if "not posted" not in fate:
        found.append(posting(ref, on, total))
    return found + credits_of(name, ref, fate, on)


def credits_of(name: str, ref: str, fate: str, on: date) -> list[Row]:
    """The credits of a cycle of 10.00, each posted; and what is billed again."""
    later = on + timedelta(days=7 if "later invoice" in fate else 0)
    parts = {
        "credited in part": [-4],
        "credited in two parts": [-4, -6],
        "credited and billed again": [-10, 10],
    }.get(fate, [-10] if "credited" in fate else [])
    starts = DAYS[1] if "another cycle" in fate else CYCLE
    found = []
    for n, part in enumerate(parts):
        kind, one = ("credit" if part < 0 else "charge"), f"{ref}-C{n}"
        amount = Decimal(part)
        found.append(invoice(one, later, amount, name, service_start=starts, line_type=kind))
        found.append(posting(one, later, amount))
    return found


def line(feed: str, line_id: str, day: date, amount: Decimal, name: str | None, **own: Any) -> Row:
    return {
        "feed": feed,
        "line_id": line_id,
        "extract_sha256": worlds.extract_sha256(feed, day),
        "row_number": 1,
        "received_on": day,
        "entity": "A",
        "currency": "USD",
        "amount": amount,
        "occurred_on": day,
        "period": day,
        **({"subscription_ref": name, "meter": "api"} if name else {}),
        **own,
    }


def invoice(line_id: str, day: date, amount: Decimal, name: str, **own: Any) -> Row:
    return line("billing", line_id, day, amount, name, invoice_ref=f"I-{line_id}", **own)


def posting(line_ref: str, day: date, amount: Decimal) -> Row:
    own = {"account": "4000", "account_class": "revenue", "journal_ref": f"J-{line_ref}"}
    return line("erp", f"P-{line_ref}", day, amount, None, line_ref=line_ref, **own)


def windows(rows: Sequence[Row]) -> dict[Window, list[Row]]:
    found: dict[Window, list[Row]] = {}
    for row in rows:
        hour = "-23:00" if row["feed"] == "meter" else ""
        found.setdefault((row["feed"], f"{row['period']}{hour}"), []).append(row)
    return {
        window: [row | {"row_number": n} for n, row in enumerate(some, 1)]
        for window, some in found.items()
    }


def follow(world: World, run: str) -> None:
    for name in LINKS:
        world.reconcile(name, run_id=run)


def answers(world: World) -> dict[str, str]:
    return {one["line_id"]: one["answer"] for one in world.outcomes("chain")}


def all_fates() -> tuple[list[Row], dict[str, str]]:
    rows = [row for n, fate in enumerate(FATES) for row in cycle(f"S{n:02}", fate)]
    wanted = {f"S{n:02}-{m}": FATES[fate] for n, fate in enumerate(FATES) for m in range(3)}
    return rows, wanted


def test_every_record_has_the_answer_that_its_cycle_was_made_for() -> None:
    rows, wanted = all_fates()
    assert set(wanted.values()) == set(ANSWERS)
    with worlds.world(LINKS) as world:
        world.deliver(windows(rows))
        follow(world, "run")
        assert answers(world) == wanted


@worlds.examples(2, phases=[Phase.generate])
@given(st.integers(min_value=0, max_value=2**32))
def test_answers_do_not_depend_on_the_order_of_arrival(seed: int) -> None:
    rng = random.Random(seed)
    rows, wanted = all_fates()
    deliveries = list(windows(rows).items())
    rng.shuffle(deliveries)
    with worlds.world(LINKS) as world:
        while deliveries:
            step, deliveries = deliveries[:5], deliveries[5:]
            early = {window: some[::2] for window, some in step if rng.random() < 0.5}
            for number, portion in enumerate((early, dict(step))):
                if portion:
                    world.deliver(portion)
                    follow(world, f"run-{len(deliveries)}-{number}")
        assert answers(world) == wanted


def test_a_record_delivered_again_has_no_second_answer() -> None:
    rows, _ = all_fates()
    again = rows[0] | {"received_on": DAYS[6], "extract_sha256": worlds.extract_sha256("again")}
    with worlds.world(LINKS) as world:
        world.deliver(windows(rows))
        world.deliver({("meter", f"{DAYS[6]}-22:00"): [again]})
        follow(world, "run")
        told = [one for one in world.outcomes("chain") if one["line_id"] == rows[0]["line_id"]]
    assert sorted((one["outcome"], one["answer"]) for one in told) == [
        ("duplicate", None),
        ("matched", "billed_and_booked"),
    ]


def test_the_statement_of_a_chain_counts_each_record_once() -> None:
    rows, wanted = all_fates()
    with worlds.world(LINKS) as world:
        world.deliver(windows(rows))
        follow(world, "run")
        (source,) = statements(world.workplace, "chain", Period(DAYS[0], DAYS[-1]))
        others = statements(world.workplace, "booked", Period(BILLED, BILLED))
    assert source.answers is not None
    assert list(source.answers) == list(ANSWERS)
    assert {name: f.count for name, f in source.answers.items()} == counts(wanted)
    assert {name: f.amount for name, f in source.answers.items()} == {
        name: Decimal(10) * count / 3 for name, count in counts(wanted).items()
    }
    assert sum(source.answers.values(), Figure()) == source.rows["accepted"]
    assert source.as_json()["answers"] == {
        name: {"count": count, "amount": f"{count // 3 * 10}.00"}
        for name, count in counts(wanted).items()
    }
    assert all(one.answers is None and "answers" not in one.as_json() for one in others)
    assert_shown(source)


def counts(wanted: Mapping[str, str]) -> dict[str, int]:
    return {name: list(wanted.values()).count(name) for name in ANSWERS}


def assert_shown(source: Statement) -> None:
    said = (
        "Of 42 accepted records 12 are billed and booked, 6 billed late, 12 credited, "
        "6 billed but not booked, 6 not billed."
    )
    for shown in (text.statements([source]), markdown.statements([source])):
        assert said in " ".join(shown.split())
        for label in ("billed and booked", "billed late", "credited", "billed but not booked"):
            assert f"answer: {label}" in shown


def test_the_check_of_a_statement_misses_an_answer() -> None:
    rows, _ = all_fates()
    with worlds.world(LINKS) as world:
        world.deliver(windows(rows))
        follow(world, "run")
        (source,) = statements(world.workplace, "chain", Period(DAYS[0], DAYS[0]))
    key = ("2026-10-01", "source", "A", "USD")
    good = json.loads(json.dumps(source.as_json()))
    assert _adds_up([good], {key: source.rows["accepted"]}).passed
    bad = json.loads(json.dumps(source.as_json()))
    bad["answers"]["not_billed"]["count"] -= 1
    found = _adds_up([bad], {key: source.rows["accepted"]})
    assert not found.passed
    assert "1 lines and 0.00 have no answer" in found.description


def test_a_record_says_its_answer_and_how_it_came_to_it() -> None:
    rows, _ = all_fates()
    with worlds.world(LINKS) as world:
        world.deliver(windows(rows))
        world.deliver({("billing", "2026-12-01"): [], ("erp", "2026-12-01"): []})
        follow(world, "run")
        told = {
            fate: next(
                outcome
                for outcome in find(world.workplace, f"S{n:02}-0").lines[0].outcomes
                if outcome.reconciliation == "chain"
            )
            for n, fate in enumerate(FATES)
        }
    assert {fate: one.answer for fate, one in told.items()} == FATES
    assert told["in time"].explanation.startswith("Billed and booked. Matched by by_line with II-")
    assert told["credited"].explanation.startswith("Billed, booked and credited since. Matched")
    assert told["invoiced later"].explanation.startswith("Billed late, and booked. Matched")
    assert told["not posted"].explanation.startswith("Billed, not booked. 2.00 USD of S03")
    assert told["not invoiced"].explanation.startswith("Not billed. 2.00 USD of S01")
