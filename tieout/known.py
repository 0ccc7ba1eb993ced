"""What a reader is told where figures are as known at a past moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tieout.matching.inputs import fingerprint, is_configured_alike
from tieout.matching.publish import RUN
from tieout.workplace import Workplace


def heading(workplace: Workplace, names: Iterable[str]) -> str | None:
    """`As known at 2026-11-05 00:00 UTC.`, or None for what is known now.

    Lines, outcomes and decisions are kept by time, the configuration is not: reconciliations whose
    configuration (or engine) worked otherwise then are named.
    """
    moment = workplace.register.moment
    if moment is None:
        return None
    changed = [name for name in names if _is_changed(workplace, name)]
    said = f"As known at {moment_text(moment)}."
    if changed:
        said += (
            f" The configuration of {', '.join(changed)} has changed since: outcomes are those of "
            "then, everything else is made with the configuration of now."
        )
    return said


def as_json(workplace: Workplace) -> dict[str, object]:
    """`{"as_known_at": moment}`, empty for what is known now; for any JSON object of an answer."""
    moment = workplace.register.moment
    return {} if moment is None else {"as_known_at": moment.isoformat()}


def moment_text(moment: datetime) -> str:
    """`2026-11-05 00:00 UTC`, with as many digits as the moment has."""
    shown = moment.strftime("%Y-%m-%d %H:%M")
    if moment.second or moment.microsecond:
        shown += moment.strftime(":%S")
    if moment.microsecond:
        shown += moment.strftime(".%f")
    return f"{shown} UTC"


def _is_changed(workplace: Workplace, name: str) -> bool:
    then = workplace.register.heads(f"reconciled/{name}", [RUN]).get(RUN)
    if then is None:
        return False
    return not is_configured_alike(then.totals.get("fingerprint"), fingerprint(workplace, name))
