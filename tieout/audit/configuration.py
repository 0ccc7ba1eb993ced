"""The configuration as it was: an entry of the chain whenever a run works with another one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tieout.register.audited import sha256_of
from tieout.register.chain import append
from tieout.register.register import Register, now
from tieout.settings import Settings

KIND = "configuration"
_NOTE = "audit.configuration"


def record(register: Register, settings: Settings) -> None:
    """Add the configuration to the chain, unless the last one recorded is the same.

    Whatever may hold a secret (fields that are never shown) is left out.
    """
    told = shown(settings)
    sha256 = sha256_of(told)
    if register.notes(_NOTE).get("last", {}).get("sha256") == sha256:
        return
    register.note(_NOTE, "last", {"sha256": sha256})
    with register.writing() as connection:
        append(connection, KIND, [{"sha256": sha256, "settings": told}], now(connection))


def shown(value: Any) -> Any:
    """A part of the configuration as JSON, without what is never shown."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {
            name: shown(getattr(value, name))
            for name, about in fields.items()
            if about.repr and not about.exclude
        }
    if isinstance(value, dict):
        return {str(key): shown(one) for key, one in value.items()}
    if isinstance(value, list | tuple | frozenset | set):
        return [shown(one) for one in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)
