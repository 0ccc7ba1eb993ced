"""What the inbox asks of PostgreSQL in its own way: a group of any size in one round trip.

What a row costs here bounds how many events a second can be acknowledged, and so does how often
the writing thread waits: while it does, others hold the interpreter.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from tieout.events.model import NewEvent

_LOCK = "SELECT 1 FROM event_sequence FOR UPDATE"
"""A statement of its own: what follows sees everything committed before the lock was given."""
_STORE = """
    WITH given AS (
        SELECT g.*
        FROM unnest(
            %s::text[], %s::text[], %s::timestamptz[], %s::bytea[], %s::text[], %s::text[],
            %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]
        ) WITH ORDINALITY AS g (
            feed, event_id, occurred_at, body, body_sha256, headers,
            envelope, subject_kind, subject_ref, correlation_id, state, problem, place
        )
    ),
    known AS (
        SELECT given.place, e.sequence, e.body_sha256
        FROM given
        CROSS JOIN LATERAL (
            SELECT event.sequence, event.body_sha256
            FROM event
            WHERE event.feed = given.feed AND event.event_id = given.event_id
            LIMIT 1
        ) AS e
    ),
    fresh AS (
        SELECT given.*, row_number() OVER (ORDER BY given.place) AS number
        FROM given
        WHERE NOT EXISTS (SELECT 1 FROM known WHERE known.place = given.place)
    ),
    taken AS (
        UPDATE event_sequence SET last = last + (SELECT count(*) FROM fresh)
        RETURNING last - (SELECT count(*) FROM fresh) AS before, clock_timestamp() AS at
    ),
    stored AS (
        INSERT INTO event (
            sequence, feed, event_id, received_at, occurred_at, body, body_sha256, headers,
            envelope, subject_kind, subject_ref, correlation_id, state, attempts, problem,
            duplicates
        )
        SELECT
            t.before + f.number, f.feed, f.event_id, t.at, coalesce(f.occurred_at, t.at), f.body,
            f.body_sha256, f.headers::json, f.envelope::json, f.subject_kind, f.subject_ref,
            f.correlation_id, f.state, 0, f.problem::json, 0
        FROM fresh AS f
        CROSS JOIN taken AS t
    )
    SELECT place, sequence, body_sha256 FROM known
    UNION ALL
    SELECT f.place, t.before + f.number, NULL FROM fresh AS f CROSS JOIN taken AS t
"""


def store(connection: Connection, events: Sequence[NewEvent]) -> list[tuple[int, str | None]]:
    """Store those of the events that are not known, in one statement under the lock.

    In the order given, each one's sequence, and the sha256 it had before, None if it is stored now.
    No id may be given twice.
    """
    raw: Any = connection.connection.dbapi_connection
    with raw.cursor() as lock, raw.cursor() as cursor:
        with raw.pipeline():
            lock.execute(_LOCK)
            # Planned each time: a plan for an empty inbox would read a full one from its start.
            cursor.execute(_STORE, _columns(events), prepare=False)
        rows = sorted(cursor.fetchall())
    return [(sequence, sha256) for _place, sequence, sha256 in rows]


def _columns(events: Sequence[NewEvent]) -> list[str]:
    envelopes, problems = [one.envelope for one in events], [one.problem for one in events]
    return [
        _array([one.feed for one in events]),
        _array([one.event_id for one in events]),
        _array([_text(e.occurred_at) for e in envelopes]),
        _array(["\\x" + one.body.hex() for one in events]),
        _array([one.body_sha256 for one in events]),
        _array([json.dumps(dict(h)) if h else "{}" for h in (one.headers for one in events)]),
        _array([json.dumps(e.as_json()) for e in envelopes]),
        _array([e.subject_kind for e in envelopes]),
        _array([e.subject_ref for e in envelopes]),
        _array([e.correlation_id for e in envelopes]),
        _array([one.state for one in events]),
        _array([None if p is None else json.dumps(p.as_json()) for p in problems]),
    ]


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _array(values: Sequence[str | None]) -> str:
    """A list as PostgreSQL writes an array.

    JSON quotes as it does, but for control characters, which none of these values has (and which
    would be read as other characters, never as the end of a value).
    """
    return "{" + json.dumps(values, ensure_ascii=False)[1:-1] + "}"
