"""The matching passes: each consumes what it matches, in the order of the configuration.

What a pass means is in sql/pass_*.sql; here is only which statement runs, and until when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

import polars as pl

from tieout.engine.duck import Engine
from tieout.errors import TieoutError
from tieout.matching.rates import rates
from tieout.matching.search import search
from tieout.money import FINE_AMOUNT, known_currencies, minor_units
from tieout.rules import Pass, Reconciliation
from tieout.settings import Kind, Settings

MOST_ROUNDS = 10_000
"""Each round of pairing equal lines takes at least one pair; a limit on top of that proof."""

MOST_PAIRS = 250_000
"""Open lines of one key that are held against each other to find the nearest: 500 against 500."""

REPEATED, REVERSAL, BY_HAND = 0, -1, -2
"""Pass numbers of what is consumed before the first pass."""


def prepare(engine: Engine, reconciliation: Reconciliation, settings: Settings) -> None:
    """Make the tables that passes fill, from views working_line, decision_line
    and settled.

    Repeats, reversals and the matches that a person decided are set aside. Raises
    ConfigurationError for a rate table that cannot be read.
    """
    currencies = {code: entity.currency for code, entity in settings.entities.items()}
    engine.frame("half_unit", _half_units())
    engine.frame("rate", rates(settings, reconciliation))
    named = {"entity": list(currencies), "currency": list(currencies.values())}
    engine.frame("entity_currency", pl.DataFrame(named, schema=dict.fromkeys(named, pl.String)))
    engine.frame("pass_name", _pass_names(reconciliation))
    for macro in ("half_up", "half_even", "truncated", "rounding_rule", "tolerated"):
        engine.run(macro)
    engine.run("line_row")
    engine.run("line")
    engine.run("taken")
    engine.run("diagnosis")
    engine.run("searched")
    engine.run("twin")
    engine.run("repeats")
    engine.run("take_repeats")
    engine.run("take_settled")
    engine.run("take_reversals")
    _take_decisions(engine)
    engine.run("rejected")


def run_pass(engine: Engine, number: int, rule: Pass, timing: tuple[int, int]) -> None:
    """Run one pass (numbered from 1) over what is still free.

    Raises TieoutError when pairing does not come to an end within MOST_ROUNDS.
    """
    with _seen_by(engine, number, rule):
        _run(engine, number, rule, rule.days or timing)
        if rule.currency == "functional":
            engine.run("label_rates", **{"pass": number})
    if rule.result == "suggested":
        drop_rejected(engine, number)
    if sides := _one_by_one(rule):
        engine.run("note_twins", **{"pass": number, "sides": sides})


@contextmanager
def _seen_by(engine: Engine, number: int, rule: Pass) -> Iterator[None]:
    """View line as a pass sees it: most see lines as they are, some in functional amounts."""
    if rule.currency == "same" and rule.entity == "same":
        yield
        return
    functional, any_entity = rule.currency == "functional", rule.entity == "any"
    engine.run("seen_row", **{"pass": number}, functional=functional, any_entity=any_entity)
    engine.run("seen_line")
    engine.run("loose_line")
    yield
    engine.run("line")
    engine.run("loose_line")


def _run(engine: Engine, number: int, rule: Pass, days: tuple[int, int]) -> None:
    first_day, last_day = days
    window = {"pass": number, "first_day": first_day, "last_day": last_day}
    if rule.shape == "one_to_one":
        engine.run("pass_one_to_one", **window)
        engine.run("loose_line")
        engine.run("free_line", **{"pass": number}, grouped=False)
        _until_none(lambda: engine.run("pass_one_to_one_kth", **window), rule)
        allowed = _tolerance(rule, rule.tolerance.base)
        engine.run("near_pair", first_day=first_day, last_day=last_day, **allowed)
        engine.run("near_rank")
        _until_none(lambda: engine.run("take_near", **{"pass": number}), rule)
        engine.run("note_near")
        return
    engine.run("loose_line")
    engine.run("free_line", **{"pass": number}, grouped=True)
    if rule.shape == "subset_sum":
        search(engine, number, (first_day, last_day))
        return
    if rule.shape == "many_to_many":
        engine.run("pass_many_to_many", **window, **_tolerance(rule, rule.tolerance.base))
        return
    many, direction = ("source", 1) if rule.shape == "many_to_one" else ("target", -1)
    base = {many: "many", "larger": "larger"}.get(rule.tolerance.base, "single")
    engine.run(
        "pass_grouped",
        many=many,
        direction=direction,
        received_by_target=rule.received_by_target,
        **window,
        **_tolerance(rule, base),
    )


def prove_consumption(engine: Engine) -> None:
    """See that every line is in at most one match, and every match is whole.

    Raises TieoutError otherwise, before anything is published.
    """
    found = engine.table("consumed_twice")
    if found.is_empty():
        return
    told = [f"{feed} {line} is {problem}" for feed, line, problem in found.head(3).iter_rows()]
    raise TieoutError(
        f"a line may be in one match only, and {found.height:,} are not: {'; '.join(told)}",
        "nothing was published; this is a fault of the program: report it with `tieout --version`",
    )


def drop_rejected(engine: Engine, number: int) -> int:
    """Take out of a pass that only suggests what a person has rejected; how many lines that frees.

    Of a suggested match only exactly the lines that were rejected together are meant.
    """
    return engine.run("drop_rejected", **{"pass": number})


def diagnose(engine: Engine, reconciliation: Reconciliation, source_kind: Kind) -> None:
    """Give every line in scope that no pass took a break class, the finest key first.

    What a finer key explains may have kept a coarser group from its sum: groups are tried again
    without it before they are looked at as a whole.
    """
    variance = variance_class(source_kind)
    engine.run("loose_line")
    engine.run("diagnose_conflict")
    engine.run("diagnose_ambiguous")
    for number, rule in enumerate(reconciliation.passes, 1):
        if number > 1 and rule.shape != "one_to_one":
            run_pass(engine, number, rule, reconciliation.timing_days)
            engine.run("loose_line")
            engine.run("diagnose_ambiguous")
        with _seen_by(engine, number, rule):
            _diagnose_by(engine, number, rule, variance)
        if rule.currency == "functional":  # and what has no functional amount, as it is
            _diagnose_by(engine, number, rule, variance)
    for number, rule in enumerate(reconciliation.passes, 1):
        if rule.currency == "functional" and rule.shape == "one_to_one":
            with _seen_by(engine, number, rule):
                engine.run("diagnose_rates", **{"pass": number})
    engine.run("diagnose_missing")


def _take_decisions(engine: Engine) -> None:
    """Where decisions overlap, one that falls away may leave lines to a later one."""
    for _ in range(engine.count("decision_line") + 1):
        if engine.run("take_decisions") == 0:
            return


def variance_class(source_kind: Kind) -> str:
    """The class of an amount that differs: usage is rated, everything else just has an amount."""
    return "rating_variance" if source_kind == "usage" else "amount_mismatch"


def _diagnose_by(engine: Engine, number: int, rule: Pass, variance: str) -> None:
    engine.run("open_line", **{"pass": number})
    engine.run("diagnose_duplicate", **{"pass": number, "sides": _one_by_one(rule)})
    if rule.received_by_target:
        engine.run("diagnose_late_usage", **{"pass": number})
    engine.run("open_line", **{"pass": number})
    if rule.shape == "one_to_one":
        engine.run("diagnose_account", **{"pass": number})
        engine.run("crowd", most=MOST_PAIRS)
        engine.run("note_crowd")
        near = {"pass": number, "variance": variance}
        _until_none(lambda: engine.run("diagnose_near", **near), rule)
        return
    engine.run("diagnose_account_group", **{"pass": number})
    many = "target" if rule.shape == "one_to_many" else "source"
    engine.run("diagnose_near_group", **{"pass": number, "many": many, "variance": variance})


def _until_none(step: Callable[[], int], rule: Pass) -> None:
    for _ in range(MOST_ROUNDS):
        if step() == 0:
            return
    raise TieoutError(
        f"pass {rule.name!r} is still pairing equal lines after {MOST_ROUNDS} rounds",
        "give the pass a finer key: thousands of lines share key and amount",
    )


def _one_by_one(rule: Pass) -> Sequence[str]:
    """The sides whose lines a pass takes singly, so that an equal second one is a duplicate."""
    if rule.result == "suggested":
        return []
    return {
        "one_to_one": ["source", "target"],
        "many_to_one": ["target"],
        "one_to_many": ["source"],
        "many_to_many": [],
        "subset_sum": [],
    }[rule.shape]


def _tolerance(rule: Pass, base: str) -> dict[str, object]:
    tolerance = rule.tolerance
    return {
        "absolute": tolerance.absolute,
        "fraction": tolerance.percent / Decimal(100),
        "base": base,
        "both": tolerance.rule == "both",
        "label": tolerance.label,
        "across": rule.currency == "functional" and tolerance.label == "fx",
    }


def _half_units() -> pl.DataFrame:
    """Half a minor unit of every currency, and how many decimals the unit has."""
    codes = sorted(known_currencies())
    digits = [minor_units(code) for code in codes]
    halves = [Decimal(5).scaleb(-places - 1) for places in digits]
    return pl.DataFrame(
        {"currency": codes, "half": halves, "digits": digits},
        schema={"currency": pl.String, "half": FINE_AMOUNT, "digits": pl.Int32},
    )


def _pass_names(reconciliation: Reconciliation) -> pl.DataFrame:
    names = [(REPEATED, "repeated", False), (REVERSAL, "reversal", False)]
    names.append((BY_HAND, "by_hand", False))
    names += [
        (n, rule.name, rule.result == "suggested")
        for n, rule in enumerate(reconciliation.passes, 1)
    ]
    schema = {"pass": pl.Int32, "name": pl.String, "suggested": pl.Boolean}
    return pl.DataFrame(names, schema=schema, orient="row")
