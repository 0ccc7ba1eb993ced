"""`tieout validate` and what stands behind it: every problem with its line."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from pipelines.cli import tieout
from tieout.errors import ConfigurationError
from tieout.validation import validated

RIGHT = dedent("""\
    company: Example GmbH
    calendar: {start: 2026-10-01}
    entities:
      DE01: {name: Example GmbH, currency: EUR}
    accounts:
      "*": {"1460": clearing}
    feeds:
      adyen: {format: adyen_settlement_detail, location: "adyen/*.csv"}
      ledger: {format: ledger_csv, location: "ledger/{date}.csv"}
    reconciliations:
      settlement_to_ledger:
        source: {feeds: [adyen]}
        target: {feeds: [ledger], where: {account_class: [clearing]}}
        passes:
          - name: by_line
            shape: one_to_one
            key: {source: [line_id], target: [line_ref]}
          - name: by_batch
            shape: many_to_one
            key:
              source: [settlement_batch, component]
              target: [batch_ref, component]
    """)
QUERY = "select :window_start, :window_end order by 1"


def run(tmp_path: Path, text: str, *arguments: str) -> Result:
    (tmp_path / "tieout.yaml").write_text(text)
    path = str(tmp_path / "tieout.yaml")
    return CliRunner().invoke(tieout, ["validate", "--config", path, *arguments])


def test_a_right_configuration_is_said_to_be_right(tmp_path: Path) -> None:
    result = run(tmp_path, RIGHT)
    assert result.exit_code == 0, result.output
    assert "is valid: Example GmbH, 1 entity, 2 feeds, 1 reconciliation, 2 passes." in result.stdout
    shown = json.loads(run(tmp_path, RIGHT, "--json").stdout)
    assert shown["feeds"] == {"adyen": "adyen_settlement_detail", "ledger": "ledger_csv"}
    assert shown["reconciliations"] == {"settlement_to_ledger": ["by_line", "by_batch"]}


@pytest.mark.parametrize(
    ("was", "becomes", "line", "said"),
    [
        ("ledger_csv", "ledger_cvs", 9, "no format 'ledger_cvs' (did you mean 'ledger_csv'?)"),
        ("[line_id]", "[lime_id]", 17, "settlement lines have no column 'lime_id'"),
        ("[batch_ref, component]", "[batch_ref, catgory]", 22, "no column 'catgory'"),
        ("where: {account_class", "where: {acount_class", 13, "no column 'acount_class'"),
        ("{feeds: [adyen]}", "{feeds: [adyen, ledger]}", 12, "mixes ledger and settlement lines"),
        ("currency: EUR", "currency: EURO", 4, "unknown currency 'EURO'"),
        ("2026-10-01", "1/10/2026", 2, "no day of the calendar; write it as 2026-10-31"),
        ("{account_class: [clearing]}", "{account_class: [cleering]}", 13, "'clearing'?"),
        ("feeds: [adyen]", "feeds: [adyen], where: {category: [charges]}", 12, "'charge'?"),
        ('*.csv"', '*.csv", options: {zonee: "CET"}', 8, "no option 'zonee'; options are decimal,"),
        ('*.csv"', '*.csv", options: {format.at: "%d"}', 8, "no option 'format.at'"),
        ('*.csv"', '*.csv", every: hour', 8, "its location has no {hour}"),
        ("adyen/*.csv", "adyen/*/../x.csv", 8, ".. and ** may not stand in"),
        ("adyen/*.csv", "foo://bucket/x", 8, "Protocol not known: foo"),
        ('location: "adyen/*.csv"', 'url: "sqlite:///x.db"', 8, "no query of its own"),
        ('location: "adyen/*.csv"', 'url: "nosuch://x", query: "select 1"', 8, "parameters none"),
        ('location: "adyen/*.csv"', f"url: x, query: '{QUERY}'", 8, "this is not a database URL"),
        ("shape: one_to_one", "days: [3, 1]\n        shape: one_to_one", 16, "e.g. [1, 3]"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, was: str, becomes: str, line: int, said: str
) -> None:
    result = run(tmp_path, RIGHT.replace(was, becomes))
    assert result.exit_code == 2
    assert result.stdout == ""
    found = [row for row in result.stderr.splitlines() if said in row]
    assert len(found) == 1
    assert f"tieout.yaml:{line}: " in found[0]


def test_a_folder_of_formats_that_is_not_there_is_told_with_its_line(tmp_path: Path) -> None:
    result = run(tmp_path, RIGHT + "formats: layouts\n")
    assert result.exit_code == 2
    line = RIGHT.count("\n") + 1
    assert f"tieout.yaml:{line}: no folder {tmp_path / 'layouts'}; name the folder" in result.stderr


def test_a_wrong_format_of_ones_own_is_told_with_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "layouts").mkdir()
    (tmp_path / "layouts" / "bank.yaml").write_text("name: bank\nkind: bank\n")
    result = run(tmp_path, RIGHT + "formats: layouts\n")
    assert result.exit_code == 2
    assert f"{tmp_path / 'layouts' / 'bank.yaml'}:2: kind: Input should be" in result.stderr
    assert "bank.yaml:1: title is required" in result.stderr


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "tieout.yaml"
    path.write_text(RIGHT.replace("ledger_csv", "x").replace("adyen_settlement_detail", "y"))
    with pytest.raises(ConfigurationError) as raised:
        validated(path)
    assert raised.value.problem.startswith("2 problem(s)")


def test_without_a_configuration_it_says_what_to_write(tmp_path: Path) -> None:
    result = CliRunner().invoke(tieout, ["validate", "--config", str(tmp_path / "none.yaml")])
    assert result.exit_code == 2
    assert "no configuration at" in result.stderr
    assert "--config" in result.stderr


def test_the_schema_is_json_schema_and_needs_no_configuration(tmp_path: Path) -> None:
    result = CliRunner().invoke(tieout, ["validate", "--schema"], env={"TIEOUT_CONFIG": "none"})
    schema = json.loads(result.stdout)
    assert schema["$schema"].endswith("2020-12/schema")
    assert {"feeds", "entities", "reconciliations"} <= set(schema["properties"])
    assert tmp_path.exists()


def test_the_schema_says_of_every_setting_what_it_is() -> None:
    result = CliRunner().invoke(tieout, ["validate", "--schema"])
    schema = json.loads(result.stdout)
    parts = {"tieout.yaml": schema, **schema["$defs"]}
    settings = {f"{n}.{s}": own for n, p in parts.items() for s, own in p["properties"].items()}
    assert len(settings) > 70
    assert [name for name, own in settings.items() if not own.get("description")] == []
    assert "positive" in settings["Side.sign"]["description"]


def test_formats_are_listed_and_shown_without_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    listed = runner.invoke(tieout, ["formats", "list"])
    assert listed.exit_code == 0, listed.output
    assert any(row.startswith("ledger_csv ") for row in listed.stdout.splitlines())
    shown = runner.invoke(tieout, ["formats", "show", "ledger_csv"])
    assert "What they become:" in shown.stdout
    as_json = json.loads(runner.invoke(tieout, ["formats", "show", "ledger_csv", "--json"]).stdout)
    assert as_json["kind"] == "ledger"
    names = [
        row["name"]
        for row in json.loads(runner.invoke(tieout, ["formats", "list", "--json"]).stdout)
    ]
    assert "ledger_csv" in names
    wrong = runner.invoke(tieout, ["formats", "show", "ledger_cvs"])
    assert wrong.exit_code == 2
    assert "did you mean 'ledger_csv'?" in wrong.stderr


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("location: 'in/{foo}.csv'", "has {foo}, which stands for nothing"),
        ("tolerance: {bse: source}", "allowed here: absolute, base, label, percent, rule"),
        ("timing_days: soon", "a list is meant here, e.g. [-1, 5] for days (given: 'soon')"),
        ("chain: [u2l, u2l]", "'u2l' is joined to itself; name two reconciliations"),
        ("chain: [u2l, around]", "'around' is a chain itself"),
    ],
)
def test_what_cannot_mean_anything_is_told_with_its_line(
    tmp_path: Path, written: str, told: str
) -> None:
    kind, _, rest = written.partition(": ")
    location = rest if kind == "location" else "'in/{date}.csv'"
    more = f"\n    {written}" if kind == "timing_days" else ""
    tolerance = f"\n        {written}" if kind == "tolerance" else ""
    around = f"\n  around: {{{written}}}" if kind == "chain" else ""
    text = f"""\
company: A
calendar: {{start: 2026-10-01}}
entities: {{A: {{name: A, currency: EUR}}}}
accounts: {{"*": {{"1": revenue}}}}
feeds:
  usage: {{format: usage_csv, location: {location}}}
  ledger: {{format: ledger_csv, location: "l/{{date}}.csv"}}
reconciliations:
  u2l:{more}
    source: {{feeds: [usage]}}
    target: {{feeds: [ledger]}}
    passes:
      - name: p
        shape: one_to_one
        key: {{source: [line_id], target: [line_ref]}}{tolerance}{around}
"""
    config = tmp_path / "tieout.yaml"
    config.write_text(text)
    result = CliRunner().invoke(tieout, ["validate", "--config", str(config)])
    assert result.exit_code == 2, result.output
    line = next(n for n, row in enumerate(text.splitlines(), 1) if rest in row)
    assert f"tieout.yaml:{line}: " in result.output
    assert told in result.output
