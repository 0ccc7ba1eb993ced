"""All tables of the register: `metadata` here is what a database must have."""

from __future__ import annotations

from tieout.register import audittables, closetables, eventtables, prunetables
from tieout.register.schema import metadata

__all__ = ["audittables", "closetables", "eventtables", "metadata", "prunetables"]
