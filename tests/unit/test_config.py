"""tieout.yaml: every error names its line and the remedy, and no secret is ever shown."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tieout.config import json_schema, load
from tieout.errors import ConfigurationError
from tieout.settings import Settings

COMPANY = """\
company: Example
calendar:
  start: 2026-10-01
entities:
  US01:
    name: Example Inc
    currency: USD
    known_as:
      - ExampleUS
  DE01:
    name: Example GmbH
    currency: EUR
accounts:
  "*":
    "0110": clearing
  DE01:
    "1460": clearing
feeds:
  processor:
    format: adyen_settlement_detail
    location: extracts/{date}/*.csv
    every: hour
  books:
    format: ledger_csv
    url: postgresql://reader:${PASSWORD}@db.internal/erp
    options:
      zone: ${ZONE}
reconciliations:
  settlement_to_ledger:
    source:
      feeds: [processor]
    target:
      feeds: [books]
      where:
        account_class: [clearing]
    timing_days: [-1, 5]
    passes:
      - name: by_line
        shape: one_to_one
        key:
          source: [line_id]
          target: [line_ref]
        tolerance:
          absolute: 0.10
register_url: postgresql://writer:${PASSWORD}@db.internal/register
"""
ENVIRONMENT = {"PASSWORD": "hunter2hunter2", "ZONE": "UTC"}


def written(folder: Path, text: str) -> Path:
    path = folder / "tieout.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    """The problems `load` finds, each as `line: text`."""
    path = written(folder, text)
    with pytest.raises(ConfigurationError) as raised:
        load(path, ENVIRONMENT if environment is None else environment)
    found = str(raised.value).split(" -> ")[0].splitlines()
    return [line.removeprefix(f"{path}:") for line in found if line.startswith(f"{path}:")]


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_a_valid_file_becomes_typed_settings(tmp_path: Path) -> None:
    found = load(written(tmp_path, COMPANY), ENVIRONMENT)
    assert found.base == tmp_path.resolve()
    assert found.feeds["books"].url == "postgresql://reader:hunter2hunter2@db.internal/erp"
    assert found.reconciliations["settlement_to_ledger"].timing_days == (-1, 5)
    tolerance = found.reconciliations["settlement_to_ledger"].passes[0].tolerance
    assert tolerance.absolute == Decimal("0.10")
    assert tolerance.absolute.as_tuple().exponent == -2  # never read as a float
    assert found.account_class("US01", "0110") == "clearing"  # an account is text, not a number
    assert found.account_class("DE01", "1460") == "clearing"
    assert found.account_class("US01", "1460") is None
    assert found.entity_names()["ExampleUS"] == "US01"
    assert found.entity_names()["US01"] == "US01"
    assert "Nobody" not in found.entity_names()


@pytest.mark.parametrize(
    ("old", "new", "line_with", "said"),
    [
        ("    currency: USD", "    currency: USX", "  US01:", "unknown currency 'USX'"),
        ("    every: hour", "    evry: hour", "evry", "did you mean 'every'?"),
        ("    every: hour", "    every: week", "every", "'hour' or 'day' (given: 'week')"),
        ("start: 2026-10-01", "start: 2026-13-01", "start", "calendar.start"),
        ("start: 2026-10-01", "start: 0001-01-01", "start", "1970-01-01"),
        ("company: Example\n", "", "calendar", "company is required"),
        ("feeds: [processor]", "feeds: [procesor]", "[procesor]", "no feed 'procesor'; feeds are"),
        ("  DE01:\n    name", "  D E:\n    name", "  D E:", "String should match pattern"),
        ("      - ExampleUS", "      - DE01", "- DE01", "'DE01' is already a name of DE01"),
        ('  "*":', "  FR01:", "  FR01:", "no entity 'FR01'; entities are"),
        ("clearing\n  DE01", "cash\n  DE01", '"0110"', "'clearing', 'bank', 'receivable'"),
        ("[-1, 5]", "[1, 5]", "  settlement_to_ledger", "timing_days must span 0"),
        ("[-1, 5]", "[-1, soon]", "timing_days", "valid integer"),
        ("[-1, 5]", "[-1]", "timing_days", "required"),
        ("one_to_one", "one_to_two", "shape", "(given: 'one_to_two')"),
        ("[line_ref]", "[line_ref, account]", "        key", "as many columns or more|as many"),
        ("absolute: 0.10", "absolute: NaN", "absolute", "finite"),
        ("absolute: 0.10", "absolute: -1", "absolute", "greater than or equal to 0"),
        ("    location: extracts/{date}/*.csv\n", "", "  processor", "a feed has a location"),
        ("    location: extracts/{date}/*.csv", "    location:", "location", "at least 1"),
    ],
)
def test_an_error_names_the_line_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, line_with: str, said: str
) -> None:
    text = COMPANY.replace(old, new, 1)
    assert text != COMPANY
    found = problems(tmp_path, text)
    assert len(found) == 1, found
    number = line_of(text, line_with) if line_with != "calendar" else 1
    assert found[0].startswith(f"{number}: "), found
    assert any(option in found[0] for option in said.split("|")), found


def test_every_problem_is_named_at_once_in_order_of_lines(tmp_path: Path) -> None:
    text = COMPANY.replace("currency: USD", "currency: USX").replace("every: hour", "every: week")
    text = text.replace("one_to_one", "one_to_two") + "colour: blue\n"
    numbers = [int(p.split(":")[0]) for p in problems(tmp_path, text, {})]
    assert numbers == sorted(numbers)
    expected = [line_of(text, part) for part in ("  US01", "every: week", "one_to_two", "colour")]
    assert set(expected) | {line_of(text, "reader:$"), line_of(text, "zone")} <= set(numbers)


MAPPING_LINES = [
    (n, match[1])
    for n, line in enumerate(COMPANY.splitlines())
    if (match := re.match(r"^( *)[a-z_]+:", line)) and "zone" not in line  # options are free
]


@given(st.sampled_from(MAPPING_LINES), st.from_regex(r"zz[a-z]{1,8}", fullmatch=True))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_unknown_setting_is_found_on_its_own_line_anywhere(
    tmp_path: Path, place: tuple[int, str], key: str
) -> None:
    number, indent = place
    lines = COMPANY.splitlines()
    lines.insert(number, f"{indent}{key}: 1")
    found = problems(tmp_path, "\n".join(lines))
    assert [p for p in found if p.startswith(f"{number + 1}: ")], found
    assert key in " ".join(found)


def test_a_key_written_twice_is_an_error_with_both_lines(tmp_path: Path) -> None:
    text = COMPANY.replace("    every: hour", "    every: hour\n    every: day")
    with pytest.raises(ConfigurationError, match=r"yaml:23: 'every' is given twice .*line 22"):
        load(written(tmp_path, text), ENVIRONMENT)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"- a\n- list\n", "must be a mapping"),
        (b"just text", "must be a mapping"),
        (b"company: [", r":1: not valid YAML|:2: not valid YAML"),
        (b"company: a\n\tb: c\n", ":2: not valid YAML"),
        (b"company: \x00\n", "not valid YAML"),
        (b"company: \xff\n", "save it as UTF-8"),
        (b"a: &a\n  b: *a\n", r":2: .*\*a is an alias"),
        (b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", r":2: .*\*a is an alias"),
        (b"[" * 20_000, "nested too deeply|not valid YAML"),
        (b"? [a, b]\n: c\n", "not valid YAML"),
        (b"a: 1\n---\nb: 2\n", ":2: not valid YAML"),
        (b"# " + b"x" * (4 * 1024 * 1024), "larger than 4 MiB"),
    ],
)
def test_a_file_that_is_no_configuration_is_told_apart(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "tieout.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        load(path, {})


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    assert load(written(tmp_path, "\ufeff" + COMPANY), ENVIRONMENT).company == "Example"


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--config"):
        load(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigurationError, match="cannot read"):
        load(tmp_path)


def test_variables_come_from_the_environment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "from-the-process")
    monkeypatch.setenv("ZONE", "UTC")
    path = written(tmp_path, COMPANY)
    assert "from-the-process" in (load(path).feeds["books"].url or "")
    assert "hunter2" in (load(path, ENVIRONMENT).feeds["books"].url or "")
    assert [p.split(":")[0] for p in problems(tmp_path, COMPANY, {})] == ["25", "27", "45"]
    (found,) = problems(tmp_path, COMPANY, {"PASSWORD": "x"})
    assert found == "27: environment variable ZONE is not set; export it first"


def test_a_value_is_put_in_once_and_never_read_as_yaml(tmp_path: Path) -> None:
    hostile = "x\"\n  y: ${ZONE} # '{[*&!"
    found = load(written(tmp_path, COMPANY), ENVIRONMENT | {"PASSWORD": hostile})
    assert found.register_url == f"postgresql://writer:{hostile}@db.internal/register"


SCALARS = [
    n for n, line in enumerate(COMPANY.splitlines()) if re.match(r"^[^\[]*(: |- )[^\[$]+$", line)
]
SECRETS = st.text(
    st.characters(codec="utf-8") | st.sampled_from("'\"\\\n\t%@:/"), min_size=1, max_size=24
).map(lambda text: f"s3cr3t{text}")


@given(st.sampled_from(SCALARS), SECRETS, st.sampled_from(["{}", "pre-{}", "it's {}", '"{}']))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_no_secret_is_ever_shown(tmp_path: Path, number: int, secret: str, around: str) -> None:
    """A variable anywhere, with any content: an error says ${SECRET}, and never its value."""
    lines = COMPANY.splitlines()
    before = re.match(r" *(- )?(\w+: |\"\w+\": )?", lines[number])
    assert before is not None
    value = around.format("${SECRET}").replace("'", "''")
    lines[number] = f"{before[0]}'{value}'"
    path = written(tmp_path, "\n".join(lines))
    try:
        found = load(path, ENVIRONMENT | {"SECRET": secret})
    except ConfigurationError as error:
        shown = f"{error} {error!r} {error.__cause__}"
        assert "s3cr3t" not in shown
        assert "hunter2" not in shown
    else:
        assert "hunter2" not in repr(found)


def test_chains_name_two_reconciliations_of_two_sides(tmp_path: Path) -> None:
    chain = "  onward:\n    chain: [settlement_to_ledger, onward]\n"
    text = COMPANY.replace("register_url", chain + "register_url")
    (found,) = problems(tmp_path, text)
    told = "'onward' is a chain itself; a chain joins two reconciliations of two sides"
    assert found == f"{line_of(text, 'chain:')}: {told}"


def test_a_chain_goes_on_where_its_first_link_ends(tmp_path: Path) -> None:
    """The other way round there is nothing to join, and every line would seem not to be booked."""
    lines = COMPANY.splitlines()
    start = lines.index("reconciliations:") + 1
    end = next(n for n, one in enumerate(lines) if one.startswith("register_url"))
    again = [one.replace("settlement_to_ledger", "once_more") for one in lines[start:end]]
    chain = ["  onward:", "    chain: [settlement_to_ledger, once_more]"]
    text = "\n".join([*lines[:end], *again, *chain, *lines[end:]])
    (found,) = problems(tmp_path, text)
    assert found.startswith(f"{line_of(text, 'chain:')}: 'settlement_to_ledger' ends in ")
    assert "the targets of the first are the sources of the second" in found


def test_a_rate_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = COMPANY + "\nrates:\n  ecb: ecb.csv\n"
    (found,) = problems(tmp_path, text)
    assert found.startswith(f"{line_of(text, '  ecb: ')}: no file ")
    (tmp_path / "ecb.csv").write_text("date,currency,to,rate\n")
    load(written(tmp_path, text), ENVIRONMENT)


def test_the_schema_for_editors_names_every_setting() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert set(schema["properties"]) == set(Settings.model_fields) - {"base"}
    assert schema["additionalProperties"] is False
    assert schema["$schema"].endswith("2020-12/schema")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.model_fields["limits"].default.threads = 64


JOURNALS = """
journals:
  accounts:
    US99: {fee: "6100"}
    "*":
      fee: "9999"
      clearing: "0110"
  posted_by:
    stripe: nowhere
"""


def test_accounts_to_post_to_are_those_of_the_account_map(tmp_path: Path) -> None:
    text = COMPANY + JOURNALS
    found = problems(tmp_path, text)
    assert [int(one.split(":")[0]) for one in found] == [
        line_of(text, part) for part in ("    US99", "      fee: ", "    stripe: nowhere")
    ]
    assert "no entity 'US99'" in found[0]
    assert "account '9999' is not in the account map; name a fee account" in found[1]
    assert "'nowhere' is no many_to_one pass with 'stripe' on its source side" in found[2]
