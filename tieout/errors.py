"""The errors a person may see; each says what is wrong, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)  # two errors are never the same one; and an exception must be hashable
class TieoutError(Exception):
    """A problem that a user can act on.

    `problem` says what is wrong, `remedy` what to do; `where` names the place (file, row, column,
    configuration line) as far as it is known.
    """

    problem: str
    remedy: str = ""
    where: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" -> {self.remedy}" if self.remedy else ""
        return f"{place}{self.problem}{advice}"


class ConfigurationError(TieoutError):
    """The configuration cannot be used (the command line exits with 2)."""


class RequestError(TieoutError):
    """What was asked for is not there, or cannot be asked so (the command line exits with 2)."""


class ExtractError(TieoutError):
    """An extract as a whole cannot be read: torn, another schema, wrong encoding, no such file."""


class FencedError(TieoutError):
    """A newer run has taken over the partition; this writer publishes nothing."""


class MixedCurrencyError(TieoutError):
    """Amounts of two currencies were added."""
