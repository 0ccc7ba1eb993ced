"""The two statements of the inbox that PostgreSQL does in one step for any number of rows.

Columns go as arrays: one statement, one plan and one round trip, whatever the size of the group.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_INSERT = sa.text("""
    INSERT INTO event (
        sequence, feed, event_id, received_at, occurred_at, body, body_sha256, headers, envelope,
        subject_kind, subject_ref, correlation_id, state, attempts, problem, duplicates
    )
    SELECT
        e.sequence, e.feed, e.event_id, :received_at, e.occurred_at, e.body, e.body_sha256,
        CAST(e.headers AS json), CAST(e.envelope AS json),
        e.subject_kind, e.subject_ref, e.correlation_id, e.state, 0, CAST(e.problem AS json), 0
    FROM unnest(
        CAST(:sequence AS bigint[]), CAST(:feed AS text[]), CAST(:event_id AS text[]),
        CAST(:occurred_at AS timestamptz[]), CAST(:body AS bytea[]), CAST(:body_sha256 AS text[]),
        CAST(:headers AS text[]), CAST(:envelope AS text[]), CAST(:subject_kind AS text[]),
        CAST(:subject_ref AS text[]), CAST(:correlation_id AS text[]), CAST(:state AS text[]),
        CAST(:problem AS text[])
    ) AS e (
        sequence, feed, event_id, occurred_at, body, body_sha256, headers, envelope,
        subject_kind, subject_ref, correlation_id, state, problem
    )
""")
_KNOWN = sa.text("""
    SELECT e.feed, e.event_id, e.sequence, e.body_sha256
    FROM unnest(CAST(:feeds AS text[]), CAST(:ids AS text[])) AS w (feed, event_id)
    JOIN event AS e ON e.feed = w.feed AND e.event_id = w.event_id
""")
_COLUMNS = (
    "sequence feed event_id occurred_at body body_sha256 headers envelope subject_kind subject_ref "
    "correlation_id state problem"
).split()
_JSON = ("headers", "envelope", "problem")


def insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows of the table event, all received at one moment. Raises where a key is known."""
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in _COLUMNS}
    for name in _JSON:
        columns[name] = [None if v is None else json.dumps(v) for v in columns[name]]
    connection.execute(_INSERT, columns | {"received_at": rows[0]["received_at"]})


def known(
    connection: Connection, wanted: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[int, str]]:
    """Sequence and sha256 of the body by (feed, event id), of those that are there."""
    asked = {"feeds": [feed for feed, _ in wanted], "ids": [one for _, one in wanted]}
    rows = connection.execute(_KNOWN, asked)
    return {(feed, one): (sequence, sha256) for feed, one, sequence, sha256 in rows}
