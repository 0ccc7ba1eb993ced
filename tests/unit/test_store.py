"""The store's files: exact, whole, deterministic, never overwritten, confined to their folder."""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tieout.errors import ExtractError, TieoutError
from tieout.lines.columns import columns
from tieout.register.records import Publication, StoredFile
from tieout.store import ROW_GROUP, Store, fingerprint

LINES, HOUR = "lines/adyen", "2026-10-05-13:00"


def frame(rows: int, seed: int = 1) -> pl.DataFrame:
    """Settlement lines: every canonical column, NULLs in some, amounts to the last digit."""
    draw = random.Random(seed)
    values: dict[str, list[Any]] = {}
    for name, kind in columns("settlement").items():
        if isinstance(kind, pl.Decimal):
            digits = 10 ** (kind.precision if kind.precision < 19 else 38) - 1
            values[name] = [
                Decimal(draw.randint(-digits, digits)).scaleb(-kind.scale) for _ in range(rows)
            ]
        elif kind == pl.Date():
            values[name] = [date.fromordinal(draw.randint(700_000, 760_000)) for _ in range(rows)]
        elif kind == pl.Int64():
            values[name] = [draw.randint(0, 2**62) for _ in range(rows)]
        else:
            values[name] = [
                draw.choice([None, "", "ä€\u0000", f"PSP{draw.random()}"]) for _ in range(rows)
            ]
    return pl.DataFrame(values, schema=dict(columns("settlement")))


def published(file: StoredFile, table: str = LINES, partition: str = HOUR) -> Publication:
    return Publication(
        table, partition, (file,), file.rows, {}, 1, 1, "run-1", datetime(2026, 10, 6, tzinfo=UTC)
    )


def test_a_frame_reads_back_exactly(store: Store) -> None:
    lines = frame(1_000)
    file = store.write(LINES, HOUR, lines)
    [path] = store.paths([published(file)])
    assert pl.read_parquet(path).equals(lines)
    assert pl.read_parquet(path).schema == lines.schema
    assert (file.sha256, file.bytes) == (
        hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        Path(path).stat().st_size,
    )
    assert file.rows == 1_000


def test_duckdb_reads_the_amounts_polars_wrote(store: Store) -> None:
    lines = frame(1_000)
    [path] = store.paths([published(store.write(LINES, HOUR, lines))])
    kinds = duckdb.execute(
        "SELECT typeof(amount), sum(amount) FROM read_parquet($1) GROUP BY 1", [path]
    ).fetchall()
    assert kinds == [("DECIMAL(18,4)", sum(lines["amount"].to_list()))]
    rows = duckdb.execute("SELECT exchange_rate, line_id FROM read_parquet($1)", [path]).fetchall()
    assert rows == lines.select("exchange_rate", "line_id").rows()


def test_an_empty_frame_keeps_its_columns(store: Store) -> None:
    file = store.write(LINES, HOUR, frame(0))
    assert file.rows == 0
    read = pl.read_parquet(store.paths([published(file)])[0])
    assert (read.height, read.schema) == (0, frame(0).schema)


@given(cuts=st.lists(st.integers(0, 300), max_size=6))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_same_rows_give_the_same_bytes_however_they_are_cut(
    store: Store, cuts: list[int]
) -> None:
    lines = frame(300)
    whole = store.write(LINES, HOUR, lines)
    edges = [0, *sorted(cuts), 300]
    with store.writer(LINES, HOUR, lines.schema) as writer:
        for start, end in pairwise(edges):
            writer.write(lines.slice(start, end - start))
    assert writer.file is not None
    assert writer.file.name != whole.name
    assert replace(writer.file, name=whole.name) == whole


def test_rows_are_grouped_alike_across_writes(store: Store) -> None:
    rows = pl.DataFrame({"n": range(2 * ROW_GROUP + 7)})
    whole = store.write(LINES, HOUR, rows)
    with store.writer(LINES, HOUR, rows.schema) as writer:
        for part in rows.iter_slices(50_000):
            writer.write(part)
    assert writer.file is not None
    assert writer.file.sha256 == whole.sha256
    groups = pq.ParquetFile(store.paths([published(whole)])[0]).metadata
    sizes = [groups.row_group(n).num_rows for n in range(groups.num_row_groups)]
    assert sizes == [ROW_GROUP, ROW_GROUP, 7]


@pytest.mark.parametrize(
    "other",
    [
        {"amount": pl.Float64()},
        {"amount": pl.Decimal(18, 2)},
        {"renamed": pl.Decimal(18, 4)},
        {"amount": pl.Decimal(18, 4), "more": pl.String()},
    ],
)
def test_a_frame_of_other_columns_is_refused(
    store: Store, other: Mapping[str, pl.DataType]
) -> None:
    with (
        pytest.raises(TieoutError, match="does not fit"),
        store.writer(LINES, HOUR, {"amount": pl.Decimal(18, 4)}) as writer,
    ):
        writer.write(pl.DataFrame(schema=dict(other)))
    assert files(store) == []


def files(store: Store) -> list[Path]:
    """Every file of the store, hidden ones too."""
    return sorted(p for p in store.root.rglob("*") if p.is_file())


def test_an_exception_leaves_no_file(store: Store) -> None:
    def rows() -> Iterator[pl.DataFrame]:
        yield frame(10)
        raise ZeroDivisionError

    def write() -> None:
        with store.writer(LINES, HOUR, frame(0).schema) as writer:
            for some in rows():
                writer.write(some)

    with pytest.raises(ZeroDivisionError):
        write()
    assert files(store) == []


def test_writing_again_never_touches_what_is_there(store: Store) -> None:
    names = {store.write(LINES, HOUR, frame(5)).name for _ in range(20)}
    assert len(names) == 20
    assert len(files(store)) == 20


@pytest.mark.parametrize(
    ("table", "partition"),
    [("../lines", HOUR), ("lines/..", HOUR), ("/lines", HOUR), ("lines//x", HOUR), (LINES, ".."),
     (LINES, "a/b"), (LINES, ""), ("lines/a\x00", HOUR), ("lines/.", HOUR)],
)  # fmt: skip
def test_names_cannot_leave_the_store(store: Store, table: str, partition: str) -> None:
    with pytest.raises(TieoutError):
        store.write(table, partition, frame(1))
    assert not store.root.exists()


def test_a_lost_or_cut_file_is_told_before_it_is_read(store: Store) -> None:
    file = store.write(LINES, HOUR, frame(5))
    [path] = store.paths([published(file)])
    with pytest.raises(TieoutError, match=r"has \d+ bytes, published were 1.*backup"):
        store.paths([published(replace(file, bytes=1))])
    Path(path).unlink()
    with pytest.raises(TieoutError, match=r"is missing.*backup"):
        store.paths([published(file)])


def test_paths_keep_the_order_of_publications(store: Store) -> None:
    made = [
        published(store.write(LINES, f"2026-10-{day:02d}", frame(day)), LINES, f"2026-10-{day:02d}")
        for day in (3, 1, 2)
    ]
    heights = [pl.read_parquet(path).height for path in store.paths(made)]
    assert heights == [3, 1, 2]
    assert store.paths([replace(made[0], files=())]) == []


# Evidence


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("settlement.csv", ".csv"),
        ("settlement.CSV.GZ", ".csv.gz"),
        ("a.b.tar.gz", ".tar.gz"),
        ("no_ending", ""),
        ("report.2026-10-05.csv", ".csv"),
        ("x.csv;rm -rf", ""),
        (".hidden", ""),
        ("x.ä", ""),
        ("x." + "y" * 11, ""),
    ],
)
def test_evidence_is_kept_as_received(store: Store, tmp_path: Path, name: str, kept: str) -> None:
    source = tmp_path / name
    content = gzip.compress(b"psp,amount\n1,2\n", mtime=0) * 1000
    source.write_bytes(content)
    sha256, size, relative = store.keep_evidence(source)
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert size == len(content)
    assert relative == f"evidence/{sha256[:2]}/{sha256}{kept}"
    assert store.evidence_path(relative).read_bytes() == content
    assert source.read_bytes() == content
    assert fingerprint(source) == (sha256, size)


def test_the_same_content_is_kept_once(store: Store, tmp_path: Path) -> None:
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_bytes(b"same")
    first, again, other = (
        store.keep_evidence(tmp_path / n) for n in ("one.csv",) * 2 + ("two.csv",)
    )
    assert first == again == other
    assert files(store) == [store.evidence_path(first[2])]


def test_damaged_evidence_is_told_on_keeping_it_again(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "one.csv"
    source.write_bytes(b"1,100.00")
    _, _, relative = store.keep_evidence(source)
    kept = store.evidence_path(relative)
    kept.chmod(0o600)
    kept.write_bytes(b"1,900.00")
    with pytest.raises(TieoutError, match="has changed since"):
        store.keep_evidence(source)
    assert kept.read_bytes() == b"1,900.00", "evidence is never replaced unasked"


def test_what_is_no_file_is_no_evidence(store: Store, tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ExtractError, match="no such file"):
            store.keep_evidence(path)
    assert files(store) == []


@pytest.mark.parametrize(
    "relative",
    ["", "/etc/passwd", "evidence/../../x", f"evidence/aa/{'a' * 64}/../x",
     f"evidence/aa/{'a' * 63}", f"evidence/aa/{'a' * 64}.csv\n", f"tables/aa/{'a' * 64}"],
)  # fmt: skip
def test_evidence_paths_cannot_leave_the_store(store: Store, relative: str) -> None:
    with pytest.raises(TieoutError, match="names no evidence"):
        store.evidence_path(relative)
