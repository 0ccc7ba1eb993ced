"""`tieout sample`: the same arguments give the same files, and two samples never mix."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from click.testing import CliRunner, Result

from pipelines.cli import tieout
from tieout.cli.sample import MARK

FOUR_A_DAY = ("--invoices-per-day", "4", "--from", "2026-10-01", "--to", "2026-10-02")


def run(out: Path, *arguments: str) -> Result:
    return CliRunner().invoke(tieout, ["sample", "--out", str(out), *arguments])


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_the_same_arguments_give_the_same_bytes_and_are_not_made_twice(tmp_path: Path) -> None:
    first = run(tmp_path / "a", *FOUR_A_DAY)
    assert first.exit_code == 0, first.output
    assert "labelled break" in first.stdout
    run(tmp_path / "b", *FOUR_A_DAY)
    made = content(tmp_path / "a")
    assert made == content(tmp_path / "b")
    assert "labels.csv" in made
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*")}
    again = run(tmp_path / "a", *FOUR_A_DAY)
    assert again.exit_code == 0
    assert "holds this very sample already" in again.stdout
    assert times == {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*")}


def test_a_folder_with_another_sample_is_left_alone(tmp_path: Path) -> None:
    run(tmp_path, *FOUR_A_DAY)
    before = content(tmp_path)
    other = run(tmp_path, *FOUR_A_DAY, "--seed", "8")
    assert other.exit_code == 1
    assert "holds another sample (seed 7, 2026-10-01 to 2026-10-02, 4" in other.stderr
    assert content(tmp_path) == before


def test_a_sample_of_an_older_generator_is_made_again(tmp_path: Path) -> None:
    run(tmp_path, *FOUR_A_DAY)
    wanted = content(tmp_path)
    mark = json.loads((tmp_path / MARK).read_text())
    (tmp_path / MARK).write_text(json.dumps(mark | {"made_by": "older"}))
    (tmp_path / "labels.csv").write_text("older")
    again = run(tmp_path, *FOUR_A_DAY)
    assert again.exit_code == 0, again.output
    assert content(tmp_path) == wanted


def test_days_the_wrong_way_round_are_refused(tmp_path: Path) -> None:
    result = run(tmp_path, "--from", "2026-10-02", "--to", "2026-10-01")
    assert result.exit_code == 2
    assert "swap the days" in result.stderr
    assert not (tmp_path / MARK).exists()
