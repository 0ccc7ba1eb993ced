"""`tieout line` shows every line of a match, from whichever of its lines one comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from pipelines.cli import tieout
from tests.integration.test_cli_statements import DAY, Run, posting, settlement
from tests.worlds import world

BY_BATCH = {
    "settlement_to_ledger": {
        "source": {"feeds": ["psp", "psp_b"]},
        "target": {"feeds": ["erp"], "where": {"account_class": ["clearing"]}},
        "timing_days": [-1, 2],
        "passes": [
            {
                "name": "by_batch",
                "shape": "many_to_one",
                "key": {"source": ["settlement_batch"], "target": ["batch_ref"]},
            },
            {
                "name": "by_day",
                "shape": "many_to_many",
                "key": {"source": ["payment_ref"], "target": ["document_ref"]},
            },
        ],
    }
}


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    settled = [settlement(f"ch_{n}", "10.00") for n in range(5)]
    settled += [settlement(f"many_{n:02}", "1.00", settlement_batch="b_big") for n in range(30)]
    settled += [
        settlement(f"pay_{n}", "4.00", payment_ref="d", settlement_batch="no") for n in range(3)
    ]
    # Another feed may use the same ids.
    other = [settlement(f"ch_{n}", "1.00", settlement_batch="other") for n in range(2)]
    posted = [
        posting("po_7", "50.00", "", batch_ref="batch_7"),
        posting("po_big", "30.00", "", batch_ref="b_big"),
        posting("po_d1", "5.00", "", document_ref="d"),
        posting("po_d2", "7.00", "", document_ref="d"),
        posting("po_other", "2.00", "", batch_ref="other"),
    ]
    with world(BY_BATCH) as small:
        small.deliver(
            {
                ("psp", str(DAY)): settled,
                ("psp_b", str(DAY)): other,
                ("erp", str(DAY)): posted,
            }
        )
        small.reconcile("settlement_to_ledger")
        home = small.workplace.home
        config = home / "tieout.yaml"
        config.write_text(
            small.workplace.settings.model_dump_json(exclude_none=True, exclude_defaults=True)
        )
        places = {"TIEOUT_CONFIG": str(config), "TIEOUT_HOME": str(home)}
        yield lambda *arguments: CliRunner().invoke(tieout, arguments, env=places)


def joined(run: Run, ref: str) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    found = json.loads(run("line", ref, "--json").stdout)
    lines = [(o["feed"], o["line_id"]) for o in found["lines"] if o["found_as"] == "matched"]
    return lines, found


def test_a_posting_shows_all_the_lines_it_was_matched_with(run: Run) -> None:
    lines, found = joined(run, "po_7")
    assert lines == [("psp", f"ch_{n}") for n in range(5)]
    (outcome,) = found["lines"][0]["outcomes"]
    assert outcome["match_count"] == 6
    assert "with ch_0 (psp) and 4 more lines, complete on" in outcome["explanation"]
    text = run("line", "po_7").stdout
    assert all(f"ch_{n}  A  10.00 USD" in text for n in range(5))


def test_a_line_of_a_group_shows_the_posting_and_the_others_of_the_group(run: Run) -> None:
    lines, found = joined(run, "many_03")
    assert ("erp", "po_big") in lines
    assert len(lines) == 20
    assert found["matched_left_out"] == 10
    (outcome,) = found["lines"][0]["outcomes"]
    assert "with po_big (erp), together with 29 other lines" in outcome["explanation"]


def test_lines_of_a_large_match_are_counted_past_the_first_twenty(run: Run) -> None:
    lines, found = joined(run, "po_big")
    assert lines == [("psp", f"many_{n:02}") for n in range(20)]
    assert found["matched_left_out"] == 10
    assert run("line", "po_big").stdout.splitlines()[-1] == "... and 10 more lines"


@pytest.mark.parametrize("ref", ["pay_1", "po_d2"])
def test_a_match_of_many_with_many_is_shown_from_either_side(run: Run, ref: str) -> None:
    lines, _ = joined(run, ref)
    whole = {("psp", f"pay_{n}") for n in range(3)} | {("erp", "po_d1"), ("erp", "po_d2")}
    assert set(lines) == {one for one in whole if one[1] != ref}


def test_a_line_with_the_same_id_in_another_feed_brings_its_own_match(run: Run) -> None:
    lines, _ = joined(run, "po_other")
    assert lines == [("psp_b", "ch_0"), ("psp_b", "ch_1")]
