"""The ledger of a real ERP, by SQL: Tryton's tables on PostgreSQL to published ledger lines.

Two oracles: a small set of books whose lines are written out here, and sums that PostgreSQL forms
itself over random books.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import psycopg
import pytest

from tieout.answers import due, take_answers
from tieout.errors import ExtractError
from tieout.extracts import take_in
from tieout.lines.ingest import WindowReport, refresh_lines
from tieout.settings import Settings
from tieout.workplace import Workplace

pytestmark = pytest.mark.postgres

HERE = Path(__file__).parent / "tryton"
ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = """
company: Acme
calendar: {{start: 2026-10-01}}
entities:
  us: {{name: Acme Incorporated, currency: USD, known_as: [Acme Inc]}}
  de: {{name: Acme Deutschland, currency: EUR, known_as: [Acme GmbH]}}
accounts:
  "*": {{"1000": bank, "1200": receivable, "1400": receivable, "4000": revenue, "8400": revenue}}
feeds:
  erp: {{format: tryton_account_move_line, url: "{url}"}}
  books: {{format: ledger_csv, location: "books_{{date}}.csv"}}
reconciliations:
  erp_to_books:
    source: {{feeds: [erp]}}
    target: {{feeds: [books]}}
    passes:
      - {{name: by_line, shape: one_to_one, key: {{source: [line_ref], target: [line_ref]}}}}
"""


@pytest.fixture
def tryton(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection to a database with Tryton's tables, all empty but for two companies."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute((HERE / "tables.sql").read_text())
        yield connection


@pytest.fixture
def workplace(tryton: psycopg.Connection, postgres_url: str, tmp_path: Path) -> Iterator[Workplace]:
    """A workplace whose ledger is that database."""
    configuration = tmp_path / "tieout.yaml"
    configuration.write_text(CONFIGURATION.format(url=postgres_url))
    with Workplace.open(configuration, tmp_path / "home") as opened:
        yield opened


def take(workplace: Workplace, *windows: str) -> list[WindowReport]:
    take_in(workplace, "erp", windows)
    return refresh_lines(workplace, "erp", windows, run_id="run-1")


def lines(workplace: Workplace) -> pl.DataFrame:
    heads = workplace.register.heads("lines/erp").values()
    paths = workplace.store.paths(heads)
    return pl.concat([pl.read_parquet(path) for path in paths])


def test_every_line_of_the_books_is_what_an_accountant_reads(
    workplace: Workplace, tryton: psycopg.Connection
) -> None:
    tryton.execute((HERE / "moves.sql").read_text())
    reports = take(workplace, "2026-10-05", "2026-10-06")
    shown = ["line_id", "entity", "journal_ref", "account", "account_class", "currency", "amount",
             "functional_amount", "line_ref", "document_ref", "reversal_of"]  # fmt: skip
    found = [tuple(str(v) if v is not None else "" for v in row)
             for row in lines(workplace).select(shown).iter_rows()]  # fmt: skip
    assert found == [tuple(row.split("|")) for row in LINES.strip().splitlines()]
    assert [r.status for r in reports] == ["published", "published"]
    assert [r.rows for r in reports] == [
        {"received": 19, "accepted": 17, "quarantined": 0, "duplicates": 0, "not_posted": 2},
        {"received": 4, "accepted": 4, "quarantined": 0, "duplicates": 0},
    ]
    assert [r.error for r in reports] == [None, None]


# line_id|entity|journal|account|class|currency|amount|functional|line_ref|document_ref|reversal_of
LINES = """
101|us|0001|1200|receivable|USD|120.0000|120.0000|INV-42|INV-42|
102|us|0001|4000|revenue|USD|-120.0000|-120.0000|the line's own words|INV-42|
103|de|0001|1400|receivable|EUR|99.9900|99.9900|INV-77||
104|de|0001|8400|revenue|EUR|-99.9900|-99.9900|INV-77||
107|us|0004|1200|receivable|USD|10.0100|10.0100|wrong||
108|us|0004|4000|revenue|USD|-10.0100|-10.0100|wrong||
109|us|0005|1200|receivable|USD|-10.0100|-10.0100|wrong||0004
110|us|0005|4000|revenue|USD|10.0100|10.0100|wrong||0004
111|de|0006|1400|receivable|EUR|20.0200|20.0200|falsch||
112|de|0006|8400|revenue|EUR|-20.0200|-20.0200|falsch||
113|de|0007|1400|receivable|EUR|-20.0200|-20.0200|falsch||0006
114|de|0007|8400|revenue|EUR|20.0200|20.0200|falsch||0006
115|us|0008|1000|bank|USD|80.0000|80.0000|||
116|us|0008|1200|receivable|USD|-50.0000|-50.0000|PSP-A||
117|us|0008|1200|receivable|USD|-30.0000|-30.0000|PSP-B||
118|de|0009|1000|bank|JPY|26000.0000|160.0000|PSP-C||
119|de|0009|1400|receivable|JPY|-26000.0000|-160.0000|PSP-C||
120|us|0010|Suspense|unmapped|GBP|0.8000|1.0000|M||
121|us|0010|1000|bank|GBP|-0.8000|-1.0000|M||
122|us|0011|1000|bank|EUR|0.0000|0.0000|FX||
123|us|0011|Suspense|unmapped|USD|0.0000|0.0000|FX||
"""


def test_periods_follow_the_move_and_its_accounting_period(
    workplace: Workplace, tryton: psycopg.Connection
) -> None:
    tryton.execute((HERE / "moves.sql").read_text())
    take(workplace, "2026-10-05", "2026-10-06")
    found = lines(workplace).filter(pl.col("journal_ref") == "0011")
    assert found["accounting_period"].to_list() == ["2026-11", "2026-11"]
    assert {str(d) for d in found["period"]} == {"2026-10-06"}


RANDOM_BOOKS = """
SELECT setseed({seed});
WITH made AS (
    INSERT INTO account_move (number, company, period, journal, date, post_date, state, description)
    SELECT
        CASE WHEN drawn.draft THEN NULL ELSE (drawn.n % 500)::varchar END,
        1 + drawn.n % 2, 1, 1, date '2026-10-01' + drawn.n % 20, date '2026-10-25',
        CASE WHEN drawn.draft THEN 'draft' ELSE 'posted' END, 'move ' || drawn.n
    FROM (SELECT n, random() < 0.1 AS draft FROM generate_series(1, {moves}) AS n) AS drawn
    RETURNING id, company
),

drawn AS (
    SELECT
        made.id, made.company, random() AS style, random() AS abroad,
        round((random() * 10000)::numeric, 2) AS amount
    FROM made
),

sides AS (SELECT drawn.*, side FROM drawn CROSS JOIN (VALUES (1), (-1)) AS both_sides (side))

INSERT INTO account_move_line
(move, account, debit, credit, second_currency, amount_second_currency)
SELECT
    id,
    CASE company WHEN 1 THEN 2 ELSE 6 END,
    CASE WHEN style < 0.2 THEN -amount * (side = -1)::int ELSE amount * (side = 1)::int END,
    CASE WHEN style < 0.2 THEN -amount * (side = 1)::int ELSE amount * (side = -1)::int END,
    CASE WHEN abroad < 0.3 THEN 4 END,
    CASE WHEN abroad < 0.3 THEN side * round(amount * 0.8, 2) END
FROM sides;
"""


def test_the_sums_are_the_databases_own(workplace: Workplace, tryton: psycopg.Connection) -> None:
    tryton.execute(RANDOM_BOOKS.format(seed=0.42, moves=2_000))
    windows = [f"2026-10-{day:02d}" for day in range(1, 21)]
    reports = take(workplace, *windows)
    mine = (
        lines(workplace)
        .group_by("entity", "currency", "period")
        .agg(pl.len(), pl.col("amount").sum(), pl.col("functional_amount").sum())
    )
    theirs = tryton.execute("""
        SELECT
            CASE m.company WHEN 1 THEN 'us' ELSE 'de' END, c.code, m.date, count(*),
            sum(CASE WHEN l.second_currency IS NULL THEN l.debit - l.credit
                ELSE l.amount_second_currency END),
            sum(l.debit) - sum(l.credit)
        FROM account_move_line AS l
        JOIN account_move AS m ON m.id = l.move AND m.state = 'posted'
        JOIN company_company AS o ON o.id = m.company
        JOIN currency_currency AS c ON c.id = COALESCE(l.second_currency, o.currency)
        GROUP BY m.company, c.code, m.date
    """).fetchall()
    assert sorted(mine.iter_rows()) == sorted(theirs)
    drafts = tryton.execute(
        "SELECT count(*) FROM account_move_line AS l JOIN account_move AS m ON m.id = l.move "
        "WHERE m.state = 'draft'"
    ).fetchone()
    assert drafts is not None
    assert drafts[0] > 100, "the books must hold drafts for this to show anything"
    assert sum(r.rows["not_posted"] for r in reports) == drafts[0]
    for report in reports:
        accepted = {c: Decimal(t["accepted"]["amount"]) for c, t in report.totals.items()}
        assert accepted == dict.fromkeys(accepted, Decimal(0)), "every move balances"


def test_reading_again_is_no_new_version_until_something_changed(
    workplace: Workplace, tryton: psycopg.Connection
) -> None:
    tryton.execute((HERE / "moves.sql").read_text())
    assert [r.status for r in take(workplace, "2026-10-05")] == ["published"]
    tryton.execute("UPDATE account_move_line SET description = description")  # rows move on disk
    assert [r.status for r in take(workplace, "2026-10-05")] == ["unchanged"]
    tryton.execute("UPDATE account_move SET state = 'posted', number = '0003' WHERE id = 3")
    [report] = take(workplace, "2026-10-05")
    assert (report.status, report.lines) == ("published", 19)
    assert len(workplace.register.extracts("erp", current=False)) == 2
    assert workplace.register.heads("lines/erp")["2026-10-05"].version == 2


def test_a_broken_or_absent_database_leaves_the_last_good_lines_and_other_feeds_alone(
    workplace: Workplace, tryton: psycopg.Connection, tmp_path: Path
) -> None:
    tryton.execute((HERE / "moves.sql").read_text())
    take(workplace, "2026-10-05")
    before = lines(workplace)
    tryton.execute("ALTER TABLE account_move_line RENAME COLUMN debit TO debit_amount")
    with pytest.raises(ExtractError, match=r"feed erp, window 2026-10-05: .*debit.*->"):
        take_in(workplace, "erp", ["2026-10-05", "2026-10-06"])
    tryton.execute("ALTER TABLE account_move_line RENAME COLUMN debit_amount TO debit")
    (tmp_path / "books_2026-10-05.csv").write_text(
        "posting_date,journal_ref,account,currency,amount,entity\n2026-10-05,J1,1000,USD,1.00,us\n"
    )
    assert len(take_in(workplace, "books", ["2026-10-05"])) == 1
    assert lines(workplace).equals(before)
    assert [r.status for r in take(workplace, "2026-10-05", "2026-10-06")] == [
        "unchanged",
        "published",
    ], "the fix heals it"


def test_a_window_is_asked_for_once_it_is_over(workplace: Workplace) -> None:
    def asked(now: datetime, *windows: str) -> list[str]:
        return due(workplace.settings, "erp", windows or None, now)

    noon = datetime(2026, 10, 3, 12, tzinfo=UTC)
    assert asked(noon) == ["2026-10-01", "2026-10-02"]
    assert asked(noon, "2026-10-03", "2026-10-02", "2026-09-30") == ["2026-10-02"]
    assert asked(datetime(2026, 10, 4, tzinfo=UTC), "2026-10-03") == ["2026-10-03"]
    hourly = Settings.model_validate(
        workplace.settings.model_dump() | {
            "feeds": {
                name: feed.model_dump() | {"every": "hour"}
                for name, feed in workplace.settings.feeds.items()
            }
        }
    )  # fmt: skip
    keys = due(hourly, "erp", None, datetime(2026, 10, 1, 2, 59, tzinfo=UTC))
    assert keys == ["2026-10-01-00:00", "2026-10-01-01:00"]


MEASURE = """
    import resource, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from tieout.answers import take_answers
    from tieout.workplace import Workplace

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    with Workplace.open(Path(sys.argv[1]), Path(sys.argv[2])) as workplace:
        take_answers(workplace, "erp", ["2026-10-01"])
        before = peak()
        take_answers(workplace, "erp", ["2026-10-02"])
        print(before, peak(), workplace.register.extracts("erp", ["2026-10-02"])[0].bytes)
"""
MANY = 300_000


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_lines(
    workplace: Workplace, tryton: psycopg.Connection, tmp_path: Path
) -> None:
    """A day of 10,000 lines is read first, then one of 300,000 in the same process."""
    tryton.execute(RANDOM_BOOKS.format(seed=0.1, moves=5_000 + MANY // 2))
    tryton.execute(
        "UPDATE account_move SET date = CASE WHEN id <= 5000 THEN date '2026-10-01' "
        "ELSE date '2026-10-02' END"
    )
    tryton.execute("ANALYZE")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURE), str(tmp_path / "tieout.yaml"),
         str(tmp_path / "home")],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, after, size = (int(n) for n in done.stdout.split())
    print(f"peak {before} MB after 10,000 lines, {after} MB after {MANY:,}; {size:,} bytes kept")
    [taken] = workplace.register.extracts("erp", ["2026-10-02"])
    kept = pl.scan_parquet(workplace.store.evidence_path(taken.evidence))
    assert kept.select(pl.len()).collect().item() == MANY
    assert after - before < 60, "300,000 rows of 24 columns held at once take ten times that"


def test_an_absent_server_is_told_for_the_feed_at_once(
    workplace: Workplace, tmp_path: Path
) -> None:
    configuration = tmp_path / "absent.yaml"
    url = "postgresql://reader:hush-hush@127.0.0.1:1/erp"
    configuration.write_text(CONFIGURATION.format(url=url))
    with (
        Workplace.open(configuration, tmp_path / "absent") as absent,
        pytest.raises(
            ExtractError, match=r"reader:\*\*\*@127.0.0.1:1/erp cannot be reached"
        ) as told,
    ):
        take_answers(absent, "erp", [f"2026-10-{day:02d}" for day in range(1, 21)])
    assert "hush" not in str(told.value)
    assert str(told.value).count("cannot be reached") == 1, "asked once, not for twenty windows"
