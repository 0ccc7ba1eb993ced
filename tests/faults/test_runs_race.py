"""A backfill and a schedule's run of one day in two real processes: one publishes, one is fenced.

Both jobs are those of production. Each process stops where it has taken the day's lines over, until
the other has too; then both go on at once. TIEOUT_FAULTS is the number of races on each database.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.small_company import SmallCompany, payments_of, small_company
from tieout.extracts import take_in
from tieout.lines.ingest import refresh_lines
from tieout.lines.window import TABLES
from tieout.periods import Period
from tieout.statement import statements
from tieout.workplace import Workplace

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

RACES = int(os.environ.get("TIEOUT_FAULTS", "1"))
ROOT = Path(__file__).resolve().parents[2]
DAY = date(2026, 10, 1)
RUNNER = """
    import json
    import sys

    import dagster as dg

    from pipelines.definitions import build_definitions, workplace_from_environment
    from pipelines.schedules import range_tags
    from tieout.register.register import Register

    job, day = sys.argv[1:]
    take = Register.take_epochs_of

    def held(self, tables, partitions, run_id):
        taken = take(self, tables, partitions, run_id)
        if "lines/card" in tables:
            print("taken", flush=True)
            sys.stdin.readline()
        return taken

    Register.take_epochs_of = held
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    definitions = build_definitions(workplace_from_environment())
    with dg.DagsterInstance.ephemeral() as instance:
        print("ready", flush=True)
        while sys.stdin.readline():
            result = definitions.resolve_job_def(job).execute_in_process(
                instance=instance,
                tags=range_tags(day, day),
                run_config=quiet,
                raise_on_error=False,
            )
            failed = [
                event.step_failure_data.user_failure_data.description
                for event in result.get_step_failure_events()
                if event.step_failure_data.user_failure_data
            ]
            told = {"run": result.run_id, "success": result.success, "failed": failed}
            print(json.dumps(told), flush=True)
"""


@dataclass
class Runner:
    """A process that runs a job whenever it is told to."""

    process: subprocess.Popen[str]

    def say(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the run's process has ended"
        return line.strip()


@contextmanager
def runner(company: SmallCompany, job: str) -> Iterator[Runner]:
    places = {"TIEOUT_CONFIG": str(company.config), "TIEOUT_HOME": str(company.home)}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(RUNNER), job, str(DAY)],
        cwd=ROOT,
        env={**os.environ, **places},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield Runner(process)
    finally:
        process.kill()
        process.communicate(timeout=30)


def only_cards(folder: Path, url: str) -> SmallCompany:
    company = small_company(folder)
    text = company.config.read_text(encoding="utf-8")
    text = text[: text.index("  kiosk_to_ledger:")]
    kept = [line for line in text.splitlines() if "kiosk:" not in line]
    company.config.write_text("\n".join([*kept, f'register_url: "{url}"', ""]), "utf-8")
    return company


def heads_of(company: SmallCompany) -> dict[str, tuple[int, str]]:
    """Version and run of the day's publications, whose files are seen to be whole."""
    found = {}
    with Workplace.open(company.config, company.home) as workplace:
        for table in (*(f"{t}/card" for t in TABLES), "statements/card_to_ledger"):
            head = workplace.register.heads(table)[str(DAY)]
            for path, file in zip(workplace.store.paths([head]), head.files, strict=True):
                assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == file.sha256
            found[table] = (head.version, head.run_id)
    return found


def race(runners: list[Runner]) -> list[dict[str, Any]]:
    for one in runners:
        one.say()
    for one in runners:
        assert one.hear() == "taken"
    for one in runners:
        one.say()
    return [json.loads(one.hear()) for one in runners]


def test_of_a_backfill_and_a_schedules_run_one_publishes(register_url: str, tmp_path: Path) -> None:
    company = only_cards(tmp_path / "company", register_url)
    with ExitStack() as stack:
        runners = [
            stack.enter_context(runner(company, job)) for job in ("backfill", "daily_reconcile")
        ]
        assert [one.hear() for one in runners] == ["ready", "ready"]
        won = []
        company.post_payments(DAY, payments_of(DAY, RACES))
        company.close_books([DAY])
        with Workplace.open(company.config, company.home) as workplace:
            take_in(workplace, "erp", [str(DAY)])
            refresh_lines(workplace, "erp", [str(DAY)], run_id="before")
        for number in range(1, RACES + 1):
            # Each race has another extract of the day.
            company.settle(str(DAY), payments_of(DAY, number))
            ended = race(runners)
            winners = [one for one in ended if one["success"]]
            losers = [one for one in ended if not one["success"]]
            assert len(winners) == 1, ended
            [refused] = losers[0]["failed"]
            assert f"run {winners[0]['run']} has taken over" in refused
            assert "run again" in refused
            heads = heads_of(company)
            assert heads == dict.fromkeys(heads, (number, winners[0]["run"])), "nothing is torn"
            with Workplace.open(company.config, company.home) as workplace:
                for one in statements(workplace, "card_to_ledger", Period(DAY, DAY)):
                    assert one.rows["matched"].count == 2 * number
                    assert one.holds
            won.append(ended.index(winners[0]))
    print(f"{RACES} races: the backfill won {won.count(0)}, the schedule {won.count(1)}; 0 torn")
