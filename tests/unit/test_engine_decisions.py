"""What persons decided, against the oracle: matched by hand while it holds, void when it does not.

Whatever comes first, lines or decisions, and however many runs it takes, the result is the same.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import Phase, given
from hypothesis import strategies as st

from tests import reference, scenarios, worlds
from tests.scenarios import Pick, Row, Scenario, Window
from tests.unit.test_engine_alike import careless
from tests.unit.test_engine_arrival import corrected_later, portions
from tests.worlds import World
from tieout.decisions.named import place
from tieout.decisions.standing import stated
from tieout.engine.duck import session
from tieout.matching.passes import drop_rejected
from tieout.register.decisions import DecidedLine, NewDecision
from tieout.settings import Limits

LABELS = ("fx", "fee", "rounding", "write_off", "tax")
KINDS = ("match", "match", "reject_suggestion", "reject_suggestion", "accept_break", "take_back")
SEEDS = st.integers(min_value=0, max_value=2**32)


def decisions(pick: Pick, scenario: Scenario, number: int) -> list[dict[str, Any]]:
    """Decisions about lines that are there; some about lines that overlap, changed, or left scope.

    Breaks are accepted as they stand without any decision, so that some are no longer so.
    """
    outcomes = reference.reconcile(scenario.reconciliation, worlds.FEEDS, scenario.rows)
    broken = [one for one in outcomes if one["outcome"] == "open"]
    hinted = suggested(outcomes)
    found: list[dict[str, Any]] = []
    for _ in range(number):
        kind = pick(KINDS)
        earlier = {d["id"]: d for d in found if d["kind"] != "take_back"}
        for taken in (d["takes_back"] for d in found if d["kind"] == "take_back"):
            earlier.pop(taken, None)
        made: dict[str, Any] = {"id": len(found) + 1, "kind": kind, "label": pick(LABELS)}
        if kind == "take_back" and earlier:
            back = pick(sorted(earlier))
            made |= {"takes_back": back, "lines": earlier[back]["lines"]}
        elif kind == "reject_suggestion":
            made["lines"] = [named(one) for one in pick(hinted)] if hinted else []
        elif kind == "accept_break":
            made["lines"] = [named(pick(broken))] if broken else []
        else:
            made |= {"kind": "match", "lines": chosen(pick, outcomes)}
        if made["lines"]:
            found.append(made)
    return found


def suggested(outcomes: Sequence[Row]) -> list[list[Row]]:
    """The lines of each suggested match; all worlds here give every line_id to one feed only."""
    sets: dict[Any, list[Row]] = {}
    for one in outcomes:
        if one["outcome"] == "open" and one.get("match_ref"):
            sets.setdefault((one["pass"], one["match_ref"]), []).append(one)
    return list(sets.values())


def chosen(pick: Pick, outcomes: Sequence[Row]) -> list[Row]:
    """Two to four lines, mostly of one neighbourhood, and now and then one that is not as it is."""
    if not outcomes:
        return []
    start = pick(range(len(outcomes)))
    near = outcomes[max(0, start - 4) : start + 5]
    lines = {(o["side"], o["feed"], o["line_id"]): o for o in (pick(near) for _ in range(4))}
    wrong = pick([{}, {}, {}, {}, {"amount": Decimal(7)}, {"line_id": "nobody"}])
    first, *others = (named(one) for one in lines.values())
    return [first | wrong, *others] if others else []


def named(one: Row) -> Row:
    columns = ("side", "feed", "line_id", "entity", "currency", "amount", "period")
    return {column: one[column] for column in columns} | {"break_class": one.get("break_class")}


def decide(world: World, made: Sequence[Row]) -> None:
    for one in made:
        recorded = world.workplace.register.decide(
            NewDecision(
                reconciliation="small",
                kind=one["kind"],
                lines=tuple(DecidedLine(**line) for line in one["lines"]),
                label=one["label"],
                reason="because",
                who="somebody",
                takes_back=one.get("takes_back"),
            )
        )
        assert recorded.id == one["id"]
        assert abs((datetime.now(UTC) - recorded.decided_at).total_seconds()) < 60


def at_once(scenario: Scenario, made: Sequence[Row]) -> Any:
    """Outcomes, files, and how each decision stands."""
    with worlds.world({"small": scenario.reconciliation}) as world:
        world.deliver(scenario.deliveries)
        decide(world, made)
        world.reconcile("small")
        return world.outcomes("small"), world.files("small"), standings(world)


def standings(world: World) -> list[tuple[int, str, str]]:
    return [(one.decision.id, one.state, one.why) for one in stated(world.workplace)]


def in_steps(pick: Pick, scenario: Scenario, made: Sequence[Row], steps: Sequence[Any]) -> Any:
    """Lines in portions, and decisions, always in their order, in between."""
    waiting = list(made)
    with worlds.world({"small": scenario.reconciliation}) as world:
        for number, step in enumerate(steps):
            world.deliver(step)
            if pick([False, True]):
                world.reconcile("small", run_id=f"run-{number}")
            some = pick(range(len(waiting) + 1))
            decide(world, waiting[:some])
            waiting = waiting[some:]
            world.reconcile("small", run_id=f"decided-{number}")
        for one in waiting:
            decide(world, [one])
            world.reconcile("small", run_id=f"last-{one['id']}")
        assert world.reconcile("small").days == (), "nothing was new, and still something was done"
        return world.outcomes("small"), world.files("small"), standings(world)


def assert_as_the_oracle_says(pick: Pick, scenario: Scenario, number: int) -> int:
    """How many decisions hold."""
    made = decisions(pick, scenario, number)
    expected = reference.reconcile(
        scenario.reconciliation, worlds.FEEDS, scenario.rows, decisions=made
    )
    found, _, standing = at_once(scenario, made)
    worlds.assert_same(found, expected, scenario)
    held = {one["decision"] for one in expected if one.get("decision")}
    gone = {one["takes_back"]: one["id"] for one in made if "takes_back" in one}
    kinds = {one["id"]: one["kind"] for one in made}
    assert {one for one, *_ in standing} == set(kinds)
    for one, state, why in standing:
        if one in gone:
            assert (state, f"decision {gone[one]}: because" in why) == ("taken back", True)
        elif one in held or kinds[one] in ("take_back", "reject_suggestion"):
            assert (state, why) == ("standing", "")
        else:
            assert state == "void"
            assert why
    return len(held)


@worlds.examples(4)
@given(st.data())
def test_decisions_in_a_small_world_hold_as_the_oracle_says(data: st.DataObject) -> None:
    def pick(options: Sequence[Any]) -> Any:
        return data.draw(st.sampled_from(options))

    assert_as_the_oracle_says(pick, scenarios.scenario(pick), pick(range(6)))


@worlds.examples(2, phases=[Phase.generate])
@given(SEEDS)
def test_decisions_in_many_worlds_hold_as_the_oracle_says(seed: int) -> None:
    pick = random.Random(seed).choice
    held = assert_as_the_oracle_says(pick, scenarios.crowd(pick, 120), 120)
    assert held > 10, "too few decisions hold to prove anything"


@worlds.examples(2, phases=[Phase.generate])
@given(SEEDS)
def test_what_is_rejected_is_not_suggested_again(seed: int) -> None:
    pick = random.Random(seed).choice
    scenario = careless(seed, 40)
    assert_as_the_oracle_says(pick, scenario, 40)
    hinted = suggested(reference.reconcile(scenario.reconciliation, worlds.FEEDS, scenario.rows))
    refused = [
        {"id": n, "kind": "reject_suggestion", "label": None, "lines": list(map(named, lines))}
        for n, lines in enumerate(hinted, 1)
    ]
    found = suggested(at_once(scenario, refused)[0])
    before = [{place(one) for one in lines} for lines in hinted]
    assert not [lines for lines in found if {place(one) for one in lines} in before]


@worlds.examples(2, phases=[Phase.generate])
@given(SEEDS, st.booleans())
def test_decisions_step_by_step_give_the_same_bytes(seed: int, corrections: bool) -> None:
    pick = random.Random(seed).choice
    scenario = careless(seed, 12) if pick([False, True]) else scenarios.crowd(pick, 15)
    made = decisions(pick, scenario, 25)
    steps: list[dict[Window, list[Row]]] = portions(pick, scenario.deliveries)
    if corrections:
        steps = corrected_later(pick, steps)
    stepped, once = in_steps(pick, scenario, made, steps), at_once(scenario, made)
    worlds.assert_same(stepped[0], once[0], scenario)
    assert stepped == once, "equal outcomes in other bytes"


def test_a_match_whose_lines_are_a_rejected_set_is_dropped_and_no_other(tmp_path: Path) -> None:
    taken = [(1, 1, 1), (1, 1, 2), (1, 3, 3), (1, 3, 4), (1, 5, 5), (1, 5, 6), (1, 5, 7)]
    taken += [(2, 8, 8), (2, 8, 9)]
    rejected = [
        *((1, 2, lid) for lid in (1, 2)),
        *((2, 3, lid) for lid in (3, 4, 10)),
        *((3, 2, lid) for lid in (5, 6)),
        *((4, 2, lid) for lid in (8, 9)),
        *((5, 2, lid) for lid in (2, 3)),
    ]
    with session(tmp_path, Limits(memory_mb=256)) as engine:
        ints = {"pass": pl.Int32, "match_lid": pl.Int64, "lid": pl.Int64}
        engine.frame("made", pl.DataFrame(taken, schema=ints, orient="row"))
        engine.connection.execute("CREATE TEMP TABLE taken AS FROM made")
        sets = {"decision": pl.Int64, "lines": pl.Int64, "lid": pl.Int64}
        engine.frame("rejected", pl.DataFrame(rejected, schema=sets, orient="row"))
        assert drop_rejected(engine, 1) == 2
        left = engine.connection.execute("SELECT lid FROM taken ORDER BY lid").fetchall()
    # 1 and 2 are a rejected set; 3 and 4 only part of one; 5 to 7 more than one; 8 and 9 of pass 2.
    assert [lid for (lid,) in left] == [3, 4, 5, 6, 7, 8, 9]
