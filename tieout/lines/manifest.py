"""Control totals beside a file: `<file>.manifest.json`, as the sender wrote them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from tieout.errors import ExtractError, TieoutError
from tieout.location import MANIFEST
from tieout.money import exact
from tieout.register.records import TakenExtract

INBOX = "inbox"
"""Key of what Tieout's own inbox says of a window, beside its control totals."""
_KEYS = ("rows", "totals", "by_entity", "sha256")


@dataclass(frozen=True)
class Manifest:
    """What a sender states beside the data: `<file>.manifest.json`."""

    rows: int | None
    totals: dict[str, Decimal]
    by_entity: dict[str, dict[str, Decimal]]
    sha256: str | None


def manifest(
    given: Mapping[str, Any], file: str, entities: Collection[str] | None = None
) -> Manifest:
    """Read a manifest. Raises ExtractError naming the key that is wrong.

    `entities`: every name by_entity may use; None takes any.
    """
    where = f"{file}{MANIFEST}"
    if "error" in given:
        raise ExtractError(str(given["error"]), "have the manifest sent again", where)
    _refuse_unknown("key", given, _KEYS, where)
    rows = given.get("rows")
    if rows is not None and (not isinstance(rows, int) or isinstance(rows, bool) or rows < 0):
        raise ExtractError(f"rows is {rows!r}", "write a whole number", where)
    named = given.get("by_entity") or {}
    if not isinstance(named, dict):
        raise ExtractError("by_entity is no object", "write entity -> currency -> amount", where)
    if entities is not None:
        _refuse_unknown("entity of by_entity", named, entities, where)
    return Manifest(
        rows,
        _totals(given.get("totals") or {}, where, "totals"),
        {str(e): _totals(totals, where, f"by_entity.{e}") for e, totals in named.items()},
        str(given["sha256"]).lower() if given.get("sha256") else None,
    )


def manifest_of_extract(
    extract: TakenExtract, entities: Collection[str] | None = None
) -> Manifest | None:
    """What its sender states beside an extract. Raises ExtractError, also where the extract is not
    the file that the manifest is about.
    """
    if extract.manifest is None:
        return None
    stated = {key: value for key, value in extract.manifest.items() if key != INBOX}
    given = manifest(stated, extract.name, entities)
    if given.sha256 not in (None, extract.sha256):
        raise ExtractError(
            f"the file's sha256 is {extract.sha256}, the manifest says {given.sha256}",
            "have both sent again; one was changed or cut off on the way",
            f"{extract.name}{MANIFEST}",
        )
    return given


def _refuse_unknown(what: str, found: Iterable[str], known: Collection[str], where: str) -> None:
    """A word that means nothing here would lose its control without a sound."""
    for word in found:
        if word not in known:
            near = get_close_matches(str(word), known, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            problem = f"unknown {what} {word!r}"
            raise ExtractError(problem, f"{hint}known are {', '.join(known)}", where)


def _totals(given: object, where: str, key: str) -> dict[str, Decimal]:
    if not isinstance(given, dict):
        raise ExtractError(f"{key} is no object", 'write {"USD": "123.45"}', where)
    return {str(c).upper(): _amount(str(c), str(a), where, key) for c, a in given.items()}


def _amount(currency: str, amount: str, where: str, key: str) -> Decimal:
    try:
        return exact(amount)
    except TieoutError as problem:
        raise ExtractError(f"{key}.{currency}: {problem.problem}", problem.remedy, where) from None
