"""Dagster's event log on SQLite, fast enough for a year of hourly partitions in one run.

Dagster's own class opens both of its databases anew for every event and writes it by itself: 15 ms
an event where this one takes half a millisecond. Files and tables are the same, and either class
reads what the other wrote. The events are a view of what happened, the register is the record of
it: a commit need not wait for the disk.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as Status,
)
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection, Engine

_MOST_OPEN = 8
"""Databases kept open: the index, and the runs written or looked at last."""
_SHARED = ASSET_EVENTS | ASSET_CHECK_EVENTS | set(EVENT_TYPE_TO_PIPELINE_RUN_STATUS)
"""Events that Dagster keeps in the index of all runs too, besides the run's own database."""

Row = dict[str, Any]


class EventLog(SqliteEventLogStorage):
    """Dagster's SQLite event log, its connections kept open, its events stored in groups."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._lock = RLock()
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._begun: dict[str, Connection] = {}
        self._group: tuple[str, list[EventLogEntry]] | None = None
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> Any:
        """`home` is DAGSTER_HOME; the files lie where Dagster's own class would put them."""
        return {"home": dg.StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> EventLog:
        """Called by Dagster with the settings of dagster.yaml."""
        return cls(str(Path(config_value["home"]) / "history" / "runs"), inst_data)

    @contextmanager
    def one_group(self, run_id: str) -> Iterator[None]:
        """Hold back what is stored for a run, and store it together at the end, all or none."""
        with self._lock:
            if self._group is not None:
                yield
                return
            self._group = run_id, []
            try:
                yield
                events = self._group[1]
            finally:
                self._group = None
            self.store_event_batch(events)

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event, or hold it back when it belongs to the group under way."""
        with self._lock:
            if self._group is not None and self._group[0] == event.run_id:
                self._group[1].append(event)
                return
        super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events of one run, all or none."""
        if not events:
            return
        assert len({event.run_id for event in events}) == 1, "a group belongs to one run"
        rows = [self._event_to_row(event) for event in events]
        with self._both(events[0].run_id) as (own, index):
            own.execute(SqlEventLogStorageTable.insert(), rows)
            shared = [
                (event, row)
                for event, row in zip(events, rows, strict=True)
                if event.is_dagster_event and event.dagster_event_type in _SHARED
            ]
            if shared:
                self._store_shared(index, shared)

    def has_table(self, table_name: str) -> bool:
        """Whether the schema has a table; asked for every event, and tables do not go away."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        """Close the databases."""
        with self._lock:
            while self._engines:
                self._engines.popitem()[1].dispose()
        super().dispose()

    def _store_shared(self, index: Connection, shared: Sequence[tuple[EventLogEntry, Row]]) -> None:
        """Put events into the index of all runs, and keep what it knows of assets and checks."""
        table = SqlEventLogStorageTable
        insert = table.insert().returning(table.c.id, sort_by_parameter_order=True)
        ids = index.execute(insert, [row for _, row in shared]).scalars().all()
        newest: dict[tuple[str, str], tuple[EventLogEntry, int]] = {}
        found: list[Row] = []
        for (event, row), event_id in zip(shared, ids, strict=True):
            if event.dagster_event_type in ASSET_EVENTS:
                self._store_asset_event_tags(index, [event], [event_id])
                # An asset's row shows its newest event: of a group, only the last of a kind.
                newest[row["asset_key"], row["dagster_event_type"]] = event, event_id
            elif event.dagster_event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                index.execute(AssetCheckExecutionsTable.insert(), _planned(event, row, event_id))
            elif event.dagster_event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                evaluated = _evaluated(event, row, event_id)
                if evaluated["run_id"] and evaluated["partition"] is not None:
                    found.append(evaluated)
                else:
                    self.store_asset_check_event(event, event_id)
        for event, event_id in newest.values():
            self._store_asset_event(index, event, event_id)
        if found:
            index.execute(_UPSERT, found)

    @contextmanager
    def _both(self, run_id: str) -> Iterator[tuple[Connection, Connection]]:
        """A transaction on a run's own database and one on the index; both end together."""
        with (
            self._lock,
            self._engine(run_id).begin() as own,
            self._engine(INDEX_SHARD_NAME).begin() as index,
        ):
            self._begun = {run_id: own, INDEX_SHARD_NAME: index}
            try:
                yield own, index
            finally:
                self._begun = {}

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._lock:
            if shard in self._begun:
                yield self._begun[shard]
                return
            with self._engine(shard).begin() as connection:
                yield connection

    def _engine(self, shard: str) -> Engine:
        engine = self._engines.get(shard) or self._opened(shard)
        self._engines.move_to_end(shard)
        for other in list(self._engines)[:-_MOST_OPEN]:
            self._engines.pop(other).dispose()
        return engine

    def _opened(self, shard: str) -> Engine:
        engine = sa.create_engine(
            self.conn_string_for_shard(shard),
            # One connection, used under the lock by whichever thread holds it.
            poolclass=sa.StaticPool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        self._initdb(engine)
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=NORMAL")
        self._engines[shard] = engine
        return engine


@contextmanager
def one_group(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Store the events that a step yields inside as one group, where the event log can."""
    log = instance.event_log_storage
    if isinstance(log, EventLog):
        with log.one_group(run_id):
            yield
    else:
        yield


def _planned(event: EventLogEntry, row: Row, event_id: int) -> list[Row]:
    """A check that a run is about to make, in each of its partitions."""
    planned = event.get_dagster_event().asset_check_planned_data
    subset = planned.partitions_subset
    partitions: Iterable[str | None] = [None] if subset is None else subset.get_partition_keys()
    return [
        {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "partition": partition,
            "run_id": event.run_id,
            "execution_status": Status.PLANNED.value,
            "evaluation_event": row["event"],
            "evaluation_event_timestamp": row["timestamp"],
            "evaluation_event_storage_id": event_id,
        }
        for partition in partitions
    ]


def _evaluated(event: EventLogEntry, row: Row, event_id: int) -> Row:
    """What a check found in one partition."""
    found = event.get_dagster_event().asset_check_evaluation_data
    target = found.target_materialization_data
    return {
        "asset_key": found.asset_key.to_string(),
        "check_name": found.check_name,
        "partition": found.partition,
        "run_id": event.run_id,
        "execution_status": (Status.SUCCEEDED if found.passed else Status.FAILED).value,
        "evaluation_event": row["event"],
        "evaluation_event_timestamp": row["timestamp"],
        "evaluation_event_storage_id": event_id,
        "materialization_event_storage_id": target.storage_id if target else None,
    }


_INSERT = sqlite.insert(AssetCheckExecutionsTable)
_PLACE = ("asset_key", "check_name", "run_id", "partition")
_UPSERT = _INSERT.on_conflict_do_update(
    index_elements=_PLACE,
    set_={
        name: _INSERT.excluded[name]
        for name in (
            "execution_status",
            "evaluation_event",
            "evaluation_event_timestamp",
            "evaluation_event_storage_id",
            "materialization_event_storage_id",
        )
    },
)
"""An evaluation takes the place of what was planned in its run and partition."""
