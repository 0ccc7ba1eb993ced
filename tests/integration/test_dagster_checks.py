"""Checks count what is published again: whatever is wrong in the files turns one of them red.

Each test publishes something wrong the way a faulty program would: with a proper register entry.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from checks.findings import Finding
from checks.lines import line_checks
from checks.matches import match_checks
from checks.statements import statement_checks
from pipelines.run import run_range
from pipelines.schedules import range_tags
from tests.small_company import SmallCompany, days_from, payments_of, small_company
from tieout.register.records import NewPublication, Publication
from tieout.workplace import Workplace

DAYS = days_from(date(2026, 10, 1), 2)
FIRST, SECOND = (str(day) for day in DAYS)
Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> SmallCompany:
    """Two days without a break, run."""
    company = small_company(tmp_path_factory.mktemp("checks") / "company")
    for day in DAYS:
        payments = payments_of(day, 5)
        company.settle(str(day), payments)
        company.post_payments(day, payments)
    company.close_books(DAYS)
    outcome = run_range(
        company.config, company.home, DAYS[0], DAYS[-1], reconciliation="card_to_ledger"
    )
    assert outcome.success
    assert outcome.failed_checks == ()
    return company


@pytest.fixture
def place(ran: SmallCompany, tmp_path: Path) -> Iterator[Workplace]:
    """A copy of the workplace, to be spoilt."""
    shutil.copytree(ran.folder, tmp_path / "copy")
    company = SmallCompany(tmp_path / "copy")
    with Workplace.open(company.config, company.home) as workplace:
        yield workplace


def checked(place: Workplace, asset: str, day: str = FIRST) -> dict[str, Finding]:
    """What the checks of an asset find in a day: evaluated as Dagster evaluates them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return _evaluated(place, asset, day)


def _evaluated(place: Workplace, asset: str, day: str) -> dict[str, Finding]:
    stage, name = asset.split("/")
    made = {
        "lines": lambda: line_checks(name, "settlement", place.settings),
        "matches": lambda: match_checks(name, place.settings),
        "statements": lambda: statement_checks(name, place.settings),
    }[stage]()
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.Definitions(
            asset_checks=[made],
            assets=[dg.AssetSpec(asset.split("/"), partitions_def=_days())],
            resources={"workplace": place},
            jobs=[dg.define_asset_job("look", dg.AssetSelection.all_asset_checks())],
        )
        job = result.resolve_job_def("look")
        ran = job.execute_in_process(
            instance=instance,
            tags=range_tags(day, day),
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        return {
            found.check_name: Finding(
                found.passed, found.description or "", found.metadata, found.severity
            )
            for found in ran.get_asset_check_evaluations()
        }


def _days() -> dg.DailyPartitionsDefinition:
    return dg.DailyPartitionsDefinition("2026-10-01", timezone="UTC", end_offset=1)


def red(found: dict[str, Finding]) -> set[str]:
    """The checks that fail."""
    return {name for name, finding in found.items() if not finding.passed}


def spoil(place: Workplace, table: str, change: Change, day: str = FIRST) -> None:
    """Publish a changed copy of a partition under the totals it had."""
    register, store = place.register, place.store
    head = register.heads(table, [day])[day]
    frame = pl.read_parquet(store.paths([head])) if head.files else pl.DataFrame()
    changed = change(frame)
    file = store.write(table, day, changed)
    new = NewPublication(table, day, (file,), changed.height, head.totals)
    _publish(place, new)


def _publish(place: Workplace, new: NewPublication) -> Publication:
    epochs = place.register.take_epochs(new.table, [new.partition], "spoiler")
    fences = {(new.table, new.partition): epochs[new.partition]}
    return place.register.publish([new], fences, run_id="spoiler")[0]


def test_what_is_whole_is_green(place: Workplace) -> None:
    for asset in ("lines/card", "matches/card_to_ledger", "statements/card_to_ledger"):
        assert red(checked(place, asset)) == set()


def test_rows_repeated_or_refused_are_conserved(tmp_path: Path) -> None:
    """One row comes twice and one in no currency: counted as what they are, and none is lost."""
    company = small_company(tmp_path / "company")
    payments = payments_of(DAYS[0], 5)
    extract = company.settle(FIRST, payments)
    rows = extract.read_text(encoding="utf-8").splitlines()
    spoilt = rows[2].replace(",USD,", ",QQQ,")
    extract.write_text("\n".join([*rows[:2], rows[1], spoilt, *rows[3:]]) + "\n", "utf-8")
    company.close_books(DAYS)
    outcome = run_range(
        company.config, company.home, DAYS[0], DAYS[0], reconciliation="card_to_ledger"
    )
    with Workplace.open(company.config, company.home) as workplace:
        head = workplace.register.heads("lines/card")[FIRST]
        assert head.totals["rows"]["duplicates"] == 1
        assert head.totals["rows"]["quarantined"] == 1
    assert {one.check for one in outcome.failed_checks} == {"control_totals", "completeness"}


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.head(frame.height - 1),
        lambda frame: pl.concat([frame, frame.head(1)]),
        lambda frame: frame.with_columns(
            pl.when(pl.int_range(pl.len()) == 0)
            .then(
                (pl.col("amount") + pl.lit("0.01").cast(pl.Decimal(18, 4))).cast(pl.Decimal(18, 4))
            )
            .otherwise("amount")
            .alias("amount")
        ),
    ],
    ids=["a line lost", "a line twice", "a cent more"],
)
def test_lines_that_are_not_what_was_received_fail_conservation(
    place: Workplace, change: Change
) -> None:
    spoil(place, "lines/card", change)
    assert red(checked(place, "lines/card")) == {"conservation"}
    assert red(checked(place, "lines/card", SECOND)) == set()


def test_a_row_counted_nowhere_fails_conservation(place: Workplace) -> None:
    """Lines of one row of the extract are gone, and the totals have been made to fit."""
    register = place.register
    head = register.heads("lines/card", [FIRST])[FIRST]
    frame = pl.read_parquet(place.store.paths([head]))
    left = frame.filter(pl.col("row_number") != frame["row_number"][0])
    gone = frame.filter(pl.col("row_number") == frame["row_number"][0])
    totals = json.loads(json.dumps(head.totals))
    for part in ("received", "accepted"):
        figure = totals["totals"]["USD"][part]
        figure["count"] -= gone.height
        figure["amount"] = str(sum(left["amount"]))
    file = place.store.write("lines/card", FIRST, left)
    _publish(place, NewPublication("lines/card", FIRST, (file,), left.height, totals))
    found = checked(place, "lines/card")
    assert red(found) == {"conservation"}
    assert (
        "1 are" in found["conservation"].description or "rows" in found["conservation"].description
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.drop("invoice_ref"), "invoice_ref"),
        (lambda frame: frame.with_columns(pl.col("row_number").cast(pl.String)), "row_number"),
        (lambda frame: frame.with_columns(pl.lit("ZZZ").alias("currency")), "unknown currency"),
        (lambda frame: frame.with_columns(pl.lit("NOBODY").alias("entity")), "unknown entity"),
        (lambda frame: frame.with_columns(pl.lit("other").alias("feed")), "another feed"),
        (lambda frame: frame.with_columns(pl.lit(date(2020, 1, 1)).alias("period")), "calendar"),
    ],
)
def test_lines_of_another_shape_fail_schema(place: Workplace, change: Change, said: str) -> None:
    spoil(place, "lines/card", change)
    found = checked(place, "lines/card")
    assert "schema" in red(found)
    assert said in found["schema"].description


def test_an_extract_not_worked_in_fails_schema(place: Workplace) -> None:
    (known,) = place.register.extracts("card", [FIRST])
    later = replace(known, sha256="0" * 64, taken_at=datetime.now(UTC))
    assert place.register.record_extract(later)
    found = checked(place, "lines/card")
    assert red(found) == {"schema"}
    assert f"{FIRST}.csv" in found["schema"].description


def test_a_window_without_an_extract_is_late_once_its_time_is_over(place: Workplace) -> None:
    today = datetime.now(UTC).date()
    late, open_still = str(today - timedelta(days=5)), str(today)
    assert not checked(place, "lines/card", late)["arrival"].passed
    assert checked(place, "lines/card", open_still)["arrival"].passed


def test_an_outcome_lost_or_given_twice_fails_consumption(place: Workplace) -> None:
    table = "outcomes/card_to_ledger"
    spoil(place, table, lambda frame: frame.tail(frame.height - 1))
    found = checked(place, "matches/card_to_ledger")
    assert red(found) == {"consumption", "one_match"}
    assert found["consumption"].figures["lines without an outcome"].value == 1
    lone = "lines whose counterpart is not in their match"
    assert found["one_match"].figures[lone].value == 1
    spoil(place, table, lambda frame: pl.concat([frame, frame.head(1), frame.head(1)]))
    found = checked(place, "matches/card_to_ledger")
    assert red(found) == {"consumption", "one_match"}
    assert found["consumption"].figures["lines with several outcomes"].value == 3
    assert found["one_match"].figures["lines in several matches"].value == 3
    assert found["consumption"].description.endswith("; lines with several outcomes: 3")
    assert red(checked(place, "matches/card_to_ledger", SECOND)) == set()


def test_a_file_delivered_again_under_the_next_name_has_outcomes_of_its_own(tmp_path: Path) -> None:
    """For another day, and for another hour of one day: repeats, and the proof holds."""
    company = small_company(tmp_path / "company")
    payments = payments_of(DAYS[0], 3)
    at_one = payments_of(DAYS[0], 2, hour=13)
    extract = company.settle(FIRST, payments)
    shutil.copy(extract, extract.with_name(f"{SECOND}.csv"))
    hour = company.settle(f"{FIRST}T13", at_one, feed="kiosk")
    shutil.copy(hour, hour.with_name(f"{FIRST}T14.csv"))
    company.post_payments(DAYS[0], payments)
    company.post_payments(DAYS[0], at_one, account="1020")
    company.close_books(DAYS)
    outcome = run_range(company.config, company.home, DAYS[0], DAYS[-1])
    assert outcome.success
    wrong = [one for one in outcome.failed_checks if one.check in ("consumption", "conservation")]
    assert wrong == []
    with Workplace.open(company.config, company.home) as workplace:
        for name, lines in (("card_to_ledger", 6), ("kiosk_to_ledger", 4)):
            heads = workplace.register.heads(f"outcomes/{name}", [FIRST])
            made = pl.read_parquet(workplace.store.paths(heads.values()))
            again = made.filter(pl.col("outcome") == "duplicate")
            assert (made.filter(pl.col("side") == "source").height, again.height) == (
                2 * lines,
                lines,
            )


def test_a_line_that_another_days_match_also_took_fails_one_match(place: Workplace) -> None:
    """A line of the first day came again for the second day, and was matched there as well."""
    table = "outcomes/card_to_ledger"
    head = place.register.heads(table, [FIRST])[FIRST]
    line = pl.read_parquet(place.store.paths([head])).filter(pl.col("side") == "target").head(1)
    again = line.with_columns(match_ref=pl.lit("another"), period=pl.lit(DAYS[1]))
    spoil(place, table, lambda frame: pl.concat([frame, again]), SECOND)
    found = checked(place, "matches/card_to_ledger")
    assert red(found) == {"one_match"}
    assert found["one_match"].description == "lines in several matches: 1"


def test_a_waterfall_that_does_not_come_to_zero_fails(place: Workplace) -> None:
    """A cent of residual that the lines of the match do not leave."""
    cent = pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("0.01")).otherwise(pl.lit("0"))
    cents = cent.cast(pl.Decimal(38, 12)).alias("residual")
    spoil(place, "outcomes/card_to_ledger", lambda frame: frame.with_columns(cents))
    found = checked(place, "statements/card_to_ledger")
    assert red(found) == {"waterfall_explains_to_zero"}
    finding = found["waterfall_explains_to_zero"]
    assert finding.severity is dg.AssetCheckSeverity.ERROR
    said = f"-0.01 USD (card_to_ledger, {FIRST}, SC)"
    assert finding.figures["unexplained"].value == said
    assert finding.description == f"unexplained: {said}"
    assert "unexplained" in finding.figures["SC USD"].value
    green = checked(place, "statements/card_to_ledger", SECOND)["waterfall_explains_to_zero"]
    assert green.passed
    assert green.figures["unexplained"].value == "0.00"


def test_an_outcome_without_a_line_fails_consumption(place: Workplace) -> None:
    invented = pl.lit("invented").alias("line_id")
    spoil(
        place,
        "outcomes/card_to_ledger",
        lambda frame: pl.concat([frame, frame.head(1).with_columns(invented)]),
    )
    found = checked(place, "matches/card_to_ledger")
    assert found["consumption"].figures["outcomes without a line"].value == 1
    assert red(found) == {"consumption"}


@contextmanager
def _statement(place: Workplace) -> Iterator[dict[str, dict[str, dict[str, object]]]]:
    """The source statement of the first day, to be changed and published again."""
    holder: dict[str, dict[str, dict[str, object]]] = {}

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        texts = [json.loads(text) for text in frame["json"]]
        (source,) = (text for text in texts if text["side"] == "source")
        for part, changed in holder.items():
            source[part] |= changed
        return frame.with_columns(pl.Series("json", [json.dumps(text) for text in texts]))

    yield holder
    spoil(place, "statements/card_to_ledger", change)


@pytest.mark.parametrize(
    ("rows", "fails"),
    [
        ({"matched": {"count": 9, "amount": "0.00"}}, {"conservation"}),
        ({"received": {"count": 11, "amount": "53.45"}}, {"conservation"}),
        (
            {
                "unexplained": {"count": 1, "amount": "1.00"},
            },
            {"conservation", "completeness"},
        ),
    ],
    ids=["parts do not add up", "received is off", "something unexplained"],
)
def test_a_statement_that_does_not_add_up_fails(
    place: Workplace, rows: dict[str, dict[str, object]], fails: set[str]
) -> None:
    with _statement(place) as statement:
        statement["rows"] = rows
    found = checked(place, "statements/card_to_ledger")
    assert red(found) == fails
    assert all(found[name].severity is dg.AssetCheckSeverity.ERROR for name in fails)


def test_a_statement_that_adds_up_to_other_lines_fails_conservation(place: Workplace) -> None:
    """Every row of it is a line short: it adds up, and is not what the files hold."""
    with _statement(place) as statement:
        short = {"count": 9, "amount": "40.00"}
        statement["rows"] = {"received": short, "accepted": short, "matched": short}
    found = checked(place, "statements/card_to_ledger")
    assert red(found) == {"conservation"}
    assert "count differs" in found["conservation"].description


def test_an_opening_that_is_not_the_closing_before_is_found(place: Workplace) -> None:
    with _statement(place) as statement:
        statement["open_items"] = {"opening": {"count": 1, "amount": "5.00"}}
    found = checked(place, "statements/card_to_ledger")
    assert red(found) == {"rolls_forward"}
    told = found["rolls_forward"].description
    assert "opening is not the closing before, by 1 lines and 5.00" in told
    assert "the roll-forward is off by 1 lines and 5.00" in told


def test_a_day_never_stated_is_not_green(place: Workplace) -> None:
    unknown = str(DAYS[-1] + timedelta(days=3))
    assert red(checked(place, "statements/card_to_ledger", unknown)) == {
        "conservation",
        "rolls_forward",
        "completeness",
        "waterfall_explains_to_zero",
    }
