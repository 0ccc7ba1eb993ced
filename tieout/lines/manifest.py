"""Control totals beside a file: `<file>.manifest.json`, as the sender wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tieout.errors import ExtractError, TieoutError
from tieout.money import exact


@dataclass(frozen=True)
class Manifest:
    """What a sender states beside the data: `<file>.manifest.json`."""

    rows: int | None
    totals: dict[str, Decimal]
    by_entity: dict[str, dict[str, Decimal]]
    sha256: str | None


def manifest(given: Mapping[str, Any], file: str) -> Manifest:
    """Read a manifest. Raises ExtractError naming the key that is wrong."""
    where = f"{file}.manifest.json"
    if "error" in given:
        raise ExtractError(str(given["error"]), "have the manifest sent again", where)
    rows = given.get("rows")
    if rows is not None and (not isinstance(rows, int) or isinstance(rows, bool) or rows < 0):
        raise ExtractError(f"rows is {rows!r}", "write a whole number", where)
    named = given.get("by_entity") or {}
    if not isinstance(named, dict):
        raise ExtractError("by_entity is no object", "write entity -> currency -> amount", where)
    return Manifest(
        rows,
        _totals(given.get("totals") or {}, where),
        {str(entity): _totals(totals, where) for entity, totals in named.items()},
        str(given["sha256"]).lower() if given.get("sha256") else None,
    )


def _totals(given: object, where: str) -> dict[str, Decimal]:
    if not isinstance(given, dict):
        raise ExtractError("totals is no object", 'write {"USD": "123.45"}', where)
    try:
        return {str(c).upper(): exact(str(a)) for c, a in given.items()}
    except TieoutError as problem:
        raise ExtractError(problem.problem, problem.remedy, where) from None
