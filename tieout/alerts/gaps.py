"""Gaps in the numbers that a sender gives its events: what came later and left them out.

Each event is read once: how far the inbox has been looked through, and what was missing then, is
a note of the register. A number that comes after all closes its gap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tieout.events.inbox import after
from tieout.formats.catalogue import formats
from tieout.workplace import Workplace

NOTE = "event_numbers"
_AT_ONCE = 5_000
_LONGEST = 120
_MOST_GAPS = 1_000
"""Gaps kept of one account; a sender with more does not number its events one by one."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers first to last that never came, seen to be missing at `since`."""

    first: int
    last: int
    since: datetime


def gaps(workplace: Workplace, now: datetime) -> dict[tuple[str, str], list[Gap]]:
    """The gaps of every feed and account whose sender numbers its events, smallest number first."""
    feeds = _numbered(workplace)
    if not feeds:
        return {}
    known = {key: dict(value) for key, value in workplace.register.notes(NOTE).items()}
    through = int(known.get("", {}).get("through", 0))
    while True:
        with workplace.register.reading() as connection:
            events = after(connection, through, _AT_ONCE)
        for one in events:
            number = one.envelope.get("sequence")
            if one.feed in feeds and number is not None:
                key = f"{one.feed}/{_named(one.envelope.get('account') or '')}"
                _arrived(known.setdefault(key, {"last": number, "gaps": []}), number, now)
        through = events[-1].sequence if events else through
        if len(events) < _AT_ONCE:
            break
    for key, value in (known | {"": {"through": through}}).items():
        workplace.register.note(NOTE, key, value)
    return {
        (key.partition("/")[0], key.partition("/")[2]): _gaps(value["gaps"])
        for key, value in known.items()
        if key and value["gaps"]
    }


def _named(account: str) -> str:
    """The account as it may stand in a key: a sender may write anything of any length."""
    if len(account) <= _LONGEST and account.isprintable():
        return account
    return f"account {hashlib.sha256(account.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _numbered(workplace: Workplace) -> set[str]:
    """Feeds whose senders number their events."""
    known = formats(workplace.settings)
    return {
        name
        for name, feed in workplace.settings.feeds.items()
        if feed.inbox is not None
        and (layout := known.get(feed.format)) is not None
        and layout.webhook is not None
        and layout.webhook.sequence is not None
    }


def _arrived(account: dict[str, Any], number: int, now: datetime) -> None:
    """Take one number: it opens a gap before it, closes one, or goes on."""
    last: int = account["last"]
    if number > last:
        if number > last + 1 and len(account["gaps"]) < _MOST_GAPS:
            account["gaps"].append([last + 1, number - 1, now.isoformat()])
        account["last"] = number
        return
    account["gaps"] = [part for gap in account["gaps"] for part in _without(gap, number)]


def _without(gap: list[Any], number: int) -> Iterable[list[Any]]:
    first, last, since = gap
    if not first <= number <= last:
        return [gap]
    parts = [[first, number - 1, since], [number + 1, last, since]]
    return [part for part in parts if part[0] <= part[1]]


def _gaps(noted: list[list[Any]]) -> list[Gap]:
    return sorted(
        (Gap(first, last, datetime.fromisoformat(since)) for first, last, since in noted),
        key=lambda gap: gap.first,
    )
