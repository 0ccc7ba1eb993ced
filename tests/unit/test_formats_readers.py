"""Files -> rows of text: every row of the file is there once, or the file is refused as a whole."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import ExtractError
from tieout.formats.binding import bind
from tieout.formats.models import Column, Format, Reader
from tieout.formats.readers import read_extract
from tieout.formats.reading import Request, StatedTotal, Table, TornRow
from tieout.settings import Limits

HEADER = "id,name,amount\n"


def layout(reader: Reader | None = None, **columns: Column) -> Format:
    named = columns or {
        "id": Column(header="id", required=True, description="x"),
        "name": Column(header="name", description="x"),
        "amount": Column(header="amount", type="decimal", required=True, description="x"),
    }
    return Format(
        name="tried",
        title="Tried",
        kind="ledger",
        documentation="none",
        reader=reader or Reader(),
        recognise=("id",),
        columns=named,
        line_id="id",
        row={},
        lines=({},),  # type: ignore[arg-type]
        control_amount="amount",
    )


class Read:
    """What was read of a file."""

    def __init__(
        self,
        path: Path,
        form: Format | None = None,
        limits: Limits | None = None,
        name: str | None = None,
        **options: str,
    ) -> None:
        request = Request(form or layout(), options, limits or Limits())
        frames: list[pl.DataFrame] = []
        self.torn: list[TornRow] = []
        self.tables: list[Table] = []
        for piece in read_extract(path, name or path.name, request):
            if piece.batch is None:
                self.tables.append(piece.table)
                continue
            frames.append(piece.batch.frame)
            self.torn += piece.batch.torn
        self.frame = pl.concat(frames) if frames else pl.DataFrame()

    @property
    def ids(self) -> list[tuple[int, str]]:
        return self.frame.select("source_row", "id").rows() if self.frame.height else []

    @property
    def notes(self) -> list[str]:
        return [note for table in self.tables for note in table.notes]

    @property
    def stated(self) -> list[StatedTotal]:
        return [total for table in self.tables for total in table.stated]


def put(tmp_path: Path, content: str | bytes, name: str = "in.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path, form: Format | None = None) -> str:
    with pytest.raises(ExtractError) as told:
        Read(path, form)
    assert path.name in str(told.value)
    return str(told.value)


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    path = put(tmp_path, HEADER + 'a,x,1\n\nb,"two\nlines",2\nc,z,3\n')
    assert Read(path).ids == [(2, "a"), (3, "b"), (4, "c")]


def test_rows_with_too_few_or_too_many_cells_are_named_with_number_and_text(tmp_path: Path) -> None:
    path = put(tmp_path, HEADER + "a,x,1\nb,x\nc,x,3\nd,x,4,5\ne,x,5\n")
    read = Read(path)
    assert read.ids == [(2, "a"), (4, "c"), (6, "e")]
    assert [(t.row, t.text) for t in read.torn] == [(3, "b,x"), (5, "d,x,4,5")]
    assert read.torn[0].message == "the row has 2 cells, the header 3"


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "a,x,1,,\nb,,,,\nc,z,3,,\n",
        "id,name,amount,,\na,x,1,,\nb,,,,\nc,z,3,,\n",
        HEADER + "a,x,1,\n\nb,,,\n,,,\nc,z,3,\n",
        'id,name,amount,\na,x,"1,234.00",\nb,,,\nc,1,100,\n',
    ],
)
def test_empty_cells_too_many_that_every_row_has_do_not_count(tmp_path: Path, text: str) -> None:
    read = Read(put(tmp_path, text))
    assert [i for _, i in read.ids if i] == ["a", "b", "c"]
    assert read.tables[0].headers == ("id", "name", "amount")
    assert not read.torn


@pytest.mark.parametrize(
    ("text", "rows", "torn"),
    [
        # An unquoted thousands separator, and an empty last cell: not the row of 1 it looks like.
        ("id,amount,name\na,1.00,x\nb,1,234.00,\n", ["a"], [3]),
        ("id,amount,name\nb,1,234.00,\n", [], [2]),
        ("id,amount,name\nb,-1,234.00,\nc,$2,500,\n", [], [2, 3]),
        ("id,amount,name\nb,234,50,\n", [], [2]),
        (HEADER + "a,x,1\nb,y,2,,\nc,z,3\n", ["a", "c"], [3]),
        # Rows of a file whose rows all end in an empty cell must end in it as well.
        (HEADER + "a,x,1,\nb,y,2\nc,z,3,\n", ["b"], [2, 4]),
        ("id,name,amount,\na,x,1,\nb,y,1,234.00\nc,z,1,234.00,\nd,z\n", ["a"], [3, 4, 5]),
    ],
)
def test_a_cell_too_many_tears_a_row_even_where_the_last_is_empty(
    tmp_path: Path, text: str, rows: list[str], torn: list[int]
) -> None:
    read = Read(put(tmp_path, text))
    assert [i for _, i in read.ids] == rows
    assert [t.row for t in read.torn] == torn
    assert all("1,234.00" in t.remedy for t in read.torn if t.text.count(",") > 2)


def test_a_cell_too_many_far_down_tears_its_row_alone(tmp_path: Path) -> None:
    rows = "".join(f"r{n},some name,{n},\n" for n in range(40_000))
    read = Read(put(tmp_path, HEADER + rows + "x,y,1,5\nz,y,1\nlast,y,1,\n"))
    assert len(read.ids) == 40_001
    assert read.ids[-1] == (40_004, "last")
    assert [(t.row, t.text) for t in read.torn] == [(40_002, "x,y,1,5"), (40_003, "z,y,1")]


@pytest.mark.parametrize("rows", [1, 99, 1_000, 60_000])
def test_row_numbers_hold_over_blocks_with_torn_rows_in_between(tmp_path: Path, rows: int) -> None:
    filling = "x" * 100
    text = "".join(f"{n},{filling},1\n" if n % 7 else f"{n},{filling}\n" for n in range(rows))
    read = Read(put(tmp_path, HEADER + text))
    expected = {n + 2: str(n) for n in range(rows)}
    assert dict(read.ids) == {row: i for row, i in expected.items() if (row - 2) % 7}
    assert [t.row for t in read.torn] == [row for row in expected if (row - 2) % 7 == 0]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=20), st.sampled_from([",", ";", "\t", "|"]))
def test_what_a_spreadsheet_writes_is_read_back_cell_by_cell(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], delimiter: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "name", "amount"])
    writer.writerows(rows)
    path = put(tmp_path_factory.mktemp("written"), out.getvalue())
    read = Read(path, delimiter=delimiter)
    assert [tuple(c or "" for c in row[:3]) for row in read.frame.rows()] == rows
    assert not read.torn


def test_the_table_may_stand_below_a_header_block(tmp_path: Path) -> None:
    text = 'Report,"made,\nfor us"\nFrom,2026-10-01\n\n' + HEADER + "a,x,1\n"
    read = Read(put(tmp_path, text), layout(Reader(starts_at="Amount")))
    assert read.ids == [(4, "a")]
    assert "amount" in refused(put(tmp_path, "no,table\n1,2\n"), layout(Reader(starts_at="amount")))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"\n\n  \n", "missing"),
        (b"id;name;amount\na;x;1\n", "separated by a semicolon"),
        (b"id\tname\tamount\na\tx\t1\n", "separated by a tab"),
        ("id,name,amount\na,x,1\n".encode("utf-16"), "UTF-16"),
        ("id,name,amount\na,x,1\n".encode("utf-16-le"), "UTF-16"),
        ("id,name,amount\na,Müller,1\n".encode("latin-1"), "byte 0xFC in line 2"),
        ("id,name,amount\na,x,1\nb,Mü".encode()[:-1], "middle of a character"),
        (b'id,name,amount\na,x,1\nb,"cut off', "inside a quoted cell"),
        (b'id,name,amount\na,"x,1\nb,x,2\n', "inside a quoted cell"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_is_wrong(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = put(tmp_path, content)

    def read() -> None:
        for piece in read_extract(path, path.name, Request(layout(), {}, Limits())):
            bind(layout(), piece.table.headers, {}, path.name)

    with pytest.raises(ExtractError, match=problem):
        read()


def test_a_header_and_no_rows_is_a_valid_empty_extract(tmp_path: Path) -> None:
    read = Read(put(tmp_path, HEADER))
    assert read.ids == []
    assert read.notes == ["the file has a header and no rows"]
    cut = put(tmp_path, HEADER.rstrip())
    assert "may be cut off" in Read(cut).notes[1]
    assert "ends in its header" in refused(cut, layout(Reader(ends_with_line_break=True)))


def test_a_byte_order_mark_is_taken_off(tmp_path: Path) -> None:
    path = put(tmp_path, b"\xef\xbb\xbf" + (HEADER + "a,x,1\n").encode())
    assert Read(path).ids == [(2, "a")]


def test_another_encoding_is_read_when_the_feed_says_so(tmp_path: Path) -> None:
    text = HEADER + "a,Müller €,1\n"
    read = Read(put(tmp_path, text.encode("windows-1252")), encoding="windows-1252")
    assert read.frame["name"][0] == "Müller €"
    assert Read(put(tmp_path, text.encode("utf-16")), encoding="utf-16").ids == [(2, "a")]


def test_stray_quotes_inside_cells_do_not_tear_a_file(tmp_path: Path) -> None:
    read = Read(put(tmp_path, HEADER + 'a,5" pipe,1\nb,x,2\n'))
    assert read.frame["name"].to_list() == ['5" pipe', "x"]


def test_a_last_row_without_a_line_break_is_held_back_where_the_sender_always_ends_rows(
    tmp_path: Path,
) -> None:
    path = put(tmp_path, HEADER + "a,x,1\nb,y,2")
    careless = Read(path)
    assert careless.ids == [(2, "a"), (3, "b")]
    assert "may be cut off" in careless.notes[0]
    careful = Read(path, layout(Reader(ends_with_line_break=True)))
    assert careful.ids == [(2, "a")]
    assert [(t.row, t.text) for t in careful.torn] == [(3, "b,y,2")]


def test_columns_are_found_in_any_order_and_case_and_new_ones_are_told(tmp_path: Path) -> None:
    form = layout(
        id=Column(header="id", aliases=("key",), required=True, description="x"),
        amount=Column(header="amount", required=True, description="x"),
        note=Column(header="note", description="x"),
    )
    read = Read(put(tmp_path, "AMOUNT,Extra,Key,,Extra\n1,e,a,f,g\n"), form)
    bound = bind(form, read.tables[0].headers, {}, "in.csv")
    assert bound.places == {"id": "Key", "amount": "AMOUNT", "note": None}
    assert bound.new == ("Extra", "column 4", "Extra (2)")
    frame = bound.select(read.frame, 7)
    assert frame.rows() == [(7, 2, "a", "1", None)]


def test_missing_required_columns_are_told_beside_what_was_found() -> None:
    with pytest.raises(ExtractError) as told:
        bind(layout(), ["id", "Betrag"], {}, "in.csv")
    assert "missing column(s) amount" in str(told.value)
    assert "the file has id, Betrag" in str(told.value)
    assert bind(layout(), ["id", "Betrag"], {"column.amount": "betrag"}, "in.csv").places == {
        "id": "id",
        "name": None,
        "amount": "Betrag",
    }


TEXT = (HEADER + "".join(f"{n},some name,{n}.50\n" for n in range(500))).encode()


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def test_gz_and_zip_read_as_what_is_in_them(tmp_path: Path) -> None:
    plain = Read(put(tmp_path, TEXT)).ids
    assert len(plain) == 500
    assert Read(put(tmp_path, gzip.compress(TEXT), "in.csv.gz")).ids == plain
    assert Read(put(tmp_path, zipped(("in.csv", TEXT)), "in.zip")).ids == plain
    two = Read(put(tmp_path, zipped(("b.csv", TEXT), ("a.csv", TEXT)), "two.zip"))
    assert [row for row, _ in two.ids] == [*range(2, 502), *range(503, 1003)]


@pytest.mark.parametrize("kept", range(1, 2_000, 97))
def test_a_torn_gz_is_refused_wherever_it_is_cut(tmp_path: Path, kept: int) -> None:
    packed = gzip.compress(TEXT, mtime=0)
    assert len(packed) > kept
    cut = put(tmp_path, packed[:kept], "in.csv.gz")
    assert "torn" in refused(cut)


def test_a_gz_with_a_changed_byte_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT, mtime=0))
    packed[-5] ^= 0xFF  # in the checksum
    assert "torn or damaged" in refused(put(tmp_path, bytes(packed), "in.csv.gz"))
    whole = zipped(("in.csv", TEXT))
    assert "torn or damaged" in refused(put(tmp_path, whole[:-30], "in.zip"))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("in.gz", gzip.compress(gzip.compress(TEXT)), "archive inside an archive"),
        ("in.zip", zipped(("x.zip", zipped(("in.csv", TEXT)))), "archive inside an archive"),
        ("in.zip", zipped(("../in.csv", TEXT)), "leaves the archive"),
        ("in.zip", zipped(("a/../../in.csv", TEXT)), "leaves the archive"),
        ("in.zip", zipped(("/etc/in.csv", TEXT)), "leaves the archive"),
        ("in.zip", zipped(("C:\\in.csv", TEXT)), "leaves the archive"),
        ("in.zip", zipped(), "archive is empty"),
        ("in.zip", zipped(*((f"{n}.csv", b"") for n in range(1_001))), "1001 files"),
        ("in.gz", gzip.compress(HEADER.encode() + b"0" * 8_000_000), "unpack_ratio"),
        ("in.zip", zipped(("in.csv", HEADER.encode() + b"0" * 8_000_000)), "unpack_ratio"),
    ],
)
def test_hostile_archives_are_refused(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    assert problem in refused(put(tmp_path, content, name))


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("in.csv")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    assert "is a link" in refused(put(tmp_path, out.getvalue(), "in.zip"))


def test_what_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    big = HEADER.encode() + b"a,x,1\n" * 400_000
    path = put(tmp_path, gzip.compress(big, 1), "in.csv.gz")
    with pytest.raises(ExtractError, match="extract_mb"):
        Read(path, limits=Limits(extract_mb=1, unpack_ratio=1_000))


def test_ndjson_numbers_stay_the_text_they_were(tmp_path: Path) -> None:
    lines = [
        '{"id": "a", "amount": 0.1000000000000000055511151231257827, "name": {"of": "x"}}',
        "not json",
        "",
        '{"id": 7, "amount": 1e3}',
        '["id"]',
        '{"id": null, "amount": true, "more": [1, 2]}',
    ]
    form = layout(
        id=Column(header="id", required=True, description="x"),
        amount=Column(header="amount", required=True, description="x"),
        of=Column(header="name.of", description="x"),
    )
    read = Read(put(tmp_path, "\n".join(lines) + "\n", "in.ndjson"), form)
    assert read.frame.select("source_row", "id", "amount", "name.of").rows() == [
        (1, "a", "0.1000000000000000055511151231257827", "x"),
        (3, "7", "1e3", None),
        (5, None, "true", None),
    ]
    assert [t.row for t in read.torn] == [2, 4]
    assert "JSON array" in refused(put(tmp_path, "[\n{}\n]\n", "array.ndjson"), form)


def test_a_column_that_comes_late_in_ndjson_is_not_lost(tmp_path: Path) -> None:
    lines = [json.dumps({"id": str(n), "amount": "1"}) for n in range(1_500)]
    lines.append(json.dumps({"id": "z", "amount": "1", "name": "late"}))
    read = Read(put(tmp_path, "\n".join(lines) + "\n", "in.jsonl"))
    assert read.frame.filter(pl.col("id") == "z")["name"][0] == "late"


def test_parquet_becomes_exact_text_in_utc(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pl.DataFrame(
        {
            "id": [1, None],
            "amount": pl.Series(["0.10", "-12345678901234.5678"]).cast(pl.Decimal(38, 4)),
            "day": [date(2026, 10, 5), None],
            "at": pl.Series(
                [datetime(2026, 10, 5, 1, tzinfo=UTC), None], dtype=pl.Datetime("us", "UTC")
            ).dt.convert_time_zone("Europe/Amsterdam"),
            "done": [True, None],
        }
    ).write_parquet(path)
    read = Read(path)
    assert read.frame.drop("source_row").rows() == [
        ("1", "0.1000", "2026-10-05", "2026-10-05 01:00:00.000000", "true"),
        (None, "-12345678901234.5678", None, None, None),
    ]
    assert read.tables[0].iso_dates


def test_binary_floating_point_is_refused_where_it_is_an_amount(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pl.DataFrame({"id": ["a"], "amount": [0.1]}).write_parquet(path)
    assert "binary floating point" in refused(path)
    pl.DataFrame({"id": ["a"], "amount": ["1"], "score": [0.1]}).write_parquet(path)
    assert Read(path).ids == [(1, "a")]


def test_packed_parquet_is_read_within_the_bounds(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pl.DataFrame({"id": ["a", "b"], "amount": ["1", "2"]}).write_parquet(path)
    whole = path.read_bytes()
    expected = [(1, "a"), (2, "b")]
    assert Read(put(tmp_path, gzip.compress(whole), "in.parquet.gz")).ids == expected
    both = Read(put(tmp_path, zipped(("a.parquet", whole), ("b.parquet", whole)), "in.zip"))
    assert both.ids == [*expected, (3, "a"), (4, "b")]
    bomb = gzip.compress(whole[:4] + b"0" * 8_000_000)
    assert "unpack_ratio" in refused(put(tmp_path, bomb, "bomb.parquet.gz"))
    torn = gzip.compress(whole[:-9])
    assert "no whole Parquet file" in refused(put(tmp_path, torn, "torn.parquet.gz"))


def test_torn_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pl.DataFrame({"id": ["a"], "amount": ["1"]}).write_parquet(path)
    whole = path.read_bytes()
    assert "no whole Parquet file" in refused(put(tmp_path, whole[:-9], "torn.parquet"))


SECTIONS = layout(
    Reader.model_validate(
        {
            "type": "sections",
            "records": {
                "body": ["SB"],
                "header_row": "CH",
                "trailers": [
                    {"record": "SF", "scope": "section", "count": 1, "total": 2, "currency": 3},
                    {"record": "RF", "count": 1},
                ],
                "ignore": ["RH", "SH"],
            },
        }
    )
)
FILE = """RH,2026-10-05,settlement
SH,section 1
CH,id,name,amount
SB,a,x,1.00
SB,b,y,2.50
SF,2,3.50,EUR
SH,section 2
CH,id,name,amount
SB,c,z,5.00
SF,1,5.00,EUR
RF,3
"""


def test_record_types_are_sorted_out_and_trailers_kept(tmp_path: Path) -> None:
    read = Read(put(tmp_path, FILE), SECTIONS)
    assert read.ids == [(4, "a"), (5, "b"), (9, "c")]
    assert read.stated == [
        StatedTotal("SF 1", 2, 2, Decimal("3.50"), "EUR", 0, 6),
        StatedTotal("SF 2", 1, 1, Decimal("5.00"), "EUR", 6, 10),
        StatedTotal("RF", 3, 3),
    ]


def test_an_unknown_record_type_and_a_short_row_are_torn_rows(tmp_path: Path) -> None:
    text = FILE.replace("SB,b,y,2.50", "SB,b,y").replace("SB,c", "XX,c")
    read = Read(put(tmp_path, text), SECTIONS)
    assert read.ids == [(4, "a")]
    assert [(t.row, t.message) for t in read.torn] == [
        (5, "the row has 3 cells, 4 are expected"),
        (9, "no record type 'XX' is known"),
    ]


def test_cells_too_many_in_record_types_follow_the_same_rule(tmp_path: Path) -> None:
    every = FILE.replace("1.00\n", "1.00,\n").replace("2.50\n", "2.50,\n")
    every = every.replace("5.00\n", "5.00,\n")
    read = Read(put(tmp_path, every), SECTIONS)
    assert read.ids == [(4, "a"), (5, "b"), (9, "c")]
    assert read.tables[0].headers == ("CH", "id", "name", "amount")
    header = Read(put(tmp_path, every.replace("amount\n", "amount,\n")), SECTIONS)
    assert header.ids == read.ids
    one = Read(put(tmp_path, FILE.replace("SB,b,y,2.50", "SB,b,2,500,")), SECTIONS)
    assert one.ids == [(4, "a"), (9, "c")]
    assert [(t.row, "1,234.00" in t.remedy) for t in one.torn] == [(5, True)]


@pytest.mark.parametrize(
    ("lines", "record"), [(4, "SF"), (5, "SF"), (6, "RF"), (9, "SF"), (10, "RF")]
)
def test_a_file_without_its_trailer_was_cut_off(tmp_path: Path, lines: int, record: str) -> None:
    cut = "\n".join(FILE.splitlines()[:lines]) + "\n"
    assert f"does not end with a {record} record" in refused(put(tmp_path, cut), SECTIONS)


def test_columns_by_position_need_no_header_record(tmp_path: Path) -> None:
    form = layout(
        Reader.model_validate(
            {
                "type": "sections",
                "delimiter": ";",
                "records": {"body": ["T"], "positions": ["kind", "id", "amount"], "ignore": ["H"]},
            }
        )
    )
    read = Read(put(tmp_path, "H;x\nT;a;1\nT;b;2\n"), form)
    assert read.ids == [(2, "a"), (3, "b")]


def test_tsv_by_its_name(tmp_path: Path) -> None:
    path = put(tmp_path, "id\tname\tamount\na\tx,y\t1\n", "in.tsv")
    assert Read(path).ids == [(2, "a")]
