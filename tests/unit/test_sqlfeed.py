"""A query's answer as evidence: exact, of its window, the same bytes again; no secret told."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from tieout.connections import database_url
from tieout.errors import ConfigurationError, ExtractError
from tieout.settings import Feed
from tieout.sqlfeed import PORTION, SqlFeed
from tieout.store import Store

ORDERS = "SELECT id, ref, amount FROM orders WHERE day >= :window_start AND day < :window_end "
BY_DAY = ORDERS + "ORDER BY id"
BY_HOUR = (
    "SELECT id FROM orders WHERE at >= :window_start AND at < :window_end "
    "AND ref LIKE '%' ORDER BY id"
)


@pytest.fixture
def engine(register_url: str) -> Any:
    """A database with orders, once of each kind. SQLite keeps decimals as text."""
    engine = sa.create_engine(database_url(register_url))
    numeric = "NUMERIC" if engine.dialect.name == "postgresql" else "TEXT"
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE orders (id INTEGER, ref TEXT, amount {numeric}, day DATE, at TIMESTAMP)"
        )
    yield engine
    engine.dispose()


def insert(engine: sa.Engine, rows: Sequence[tuple[Any, ...]]) -> None:
    statement = sa.text("INSERT INTO orders VALUES (:id, :ref, :amount, :day, :at)")
    names = ("id", "ref", "amount", "day", "at")
    with engine.begin() as connection:
        connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])


def an_order(number: int, day: str = "2026-10-05", amount: str = "1.50") -> tuple[Any, ...]:
    value: Any = Decimal(amount)
    return (number, f"ref-{number}", value, day, f"{day} 13:00:00")


def rows_for(engine: sa.Engine, rows: Sequence[tuple[Any, ...]]) -> None:
    sqlite = engine.dialect.name == "sqlite"
    insert(engine, [(*r[:2], str(r[2]) if sqlite else r[2], *r[3:]) for r in rows])


def a_feed(url: str, query: str = BY_DAY, every: Any = "day") -> Feed:
    return Feed(format="any", url=url, query=query, every=every)


def fetch(store: Store, feed: Feed, window: str = "2026-10-05") -> tuple[pl.DataFrame, str]:
    with SqlFeed("erp", feed, None, Path("/")) as source, store.evidence(".parquet") as incoming:
        rows = source.fetch(window, incoming.file)
    sha256, _, relative = incoming.kept
    frame = pl.read_parquet(store.evidence_path(relative))
    assert frame.height == rows
    return frame, sha256


def test_the_answer_is_of_the_window_only(
    store: Store, engine: sa.Engine, register_url: str
) -> None:
    days = ["2026-10-04", "2026-10-05", "2026-10-06"]
    rows_for(engine, [an_order(n, day) for n, day in enumerate(days)])
    frame, _ = fetch(store, a_feed(register_url))
    assert frame.rows() == [("1", "ref-1", "1.50")]


def test_an_hour_holds_its_first_moment_and_not_its_last(
    store: Store, engine: sa.Engine, register_url: str
) -> None:
    moments = ["12:59:59.999999", "13:00:00", "13:59:59.999999", "14:00:00"]
    rows_for(engine, [(n, "r", Decimal(1), "2026-10-05", f"2026-10-05 {t}")
                      for n, t in enumerate(moments)])  # fmt: skip
    frame, _ = fetch(store, a_feed(register_url, BY_HOUR, "hour"), "2026-10-05-13:00")
    assert frame["id"].to_list() == ["1", "2"]


def test_amounts_keep_every_digit(store: Store, engine: sa.Engine, register_url: str) -> None:
    amounts = [
        "0",
        "-0.01",
        "1000",
        "12345678901234567890.123456789012345678",
        "0.0000000008",
        "1E+3",
    ]
    rows_for(engine, [an_order(n, amount=a) for n, a in enumerate(amounts)])
    frame, _ = fetch(store, a_feed(register_url))
    found = [Decimal(text) for text in frame["amount"]]
    assert found == [Decimal(a) for a in amounts]
    if engine.dialect.name == "postgresql":
        assert not any("E" in text for text in frame["amount"])


def test_the_same_rows_give_the_same_bytes(
    store: Store, engine: sa.Engine, register_url: str
) -> None:
    """In whatever order they were put in, and after an update that changes nothing."""
    orders = [an_order(n) for n in range(PORTION + 100)]
    rows_for(engine, orders[::-1])
    _, first = fetch(store, a_feed(register_url))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET ref = ref WHERE id < 700")
    frame, again = fetch(store, a_feed(register_url))
    assert again == first
    assert frame["id"].cast(pl.Int64).to_list() == list(range(PORTION + 100))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET ref = 'other' WHERE id = 3")
    assert fetch(store, a_feed(register_url))[1] != first


def test_no_rows_are_an_answer_too(store: Store, engine: sa.Engine, register_url: str) -> None:
    frame, _ = fetch(store, a_feed(register_url), "2027-01-01")
    assert (frame.height, frame.columns) == (0, ["id", "ref", "amount"])


def test_a_column_may_be_empty_for_longer_than_a_portion(
    store: Store, engine: sa.Engine, register_url: str
) -> None:
    rows_for(engine, [(n, None if n < PORTION + 5 else "late", Decimal(1), "2026-10-05", None)
                      for n in range(PORTION + 10)])  # fmt: skip
    frame, _ = fetch(store, a_feed(register_url))
    assert frame["ref"].drop_nulls().to_list() == ["late"] * 5


def test_every_exact_type_is_written_as_the_database_means_it(
    store: Store, postgres_url: str
) -> None:
    query = """
        SELECT
            9007199254740993::bigint AS whole, true AS yes,
            'ä'::text AS words, null AS nothing,
            date '2026-10-05' AS day, timestamp '2026-10-05 01:02:03.4' AS moment,
            timestamptz '2026-10-05 01:02:03+02' AS elsewhere,
            'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS code, '\\x00ff'::bytea AS bytes,
            'NaN'::numeric AS no_number,
            CAST(:window_start AS text) || CAST(:window_end AS text) AS bounds
        ORDER BY 1
    """
    [row] = fetch(store, a_feed(postgres_url, query))[0].to_dicts()
    assert row == {
        "whole": "9007199254740993",
        "yes": "true",
        "words": "ä",
        "nothing": None,
        "day": "2026-10-05",
        "moment": "2026-10-05 01:02:03.400000",
        "elsewhere": "2026-10-04 23:02:03",
        "code": str(UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        "bytes": "00ff",
        "no_number": "NaN",
        "bounds": "2026-10-052026-10-06",
    }


def test_a_zone_of_the_session_changes_nothing(store: Store, postgres_url: str) -> None:
    query = (
        "SELECT timestamptz '2026-10-05 00:30+00' >= :window_start AS inside, "
        "CAST(timestamptz '2026-10-05 00:30+00' AS text) AS shown ORDER BY 1, :window_end"
    )
    url = postgres_url + "&options=-c%20TimeZone%3DAmerica/Los_Angeles"
    frame, _ = fetch(store, a_feed(url, query))
    assert frame.rows() == [("true", "2026-10-05 00:30:00+00")]


@pytest.mark.parametrize("value", ["1.5::float8", "'{1.5}'::numeric[]", """'{"a": 1.5}'::json"""])
def test_what_is_not_exact_is_refused(store: Store, postgres_url: str, value: str) -> None:
    query = f"SELECT {value} AS amount, :window_start AS a, :window_end AS b ORDER BY 2"
    with pytest.raises(ExtractError, match=r"feed erp, window 2026-10-05: column amount .*CAST"):
        fetch(store, a_feed(postgres_url, query))


def test_a_query_cannot_write(store: Store, engine: sa.Engine, register_url: str) -> None:
    rows_for(engine, [an_order(1)])
    query = (
        "INSERT INTO orders (id) SELECT 2 WHERE :window_start < :window_end ORDER BY 1 RETURNING 1"
    )
    if engine.dialect.name == "postgresql":  # reads through a cursor, which takes a SELECT only
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE SEQUENCE counter")
        query = "SELECT nextval('counter') WHERE :window_start < :window_end ORDER BY 1"
    with pytest.raises(ExtractError, match=r"(?i)the query failed.*read.?only"):
        fetch(store, a_feed(register_url, query))
    assert fetch(store, a_feed(register_url))[0].height == 1


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT 1 ORDER BY 1", "parameters none"),
        ("SELECT :window_start ORDER BY 1", "parameters window_start"),
        ("SELECT :window_start, :window_end, :more ORDER BY 1", "more"),
        ("SELECT :window_start AS a, :window_end AS b", "no ORDER BY"),
        ("SELECT :window_start AS a, :window_end AS b -- ORDER BY a", "no ORDER BY"),
        ("SELECT :window_start AS a /* order by a */, :window_end AS b", "no ORDER BY"),
    ],
)
def test_a_query_of_no_use_is_a_configuration_error(query: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=f"feeds.erp.query: .*{told}.*->"):
        SqlFeed("erp", a_feed("sqlite:///x.db", query), None, Path("/"))


def test_a_feed_without_any_query_is_told() -> None:
    with pytest.raises(ConfigurationError, match="no query of its own"):
        SqlFeed("erp", Feed(format="any", url="sqlite:///x.db"), None, Path("/"))


def test_a_failing_query_names_feed_window_and_remedy(
    store: Store, engine: sa.Engine, register_url: str
) -> None:
    query = BY_DAY.replace("amount", "amuont")
    with pytest.raises(ExtractError) as failed:
        fetch(store, a_feed(register_url, query))
    told = str(failed.value)
    for word in ("feed erp", "2026-10-05", "amuont", "feeds.erp.query"):
        assert word in told
    assert [p for p in store.root.rglob("*") if p.is_file()] == []


def test_two_columns_of_one_name_are_refused(
    store: Store, engine: sa.Engine, register_url: str
) -> None:
    query = BY_DAY.replace("ref,", "id,")
    with pytest.raises(ExtractError, match="two columns named id"):
        fetch(store, a_feed(register_url, query))


def test_a_query_that_takes_too_long_is_ended(
    store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tieout.sqlfeed.MOST_SECONDS", 1)
    query = "SELECT pg_sleep(60), :window_start AS a, :window_end AS b ORDER BY 2"
    with pytest.raises(ExtractError, match="took longer than 1 seconds"):
        fetch(store, a_feed(postgres_url, query))


SECRET = "p@ss w:ord%1"


def assert_told_without_secret(store: Store, url: URL) -> None:
    started = time.monotonic()
    with pytest.raises(
        ExtractError, match=r"feed erp, window 2026-10-05: .*cannot be reached.*->"
    ) as e:
        fetch(store, a_feed(url.render_as_string(hide_password=False)))
    assert time.monotonic() - started < 10
    assert e.value.__suppress_context__
    for form in ("ord%1", "ord%251", "p@ss", "p%40ss"):
        assert form not in f"{e.value} {e.value!r}"


def test_an_unreachable_database_is_told_without_the_password(store: Store) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert_told_without_secret(
        store, URL.create("postgresql", "u", SECRET, "127.0.0.1", port, "erp")
    )


def test_a_wrong_password_is_told_without_it(store: Store, postgres_url: str) -> None:
    url = sa.make_url(postgres_url).set(username="nobody_at_all", password=SECRET)
    assert_told_without_secret(store, url)


def test_a_missing_sqlite_file_is_told_and_not_made(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ExtractError, match="feed erp: there is no database at"):
        fetch(store, a_feed(f"sqlite:///{tmp_path / 'none.db'}"))
    assert not (tmp_path / "none.db").exists()


def test_a_sqlite_file_lies_relative_to_the_configuration(store: Store, tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'erp.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER)")
    engine.dispose()
    query = "SELECT n FROM t WHERE n BETWEEN :window_start AND :window_end ORDER BY n"
    source = SqlFeed("erp", a_feed("sqlite:///erp.db", query), None, tmp_path)
    with source, store.evidence(".parquet") as incoming:
        assert source.fetch("2026-10-05", incoming.file) == 0


def test_a_missing_driver_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"no driver for oracle.*install"):
        SqlFeed("erp", a_feed("oracle://u:secret@h/d"), None, Path("/"))


def test_the_bounds_of_a_day_and_an_hour(tmp_path: Path) -> None:
    (tmp_path / "x.db").touch()
    day = SqlFeed("erp", a_feed("postgresql://h/d"), None, tmp_path)
    hour = SqlFeed("erp", a_feed("postgresql://h/d", BY_HOUR, "hour"), None, tmp_path)
    assert day._bounds("2026-12-31") == {
        "window_start": date(2026, 12, 31),
        "window_end": date(2027, 1, 1),
    }
    start = datetime(2026, 10, 5, 23, tzinfo=UTC)
    assert hour._bounds("2026-10-05-23:00") == {
        "window_start": start,
        "window_end": start + timedelta(hours=1),
    }
