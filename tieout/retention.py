"""How long versions are kept that newer ones have replaced: `retention` of the configuration."""

from __future__ import annotations

from pydantic import Field

from tieout.rules import Part


class Retention(Part):
    """How long versions are kept that newer ones have replaced."""

    superseded_days: int | None = Field(None, ge=30)
    """Days that a version is kept after a newer one has replaced it; without it, for good."""
    closed_years: int = Field(10, ge=1)
    """Years after its end that every version of a month stays, where months are closed; those that
    a closed month was signed with stay as long, whatever their own day is."""
