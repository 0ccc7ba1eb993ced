"""Tells each target what is open: at once, then after the cool-down, and once when it is over.

What each target has been told of a kind is a note of the register, written when the target took
the message: one that fails is tried again next time. A process that ends between the two tells a
thing twice, never not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tieout.alerts.conditions import open_alerts
from tieout.alerts.messages import body, resolved, title
from tieout.alerts.model import Alert, Message, Notified
from tieout.alerts.sending import Target
from tieout.alerts.settings import AlertKind
from tieout.workplace import Workplace

NOTE = "alerts"
WORSE = 2
"""Within the cool-down a kind is told again when it has become this many times what was told."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A message to be, and the note that stands once it is taken."""

    kind: AlertKind
    resolved: bool
    title: str
    body: str
    note: Mapping[str, Any]


def notify(
    workplace: Workplace,
    now: datetime,
    kinds: Iterable[AlertKind] | None = None,
    *,
    send: bool = True,
) -> Notified:
    """Find what is open and tell the targets of the configuration; `kinds` None: all configured.

    With `send` False nothing is sent or noted; the messages are those that would be. `now` is
    aware. Raises ConfigurationError for a target that cannot be used.
    """
    alerts = workplace.settings.alerts
    wanted = tuple(kinds) if kinds is not None else alerts.kinds
    wanted = tuple(kind for kind in wanted if kind in alerts.kinds)
    found = open_alerts(workplace, now, wanted)
    targets = [Target(url, number) for number, url in enumerate(alerts.known_targets, 1)]
    told = workplace.register.notes(NOTE)
    messages = []
    for kind in wanted:
        alert = next((one for one in found if one.kind == kind), None)
        for target in targets:
            key = f"{kind}/{target.name}"
            plan = _plan(workplace, kind, alert, told.get(key, {}), now)
            if plan is None:
                continue
            sent = send and target.send(plan.title, plan.body, bad=not plan.resolved)
            if sent:
                workplace.register.note(NOTE, key, plan.note)
            messages.append(
                Message(kind, plan.resolved, target.number, plan.title, plan.body, sent)
            )
    return Notified(tuple(found), tuple(messages))


def _plan(
    workplace: Workplace,
    kind: AlertKind,
    alert: Alert | None,
    before: Mapping[str, Any],
    now: datetime,
) -> _Plan | None:
    """What a target is told now, after what it was told before; None: nothing."""
    company = workplace.settings.company
    if alert is None:
        if not before.get("open"):
            return None
        return _Plan(kind, True, *resolved(kind, company), {"open": False})
    if before.get("open"):
        until = datetime.fromisoformat(before["at"])
        until += timedelta(minutes=workplace.settings.alerts.cool_down_minutes)
        if now < until and alert.count < WORSE * before["count"]:
            return None
    note = {"open": True, "at": now.isoformat(), "count": alert.count}
    return _Plan(kind, False, title(alert, company), body(alert), note)
