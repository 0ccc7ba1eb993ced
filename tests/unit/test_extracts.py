"""Where extracts are found, what is left alone, and what counts as new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest

from tests.inbox import LEDGER, Inbox, inbox, ledger, posting
from tieout.errors import ConfigurationError, ExtractError
from tieout.extracts import current, inspect, locate, take_in
from tieout.location import Location, location_of

DAY = "2026-10-05"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Inbox]:
    with inbox(tmp_path / "in", {"erp": LEDGER}) as opened:
        yield opened


def names(box: Inbox, feed: str, windows: list[str] | None = None) -> list[tuple[str, str]]:
    return [(f.window, f.name) for f in locate(box.workplace, feed, windows)]


FEED = "{{format: ledger_csv, location: '{}', entity: NL, every: {}}}"


@pytest.mark.parametrize(
    ("pattern", "every", "there", "found"),
    [
        ("a/{date}.csv", "day", "a/2026-10-05.csv", "2026-10-05"),
        ("a/{date}/*.csv", "day", "a/2026-10-05/x.csv", "2026-10-05"),
        ("a/*/{date}_*.csv.gz", "day", "a/b/2026-10-05_1.csv.gz", "2026-10-05"),
        ("a/{date}/f_{date}.csv", "day", "a/2026-10-05/f_2026-10-05.csv", "2026-10-05"),
        ("a/{hour}.csv", "hour", "a/2026-10-05T13.csv", "2026-10-05-13:00"),
        ("a/{hour}.csv", "day", "a/2026-10-05T13.csv", "2026-10-05"),
        ("{date}.csv", "day", "2026-10-05.csv", "2026-10-05"),
        ("a.b/[x]{date}.csv", "day", "a.b/[x]2026-10-05.csv", "2026-10-05"),
        ("a/{date}.csv", "day", "a/2026-10-05.csv.bak", None),
        ("a/{date}.csv", "day", "a/2026-13-05.csv", None),
        ("a/{date}.csv", "day", "a/2026-09-30.csv", None),
        ("a/{date}/f_{date}.csv", "day", "a/2026-10-05/f_2026-10-06.csv", None),
        ("a/{date}*", "day", "a/2026-10-05.csv.part", None),
        ("a/*{date}*", "day", "a/.2026-10-05.csv", None),
        ("a/{date}*", "day", "a/2026-10-05.csv.manifest.json", None),
        ("a/{date}.csv", "day", "a/b/2026-10-05.csv", None),
    ],
)
def test_a_location_finds_the_files_of_its_windows(
    tmp_path: Path, pattern: str, every: str, there: str, found: str | None
) -> None:
    with inbox(tmp_path, {"erp": FEED.format(pattern, every)}) as box:
        box.put(there, ledger(posting(1)))
        everywhere = [window for window, _ in names(box, "erp")]
        assert everywhere == ([] if found is None else [found])
        if found is not None:
            assert names(box, "erp", [found])
            other = "2026-10-06-00:00" if every == "hour" else "2026-10-06"
            assert names(box, "erp", [other]) == []


def test_windows_asked_for_by_the_hundred_are_found_alike(tmp_path: Path) -> None:
    with inbox(tmp_path, {"erp": FEED.format("k/{hour}.csv", "hour")}) as box:
        for hour in range(24):
            box.put(f"k/2026-10-05T{hour:02d}.csv", ledger(posting(hour)))
        keys = [f"2026-10-{d:02d}-{h:02d}:00" for d in range(1, 8) for h in range(24)]
        assert [w for w, _ in names(box, "erp", keys)] == keys[96:120]
        assert [w for w, _ in names(box, "erp", keys[100:103])] == keys[100:103]


@pytest.mark.parametrize(
    ("pattern", "every", "problem"),
    [
        ("a/*/../{date}.csv", "day", ".. and \\*\\* may not stand"),
        ("a/**/{date}.csv", "day", ".. and \\*\\* may not stand"),
        ("a/{date}.csv", "hour", "has no {hour}"),
        ("nothing-of-the-kind://a/{date}.csv", "day", "cannot be opened"),
    ],
)
def test_a_location_that_cannot_be_used_says_so(
    tmp_path: Path, pattern: str, every: str, problem: str
) -> None:
    feeds = {"erp": FEED.format(pattern, every)}
    with inbox(tmp_path, feeds) as box, pytest.raises(ConfigurationError, match=problem):
        names(box, "erp")


def test_a_link_out_of_the_location_is_refused_and_the_others_are_taken(
    box: Inbox, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text(ledger(posting(66)))
    box.put("ledger/2026-10-06.csv", ledger(posting(1)))
    (box.folder / "ledger" / f"{DAY}.csv").symlink_to(secret)
    with pytest.raises(ExtractError, match="a link out of the feed's location"):
        take_in(box.workplace, "erp", None)
    assert [e.window for e in current(box.workplace, "erp")] == ["2026-10-06"]
    kept = [p for p in (box.folder / ".tieout" / "store").rglob("*") if p.is_file()]
    assert not any(b"L66" in p.read_bytes() for p in kept)


@pytest.mark.parametrize("windows", [None, [DAY]])
@pytest.mark.parametrize("pattern", ["in/{date}.csv", "in/*.csv", "in/{date}*"])
@pytest.mark.parametrize("what", ["a folder, not a file", "leads nowhere"])
def test_what_has_a_file_s_name_and_is_none_is_told_and_the_others_are_taken(
    tmp_path: Path, pattern: str, windows: list[str] | None, what: str
) -> None:
    with inbox(tmp_path, {"erp": FEED.format(pattern, "day")}) as box:
        box.put("in/2026-10-06.csv", ledger(posting(1)))
        place = tmp_path / "in" / f"{DAY}.csv"
        if what == "leads nowhere":
            place.symlink_to(tmp_path / "in" / "gone.csv")
        else:
            place.mkdir()
        with pytest.raises(ExtractError) as told:
            take_in(box.workplace, "erp", windows)
        assert str(told.value).startswith(f"{place}: ")
        assert what in str(told.value)
        taken = [e.name for e in current(box.workplace, "erp", None)]
        assert "2026-10-06.csv" in taken or (windows and "{date}" in pattern)


def test_what_is_no_file_fails_only_its_own_window(tmp_path: Path) -> None:
    with inbox(tmp_path, {"erp": LEDGER}) as box:
        (tmp_path / "ledger" / f"{DAY}.csv").mkdir(parents=True)
        box.put("ledger/2026-10-06.csv", ledger(posting(1)))
        others = [f"2026-10-{n:02d}" for n in range(6, 32)]
        others += [f"2026-11-{n:02d}" for n in range(1, 31)]
        others += [f"2026-12-{n:02d}" for n in range(1, 31)]
        assert names(box, "erp", others) == [("2026-10-06", "2026-10-06.csv")]
        assert names(box, "erp", ["2026-10-06"]) == [("2026-10-06", "2026-10-06.csv")]


def test_a_folder_beside_files_of_any_name_is_no_file(tmp_path: Path) -> None:
    with inbox(tmp_path, {"erp": FEED.format("in/*", "day")}) as box:
        box.put(f"in/{DAY}.csv", ledger(posting(1)))
        (tmp_path / "in" / "archive").mkdir()
        assert names(box, "erp") == [(DAY, f"{DAY}.csv")]


def test_a_link_inside_the_location_and_a_linked_location_are_fine(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "original.csv").write_text(ledger(posting(1)))
    (real / f"{DAY}.csv").symlink_to(real / "original.csv")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ledger").symlink_to(real)
    with inbox(tmp_path / "in", {"erp": LEDGER}) as box:
        assert names(box, "erp") == [(DAY, f"{DAY}.csv")]


def test_the_same_content_is_one_extract_under_whatever_name(tmp_path: Path) -> None:
    with inbox(tmp_path, {"erp": FEED.format("in/{date}*.csv", "day")}) as box:
        box.put(f"in/{DAY}.csv", ledger(posting(1)))
        box.put(f"in/{DAY}_again.csv", ledger(posting(1)))
        assert len(take_in(box.workplace, "erp", None)) == 1
        assert box.read("erp")[0].rows["received"] == 1


def test_other_content_under_a_known_name_is_its_next_version(box: Inbox) -> None:
    box.put(f"ledger/{DAY}.csv", ledger(posting(1)))
    first = take_in(box.workplace, "erp", [DAY])
    assert take_in(box.workplace, "erp", [DAY]) == first
    box.put(f"ledger/{DAY}.csv", ledger(posting(2)))
    second = take_in(box.workplace, "erp", [DAY])
    assert second[0].sha256 != first[0].sha256
    every = box.workplace.register.extracts("erp", current=False)
    assert [e.sha256 for e in every] == [first[0].sha256, second[0].sha256]
    for extract in every:
        assert box.workplace.store.evidence_path(extract.evidence).is_file()


def test_a_file_that_says_no_day_belongs_to_the_day_of_its_latest_line(tmp_path: Path) -> None:
    with inbox(tmp_path, {"erp": FEED.format("in/*.csv", "day")}) as box:
        box.put("in/a.csv", ledger(posting(1), posting(2, posting_date="2026-10-09")))
        box.put("in/b.csv", ledger(posting(3), posting(4, posting_date="2206-10-09")))
        assert names(box, "erp") == [("2026-10-05", "b.csv"), ("2026-10-09", "a.csv")]
        assert names(box, "erp", ["2026-10-09"]) == [("2026-10-09", "a.csv")]
        box.put("in/empty.csv", ledger())
        with pytest.raises(ExtractError, match="its window cannot be told"):
            take_in(box.workplace, "erp", None)
        assert [r.rows["accepted"] for r in box.refresh("erp")] == [1, 2]


def test_a_file_larger_than_the_limit_is_not_taken_in(tmp_path: Path) -> None:
    with inbox(tmp_path, {"erp": LEDGER}, more="limits: {extract_mb: 1}") as box:
        box.put(f"ledger/{DAY}.csv", ledger(posting(1)) + "\n" * (1 << 20))
        with pytest.raises(ExtractError, match="more than limits"):
            take_in(box.workplace, "erp", None)


def test_files_elsewhere_are_fetched_through_fsspec(tmp_path: Path) -> None:
    elsewhere: Any = fsspec.filesystem("memory")
    feed = FEED.format("memory://bucket/erp/{date}.csv", "day")
    with inbox(tmp_path, {"erp": feed}) as box:
        elsewhere.pipe(f"/bucket/erp/{DAY}.csv", ledger(posting(1)).encode())
        elsewhere.pipe(f"/bucket/erp/{DAY}.csv.manifest.json", b'{"rows": 2}')
        elsewhere.pipe("/bucket/other.csv", b"x")
        try:
            report = box.read("erp")[0]
        finally:
            elsewhere.rm("/bucket", recursive=True)
        assert report.rows["accepted"] == 1
        assert box.failed("erp") == [("count", "count_mismatch")]
        assert list((tmp_path / ".tieout").glob("tmp*")) == []


def test_a_path_that_leaves_a_remote_location_is_not_matched() -> None:
    listed = ["bucket/erp/2026-10-05.csv", "bucket/erp/../secret/2026-10-05.csv"]
    fs = SimpleNamespace(protocol="s3", glob=lambda _: listed)
    location = Location(fs, "bucket/erp/{date}.csv", "erp")
    assert [path for path, _ in location.files(None, "day")] == listed[:1]


def test_a_feed_that_is_a_query_has_no_location(tmp_path: Path) -> None:
    feed = "{format: ledger_csv, url: 'sqlite:///erp.db', query: 'select 1'}"
    with (
        inbox(tmp_path, {"erp": feed}) as box,
        pytest.raises(ConfigurationError, match="has no location"),
    ):
        location_of(box.workplace.settings, "erp")


def test_progress_is_told(box: Inbox) -> None:
    box.put(f"ledger/{DAY}.csv", ledger(posting(1)))
    seen: list[tuple[int, int]] = []
    take_in(box.workplace, "erp", None, progress=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (1, 1)


def test_looking_at_a_file_says_what_would_become_of_it(box: Inbox) -> None:
    path = box.put(
        "x.csv",
        ledger(posting(1), posting(2, currency="USX"), posting(3, status="draft"), posting(1)),
        {"rows": 9},
    )
    seen = inspect(path, box.workplace.settings)
    assert seen.formats == ("ledger_csv",)
    assert seen.rows == {"received": 4, "accepted": 2, "quarantined": 1, "not_posted": 1}
    assert [q["reason"] for q in seen.quarantined] == ["unknown_currency"]
    assert [c["break_class"] for c in seen.checks if "break_class" in c] == ["count_mismatch"]
    assert seen.lines == ({"group": "clearing", "currency": "EUR", "count": 2, "amount": "20.00"},)
    assert "1 line id(s) come more than once" in seen.notes[0]
    assert not seen.holds
    assert seen.as_json()["error"] is None


def test_looking_refuses_what_a_run_refuses(tmp_path: Path) -> None:
    nameless = "{format: ledger_csv, location: 'erp/{date}.csv'}"
    with inbox(tmp_path, {"erp": nameless}) as box:
        settings = box.workplace.settings
        path = box.put("x.csv", ledger(posting(1)))
        assert [q["reason"] for q in inspect(path, settings).quarantined] == ["unknown_entity"]
        path = box.put("y.csv", ledger(posting(1)), {"sha256": "0" * 64})
        assert "manifest says 000" in (inspect(path, settings).error or "")
        path.with_name("y.csv.manifest.json").write_text('{"rows": 1')
        assert "the manifest is not JSON" in (inspect(path, settings).error or "")


def test_what_the_nearest_format_needs_besides_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    header, *rows = ledger(posting(1)).splitlines()
    path.write_text("\n".join([header.replace("journal_ref", "journal"), *rows, ""]))
    told = "nearest is ledger_csv, which also needs journal_ref"
    assert told in (inspect(path).error or "")


def test_a_file_nobody_knows_is_told_with_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    seen = inspect(path)
    assert seen.error is not None
    assert "no known format has these columns: a, b" in seen.error
    path.write_text(ledger(posting(1)).replace(",", ";"))
    assert "separated by a semicolon" in (inspect(path).error or "")
    with pytest.raises(ExtractError, match="no such file"):
        inspect(tmp_path / "none.csv")
