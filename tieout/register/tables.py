"""All tables of the register: who compares the schema with a database takes `metadata` here."""

from __future__ import annotations

from tieout.register import closetables, eventtables
from tieout.register.schema import metadata

__all__ = ["closetables", "eventtables", "metadata"]
