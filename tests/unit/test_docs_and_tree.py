"""The tree as a whole: what it may name, which way it imports, what the README promises."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import click
import pytest
import yaml

from pipelines.cli import tieout as command_line
from tests.documents import ROOT, fenced
from tieout.validation import validated

PACKAGES = ("tieout", "assets", "checks", "pipelines")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
STATEMENTS = sorted((ROOT / "sql").glob("**/*.sql"))


def files() -> list[Path]:
    """Every file that is, or is about to be, part of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def lines_with(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        numbered = enumerate(text.splitlines(), 1)
        found += [f"{path.relative_to(ROOT)}:{n}" for n, line in numbered if pattern.search(line)]
    return found


@cache
def modules() -> list[tuple[Path, ast.Module]]:
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def strings(tree: ast.Module) -> list[tuple[int, str]]:
    """Every string constant of a module, docstrings and parts of f-strings too, with its line."""
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [(node.lineno, node.value) for node in constants if isinstance(node.value, str)]


# What files may name


def test_no_package_registry_is_named() -> None:
    hosts = ["py" + r"pi\.org", "python" + r"hosted\.org", "registry.npm" + "js", "deb.deb" + "ian"]
    assert lines_with(re.compile("|".join(hosts)), files()) == []


def test_no_path_of_one_machine_is_named() -> None:
    folders = "|".join(["wo" + "rk", "ro" + "ot", "fa" + "rm"])
    assert lines_with(re.compile(rf"(^|[^A-Za-z0-9_.])/({folders})/[a-z.]"), files()) == []


# Which way it imports


def test_the_domain_runs_without_the_orchestrator(tmp_path: Path) -> None:
    """Every module of tieout is imported where Dagster cannot be, and none says a word."""
    script = """
import importlib, pkgutil, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0].startswith("dagster"):
            raise ImportError(f"{name} is not for the domain")
sys.meta_path.insert(0, Absent())
import tieout
names = [m.name for m in pkgutil.walk_packages(tieout.__path__, "tieout.")]
for name in names:
    if ".migrations." not in name:  # Alembic runs those
        importlib.import_module(name)
print(len(names), file=sys.stderr)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
    assert int(ran.stderr) > 40
    assert list(tmp_path.iterdir()) == []


def test_packages_do_nothing_when_they_are_imported() -> None:
    for path, tree in modules():
        if path.name == "__init__.py":
            assert ast.get_docstring(tree), f"{path} says nothing"
            work = [
                node
                for node in tree.body[1:]
                if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
            ]
            assert work == [], f"{path} does something"


def test_only_the_engine_opens_the_statements() -> None:
    for path, tree in modules():
        if path.is_relative_to(ROOT / "tieout" / "engine"):
            continue
        files_named = [s for s in strings(tree) if re.fullmatch(r"\S*\.sql|\S*\bsql/\S*", s[1])]
        joined = [
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            if isinstance(node.right, ast.Constant) and node.right.value == "sql"
        ]
        assert [*files_named, *joined] == [], path


def test_sql_is_never_put_together_from_strings() -> None:
    """Ruff's S608 is on for every package, finds such SQL, and is silenced nowhere."""
    sample = 'def rows(c, table: str) -> None:\n    c.execute(f"SELECT amount FROM {table}")\n'
    for package in PACKAGES:
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", "check", "--output-format", "json"]
            + ["--stdin-filename", f"{package}/sample.py", "-"],
            cwd=ROOT,
            input=sample,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "S608" in {found["code"] for found in json.loads(ran.stdout)}, ran.stderr
    silenced = re.compile(r"noqa.*S608|noqa\s*$|noqa(?!:)")
    assert lines_with(silenced, [path for path, _ in modules()]) == []


# The statements in sql/


def header(path: Path) -> list[str]:
    """The comment that opens a statement, one entry a topic; a topic may run over several lines."""
    topics: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("--"):
            break
        if line.startswith("--  "):
            topics[-1] += " " + line[2:].strip()
        else:
            topics.append(line[2:].strip())
    return topics


def test_there_are_statements() -> None:
    assert len(STATEMENTS) > 20


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: path.stem)
def test_a_statement_opens_with_its_grain_inputs_and_output(path: Path) -> None:
    topics = header(path)
    assert [topic.partition(": ")[0] for topic in topics] == ["grain", "inputs", "output"]
    assert all(len(topic.partition(": ")[2]) > 3 for topic in topics)


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: path.stem)
def test_a_statement_names_its_parameters_and_is_used(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    named = set(re.findall(r"\$[a-z_]+", header(path)[1]))
    assert named == set(re.findall(r"\$[a-z_]+", body))
    said = {text for _, tree in modules() for _, text in strings(tree)}
    families = [s for s in said if s.endswith("_") and path.stem.startswith(s)]
    assert path.stem in said or families, f"nothing runs {path.name}"


# What the README says


def test_the_commands_of_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    pattern = re.compile(r"(?:`|^)make ([a-z-]+)", re.MULTILINE)
    said = {name for page in PAGES for name in pattern.findall(page.read_text(encoding="utf-8"))}
    assert {"demo", "test"} <= said
    assert said <= targets


def calls() -> list[list[str]]:
    """Every call of `tieout` in the documents, as its arguments."""
    pattern = re.compile(r"(?:^|`)(?:\.venv/bin/)?tieout ((?!is |was )[a-z][^`#\n]*)", re.MULTILINE)
    found = [call for page in PAGES for call in pattern.findall(page.read_text(encoding="utf-8"))]
    return sorted({tuple(call.split()) for call in found}, key=str)


@pytest.mark.parametrize("call", calls(), ids=" ".join)
def test_a_command_line_of_the_documents_is_understood(call: list[str]) -> None:
    command: click.Command = command_line
    context = click.Context(command, info_name="tieout")
    words = list(call)
    while words and isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"tieout has no command {name}"
        command, context = found, click.Context(found, parent=context, info_name=name)
    known = {option for parameter in command.params for option in parameter.opts}
    options = {word.strip("[]").partition("=")[0] for word in words if word.lstrip("[")[0] == "-"}
    assert options <= known


def test_the_readmes_configuration_is_valid(tmp_path: Path) -> None:
    (example,) = fenced("yaml")
    path = tmp_path / "tieout.yaml"
    path.write_text(example, encoding="utf-8")
    found = validated(path)
    assert found.account_class("DE01", "1460") == "clearing"
    passes = found.reconciliations["settlement_to_ledger"].passes
    assert [p.shape for p in passes] == ["one_to_one", "many_to_one"]


def test_links_between_the_documents_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_documents_that_the_code_names_are_there() -> None:
    named = {
        found.rstrip(".")
        for path in files()
        if path.suffix in (".py", ".yaml", ".sql") and "tests" not in path.parts
        for found in re.findall(r"(?<![\w/.])docs/[\w/.-]+", path.read_text(encoding="utf-8"))
    }
    assert "docs/formats.md" in named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


# What is installed


def pins(lock: str) -> set[tuple[str, str]]:
    """Name (with extras) and version of everything a lock installs, each with at least one hash."""
    found = set()
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        requirement, *hashes = line.split(" --hash=")
        name, pinned, version = requirement.partition(";")[0].partition("==")
        assert pinned, f"{lock}: {requirement} is not pinned"
        assert hashes, f"{lock}: {requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", h) for h in hashes)
        found.add((name, version.strip()))
    return found


def test_both_locks_pin_the_same_versions_by_hash() -> None:
    runtime, development = pins("requirements.lock"), pins("requirements-dev.lock")
    assert len(runtime) > 50
    assert runtime - development == set()


def test_the_locks_hold_everything_the_project_asks_for() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)

    def names(requirements: list[object]) -> set[str]:
        texts = [text for text in requirements if isinstance(text, str)]
        return {re.split(r"[\[<>=~! ;]", text)[0].lower().replace("_", "-") for text in texts}

    def locked(lock: str) -> set[str]:
        return {name.partition("[")[0] for name, _ in pins(lock)}

    groups = project["dependency-groups"]
    assert names(project["project"]["dependencies"]) <= locked("requirements.lock")
    assert names(project["build-system"]["requires"]) <= locked("requirements.lock")
    assert names(groups["dev"]) | names(groups["build"]) <= locked("requirements-dev.lock")


def test_a_wheel_carries_the_data_files(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    data = {
        path.relative_to(ROOT).as_posix()
        for package in (*PACKAGES, "sql")
        for path in files()
        if path.is_relative_to(ROOT / package) and path.suffix != ".pyc"
    }
    assert {"sql/taken.sql", "tieout/formats/definitions/ledger_csv.yaml"} <= data
    assert data <= inside
    tops = {name.split("/")[0] for name in inside}
    assert tops == {*PACKAGES, "sql", "dagster.yaml", "tieout-0.1.0.dist-info"}


def test_dagsters_settings_load_and_production_differs_in_the_storage_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster._core.instance.ref import InstanceRef

    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://reader@localhost/dagster")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    read = {}
    for name, source in (("local", ROOT / "dagster.yaml"), ("production", ROOT / "deploy")):
        folder = tmp_path / name
        folder.mkdir()
        text = source.read_text() if name == "local" else (source / "dagster.yaml").read_text()
        (folder / "dagster.yaml").write_text(text)
        reference = InstanceRef.from_dir(str(folder))
        assert ("postgres" in str(reference.run_storage_data).lower()) == (name == "production")
        assert reference.settings["telemetry"] == {"enabled": False}
        assert reference.settings["run_retries"]["retry_on_asset_or_op_failure"] is False
        assert reference.settings["run_monitoring"]["enabled"] is True
        read[name] = yaml.safe_load(text)
    for settings in read.values():
        for part in ("storage", "event_log_storage", "concurrency"):
            settings.pop(part, None)
    assert read["local"] == read["production"]
