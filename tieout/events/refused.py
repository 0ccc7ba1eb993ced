"""A request that is not taken in: its status, its reason as one word, and what the sender reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class Refused(Exception):  # noqa: N818 - it is an answer, not an error
    """`reason` is one word (metrics and the register count by it), `detail` never has a secret."""

    status: int
    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.status} {self.reason}: {self.detail}"


def unsigned(reason: str, detail: str) -> Refused:
    """The sender has not shown that it has a key, or not now."""
    return Refused(401, reason, detail)


def malformed(detail: str) -> Refused:
    """It was read, and is not what was agreed."""
    return Refused(400, "malformed", detail)
