"""What tieout.yaml may say of alerts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from tieout.rules import Part

AlertKind = Literal["sla_breach", "dead_letters", "sequence_gap", "signature_failures", "lag"]
KINDS: tuple[AlertKind, ...] = (
    "sla_breach",
    "dead_letters",
    "sequence_gap",
    "signature_failures",
    "lag",
)
SCHEMES = ("json", "jsons", "mailto", "mailtos", "slack", "workflows")
"""Of the many that the library knows, those that send to a person or a system of one's own."""
_Target = Annotated[str, StringConstraints(min_length=1)]


class Alerts(Part):
    """Who is told of what waits for a person, and how often."""

    targets: tuple[_Target, ...] = Field(default=(), max_length=16, repr=False)
    """Where to: Apprise URLs for mail (mailto, mailtos), Slack (slack), Teams (workflows)
    and webhooks (json, jsons). Written `${NAME}`: they hold tokens and are never shown."""
    kinds: tuple[AlertKind, ...] = KINDS
    """What is told."""
    cool_down_minutes: int = Field(default=240, ge=1)
    """A kind that stays open is told again after this many minutes, sooner only when it has become
    twice as many."""
    lag_seconds: int = Field(default=300, ge=1)
    """An event that waits longer to be applied is late; a gap in a sender's numbers is one."""
    signature_failures_per_hour: int = Field(default=20, ge=1)
    """Requests of a feed and hour that cannot be believed, from which on one is told."""

    @property
    def known_targets(self) -> tuple[str, ...]:
        """The targets whose variable is set where this runs; the others are no addresses."""
        return tuple(one for one in self.targets if not one.startswith("${"))

    @field_validator("targets")
    @classmethod
    def _can_be_sent_to(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        for number, target in enumerate(targets):
            scheme = target.partition("://")[0].lower()
            if not target.startswith("${") and scheme not in SCHEMES:
                raise ValueError(f"target {number + 1} begins with none of {', '.join(SCHEMES)}")
        return targets
