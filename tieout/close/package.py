"""What is signed: the statements of a month of one entity, in one text that is always the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import sqlalchemy as sa

from tieout.breaks import breaks
from tieout.locks import Place
from tieout.model import DELIVERY_CLASSES, Break
from tieout.periods import Period
from tieout.register.schema import head
from tieout.statement import statements
from tieout.workplace import Workplace

STAGES = ("lines", "duplicates", "quarantine", "deliveries", "outcomes", "statements")
"""Tables that a statement rests on."""


@dataclass(frozen=True, slots=True)
class Package:
    """`text` is canonical JSON: company, entity, month, statements (Statement.as_json, in order of
    reconciliation), breaks (of lines, each with the decision that accepts it) and deliveries that
    do not tie. No clock and no version is in it: the same figures are the same bytes.
    """

    entity: str
    month: Period
    text: str

    @property
    def sha256(self) -> str:
        """What a signature names."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def package(workplace: Workplace, entity: str, month: Period) -> Package:
    """The package of a month as it is known now."""
    names = sorted(workplace.settings.reconciliations)
    stated = [one for name in names for one in statements(workplace, name, month)]
    broken = [one for name in names for one in breaks_of(workplace, name, entity, month)]
    told = {
        "company": workplace.settings.company,
        "entity": entity,
        "month": str(month),
        "statements": [one.as_json() for one in stated if one.entity == entity],
        "breaks": [_told(one) for one in broken if one.break_class not in DELIVERY_CLASSES],
        "deliveries": [_told(one) for one in broken if one.break_class in DELIVERY_CLASSES],
    }
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return Package(entity, month, f"{text}\n")


def breaks_of(workplace: Workplace, name: str, entity: str, month: Period) -> list[Break]:
    """Breaks of lines of an entity, and of deliveries that may touch it."""
    found = breaks(workplace, name, month)
    own = [one for one in found if one.entity == entity]
    shared = [o for o in found if o.break_class in DELIVERY_CLASSES and o.entity == "*"]
    return own + shared


def _told(one: Break) -> dict[str, object]:
    """A break without what time alone changes."""
    told = one.as_json()
    return {name: told[name] for name in _KEPT}


_KEPT = (
    "reconciliation", "class", "side", "feed", "line_id", "currency", "amount", "period", "decision"
)  # fmt: skip


def published_versions(connection: sa.Connection) -> dict[Place, int]:
    """The version of every published partition that statements rest on."""
    rows = connection.execute(sa.select(head.c.table_name, head.c.partition, head.c.version))
    return {(t, p): v for t, p, v in rows if _stage(t) in STAGES}


def _stage(table: str) -> str:
    return table.split("/", 1)[0]
