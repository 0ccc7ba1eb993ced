"""The sample as a whole: the same arguments give the same bytes, in bounded memory."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from tieout.config import load
from tieout.errors import TieoutError
from tieout.sample.events import EVENT_FEEDS
from tieout.sample.make import FEEDS, make_sample

FIRST = date(2026, 10, 1)


def _fingerprints(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _make(out: Path, seed: int = 7, days: int = 14, invoices: int = 9) -> dict[str, str]:
    last = FIRST + timedelta(days=days - 1)
    make_sample(out, seed=seed, first=FIRST, last=last, invoices_per_day=invoices)
    return _fingerprints(out)


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    once, again = _make(tmp_path / "a"), _make(tmp_path / "b")
    assert once == again
    other = _make(tmp_path / "c", seed=8)
    data = [name for name in once if name.endswith(".csv") and name != "labels.csv"]
    assert sum(once[name] == other.get(name) for name in data) < len(data) / 10


def test_a_day_does_not_depend_on_how_long_the_sample_is(tmp_path: Path) -> None:
    """What is carried over is a function of the day: a longer sample begins the same."""
    short, long = _make(tmp_path / "a", days=24), _make(tmp_path / "b", days=26)
    early = [name for name in short if any(f"10-{day:02d}" in name for day in range(1, 7))]
    assert len(early) > 6 * 29
    assert {name: long[name] for name in early} == {name: short[name] for name in early}


def test_files_lie_where_the_configuration_looks_for_them(tmp_path: Path) -> None:
    made = _make(tmp_path / "sample", days=2)
    settings = load(Path(__file__).parents[2] / "tieout.yaml", {})
    assert set(settings.feeds) == {*FEEDS, *EVENT_FEEDS}
    for name in EVENT_FEEDS:
        assert f"{name}/{name}_2026-10-02.ndjson" in made
    for feed in (settings.feeds[name] for name in FEEDS):
        assert feed.location is not None
        name = feed.location.removeprefix("sample/")
        name = name.format(date="2026-10-02", hour="2026-10-02T13")
        assert {name, f"{name}.manifest.json"} <= set(made)


@pytest.mark.parametrize("invoices", [1, 3])
def test_a_tiny_sample_is_whole(tmp_path: Path, invoices: int) -> None:
    made = _make(tmp_path, days=19, invoices=invoices)
    assert len([name for name in made if name.endswith(".csv")]) > 19 * 28


def test_progress_is_told_day_by_day(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def note(done: int, whole: int) -> None:
        told.append((done, whole))

    last = FIRST + timedelta(days=2)
    make_sample(tmp_path, seed=1, first=FIRST, last=last, invoices_per_day=1, progress=note)
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("days", "invoices", "words"),
    [(-1, 5, "ends"), (1, 0, "invoices a day"), (1, 2_000_000, "invoices a day")],
)
def test_a_span_or_size_that_makes_no_sample_is_refused(
    tmp_path: Path, days: int, invoices: int, words: str
) -> None:
    last = FIRST + timedelta(days=days)
    with pytest.raises(TieoutError, match=words):
        make_sample(tmp_path, seed=1, first=FIRST, last=last, invoices_per_day=invoices)
    assert list(tmp_path.iterdir()) == []


MEASURE = """
import resource, sys
from datetime import date
from pathlib import Path
from tieout.sample.events import EVENT_FEEDS
from tieout.sample.make import make_sample
report = make_sample(Path(sys.argv[1]), seed=7, first=date(2026, 10, 1),
                     last=date.fromisoformat(sys.argv[2]), invoices_per_day=2500)
print(report.total_rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_days(tmp_path: Path) -> None:
    """Three times the days, and so of the rows; the same memory but for what a few days need."""
    measured = []
    for last in ("2026-10-09", "2026-10-27"):
        command = [sys.executable, "-c", MEASURE, str(tmp_path / last), last]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
        measured.append([int(figure) for figure in done.stdout.split()])
    (few_rows, few_mb), (many_rows, many_mb) = measured
    written = sum(p.stat().st_size for p in (tmp_path / "2026-10-27").rglob("*.csv")) // 2**20
    assert many_rows > 3 * few_rows
    assert many_mb - few_mb < 80 < written / 5


def test_another_sample_leaves_nothing_of_the_one_before(tmp_path: Path) -> None:
    _make(tmp_path / "a", seed=1, days=17, invoices=2)
    (tmp_path / "a" / "usage" / "notes.txt").write_text("kept: not ours\n")
    once_more = _make(tmp_path / "a", seed=2, days=15, invoices=2)
    fresh = _make(tmp_path / "b", seed=2, days=15, invoices=2)
    assert once_more.pop("usage/notes.txt")
    assert once_more == fresh
