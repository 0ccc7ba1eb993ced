"""Time zones as senders write them: abbreviations, offsets and IANA names -> distance from UTC.

An abbreviation has one fixed offset (CET is always one hour ahead, also in summer): that is what
the senders that use them mean, they write CEST or PDT when it is summer time.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, available_timezones

OFFSETS = {
    "UTC": 0,
    "GMT": 0,
    "Z": 0,
    "WET": 0,
    "WEST": 60,
    "BST": 60,
    "CET": 60,
    "CEST": 120,
    "EET": 120,
    "EEST": 180,
    "MSK": 180,
    "IST": 330,
    "SGT": 480,
    "HKT": 480,
    "AWST": 480,
    "JST": 540,
    "AEST": 600,
    "AEDT": 660,
    "NZST": 720,
    "NZDT": 780,
    "BRT": -180,
    "AST": -240,
    "EST": -300,
    "EDT": -240,
    "CST": -360,
    "CDT": -300,
    "MST": -420,
    "MDT": -360,
    "PST": -480,
    "PDT": -420,
    "AKST": -540,
    "HST": -600,
}
"""Minutes ahead of UTC. IST is India's, CST America's: a sender that means another writes
offsets.
"""

_OFFSET = re.compile(r"^(?:UTC|GMT)?([+-])(\d{2}):?(\d{2})$")


def minutes_ahead(zone: str) -> int | None:
    """Minutes ahead of UTC of an abbreviation or an offset; None for anything else."""
    if zone.upper() in OFFSETS:
        return OFFSETS[zone.upper()]
    found = _OFFSET.match(zone)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    return -minutes if found[1] == "-" else minutes


def region(zone: str) -> ZoneInfo | None:
    """The IANA zone of that name (Europe/Amsterdam), or None."""
    return ZoneInfo(zone) if zone in available_timezones() else None
