"""What a reconciliation reads: published lines, and which of them are new to it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from duckdb import ColumnExpression, ConstantExpression

from tieout.engine.duck import Engine
from tieout.errors import ConfigurationError
from tieout.formats.catalogue import format_of
from tieout.lines.columns import columns
from tieout.locks import releases
from tieout.matching import sides
from tieout.matching.expected import NO_RULE, expected
from tieout.matching.rates import rates_sha256
from tieout.matching.sides import Expression
from tieout.model import SideName
from tieout.register.records import Publication
from tieout.rules import Reconciliation, Side
from tieout.settings import Kind
from tieout.workplace import Workplace

SIDES: tuple[SideName, SideName] = ("source", "target")

ENGINE_VERSION = 8
"""Raised when the meaning of a statement in sql/ changes: every reconciliation works anew."""

Place = tuple[str, str]
"""A (table, partition)."""


def side_of(reconciliation: Reconciliation, name: SideName) -> Side:
    """The source or target side of a reconciliation that is no chain."""
    side = reconciliation.source if name == "source" else reconciliation.target
    assert side is not None
    return side


def side_kinds(workplace: Workplace, name: str) -> dict[SideName, Kind]:
    """The kind of lines on each side. Raises ConfigurationError when a side mixes kinds."""
    reconciliation = workplace.settings.reconciliations[name]
    kinds: dict[SideName, Kind] = {}
    for side in SIDES:
        feeds = side_of(reconciliation, side).feeds
        found = {format_of(workplace.settings, feed).kind for feed in feeds}
        if len(found) != 1:
            raise ConfigurationError(
                f"the {side} side mixes {' and '.join(sorted(found))} lines",
                "give each kind a reconciliation of its own",
                f"reconciliations.{name}.{side}.feeds",
            )
        kinds[side] = found.pop()
    return kinds


def fingerprint(workplace: Workplace, name: str) -> str:
    """Changes whenever published outcomes of a reconciliation would no longer be the right ones.

    The sha256 of its configuration, and how many locks were given up, where any was.
    """
    reconciliation = workplace.settings.reconciliations[name]
    told = reconciliation.model_dump_json()
    if any(rule.currency == "functional" for rule in reconciliation.passes):
        told += str({code: one.currency for code, one in workplace.settings.entities.items()})
        told += rates_sha256(workplace.settings, reconciliation)
    if reconciliation.target is not None and reconciliation.target.expects is not None:
        rules = workplace.settings.fees[reconciliation.target.expects]
        told += "".join(rule.model_dump_json() for rule in rules)
    digest = hashlib.sha256(f"{ENGINE_VERSION} {told}".encode()).hexdigest()
    given_up = releases(workplace.register)
    return f"{digest} reopened {given_up}" if given_up else digest


def is_configured_alike(one: str | None, other: str | None) -> bool:
    """Whether two fingerprints are of the same configuration, whatever was reopened between."""
    return (one or "").partition(" ")[0] == (other or "").partition(" ")[0]


@dataclass(frozen=True)
class Inputs:
    """Current publications by place, and those this reconciliation has worked in before."""

    heads: dict[Place, Publication]
    consumed: dict[Place, int]

    @property
    def dirty(self) -> list[Place]:
        """Places with a version not yet worked in, in order."""
        return sorted(p for p, head in self.heads.items() if self.consumed.get(p) != head.version)

    def was(self, workplace: Workplace, places: Sequence[Place]) -> list[Publication]:
        """The publications as they were when last worked in."""
        return workplace.register.versions(
            {p: self.consumed[p] for p in places if p in self.consumed}
        )


def read_inputs(workplace: Workplace, tables: Sequence[str], consumer: str) -> Inputs:
    """Heads of the tables, and what the consumer has worked in of them."""
    heads = {
        (table, partition): head
        for table in tables
        for partition, head in workplace.register.heads(table).items()
    }
    return Inputs(heads, workplace.register.consumed(consumer))


def side_tables(reconciliation: Reconciliation, side: SideName, stage: str = "lines") -> list[str]:
    """Tables of the feeds of one side: their lines, or their quarantine, duplicates, deliveries.

    What a fee schedule expects is made from lines alone; nothing was refused or removed of it.
    """
    if side_of(reconciliation, side).expects is not None and stage != "lines":
        return []
    return [f"{stage}/{feed}" for feed in side_of(reconciliation, side).feeds]


def show_lines(
    engine: Engine,
    workplace: Workplace,
    name: str,
    view: str,
    publications: Sequence[Publication],
    stage: Literal["lines", "duplicates"] = "lines",
) -> None:
    """Make publications of both sides visible as one view in the engine's common columns."""
    reconciliation = workplace.settings.reconciliations[name]
    kinds = side_kinds(workplace, name)
    sides.check_keys(name, reconciliation, kinds)
    functional = any(rule.currency == "functional" for rule in reconciliation.passes)
    parts = []
    for side in SIDES:
        tables = set(side_tables(reconciliation, side, stage))
        paths = workplace.store.paths(p for p in publications if p.table in tables)
        keys = [
            rule.key.source if side == "source" else rule.key.target
            for rule in reconciliation.passes
        ]
        kind, own = kinds[side], side_of(reconciliation, side)
        relation = engine.relation(paths, columns(kind))
        if own.expects is not None:
            relation = expected(relation, workplace.settings.fees[own.expects])
        source, fee_rule = _beside(reconciliation, side)
        projected = sides.project(
            relation, kind, side, own, keys, source, functional=functional, fee_rule=fee_rule
        )
        parts.append(projected)
    parts[0].union(parts[1]).create_view(view, replace=True)


def _beside(
    reconciliation: Reconciliation, side: SideName
) -> tuple[Side | None, Expression | None]:
    """For `sides.project`: the source where a target shares its feeds, and what `fee_rule` is."""
    source, target = side_of(reconciliation, "source"), side_of(reconciliation, "target")
    if target.expects is not None:
        known = ConstantExpression(NO_RULE) if side == "source" else ColumnExpression("fee_rule")
        return None, known
    shared = side == "target" and {*source.feeds} & {*target.feeds}
    return (source if shared else None), None
