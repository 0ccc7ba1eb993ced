"""Who may close months, and how it is proven: the part `close` of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tieout.rules import Part

Role = Literal["preparer", "approver"]
PRINCIPAL = r"[A-Za-z0-9_.@+-]{1,128}"
Principal = Annotated[str, StringConstraints(pattern=f"^{PRINCIPAL}$")]


class Person(Part):
    """Who signs under a principal. Two principals of one name are one person."""

    name: str = Field(min_length=1, max_length=128)
    """The person."""
    roles: tuple[Role, ...] = Field(min_length=1)
    """What the person may do: prepare months, approve them."""


class Closing(Part):
    """Closing of months."""

    allowed_signers: str | None = None
    """A file in the format of ssh-keygen's ALLOWED SIGNERS: principals and their public keys,
    relative to the configuration file."""
    identity_header: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")
    """The header in which the proxy before `tieout close serve` names the principal; the proxy
    itself drops or replaces it in what clients send."""
    people: dict[Principal, Person] = Field(default_factory=dict)
    """Principal (of the file, or as the proxy names it) -> who that is."""

    def signers(self, base: Path) -> Path | None:
        """The file of allowed signers."""
        return None if self.allowed_signers is None else base / self.allowed_signers
