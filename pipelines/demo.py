"""`tieout demo`: a month of the sample company through the whole pipeline, and the report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import click

from pipelines.run import RunOutcome, run_range
from pipelines.run_command import exit_code, stated, what_failed
from tieout.breaks import breaks
from tieout.cli.common import DATE, Places, day, located, say
from tieout.cli.progress import progress_bar
from tieout.cli.sample import Arguments, make_once, told
from tieout.errors import ConfigurationError
from tieout.model import Break, Statement
from tieout.periods import Period
from tieout.render import report
from tieout.render.breaks import largest
from tieout.render.layout import count_of
from tieout.sample.business import stamp
from tieout.sample.deliver import deliver
from tieout.sample.events import EVENT_FEEDS
from tieout.sample.make import FEEDS
from tieout.sample.score import ClassScore, score
from tieout.settings import Settings
from tieout.validation import validated


@click.command()
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--from", "first", type=DATE, default="2026-10-01", show_default=True)
@click.option("--to", "last", type=DATE, default="2026-10-31", show_default=True)
@click.option("--invoices-per-day", type=int, default=100, show_default=True)
@located
def demo(places: Places, seed: int, first: datetime, last: datetime, invoices_per_day: int) -> None:
    """Reconcile a month of the sample company and print the completeness report.

    Makes the sample beside the configuration unless it is there, runs the production jobs on it,
    and compares the breaks found with the labels the sample carries, which the matcher never sees.
    """
    started = time.monotonic()
    settings = validated(places.config)
    _assert_sample_company(places.config, settings)
    folder = settings.base / "sample"
    arguments = Arguments(seed, day(first), day(last), invoices_per_day)
    with progress_bar("making the sample") as advance:
        made = make_once(folder, arguments, advance)
        with places.open() as workplace:
            told_of = deliver(workplace, folder)
        outcome = run_range(
            places.config, places.home, arguments.first, arguments.last, progress=advance, say=say
        )
    period = Period(arguments.first, arguments.last)
    with places.open() as workplace:
        names = list(settings.reconciliations)
        found = stated(workplace, names, arguments.first, arguments.last)
        open_ones = [one for name in names for one in breaks(workplace, name, period)]
    sample = told(made, folder) if made else f"{folder} is there already"
    click.echo(f"{settings.company}, {arguments.first} to {arguments.last}, seed {seed}")
    click.echo(f"sample: {sample}")
    click.echo(f"events: {_came(told_of)}")
    click.echo(f"run: {_did(outcome)}\n")
    for line in what_failed(outcome):
        say(line)
    click.echo(
        "\n".join(_report(period, found, open_ones, score(folder / "labels.csv", open_ones)))
    )
    click.echo(f"{time.monotonic() - started:.1f} s in all. To look at it:\n")
    click.echo("\n".join(_ways_to_look(places, open_ones, arguments.first)))
    click.get_current_context().exit(exit_code(outcome, found, fail_on_breaks=False))


def _assert_sample_company(config: Path, settings: Settings) -> None:
    missing = [feed for feed in (*FEEDS, *EVENT_FEEDS) if feed not in settings.feeds]
    if missing:
        raise ConfigurationError(
            f"{config} is not the sample company's configuration: no feed {', '.join(missing)}",
            "run the demo where Tieout was checked out, or name its tieout.yaml with --config",
        )


def _came(counts: Mapping[str, int]) -> str:
    return (
        f"{counts['new']:,} stored, {counts['duplicate']:,} there already"
        f" ({counts['dead']:,} in the dead letters)"
    )


def _did(outcome: RunOutcome) -> str:
    done = "done" if outcome.success else "FAILED"
    partitions = count_of(sum(outcome.materialized.values()), "partition")
    return (
        f"{done} in {outcome.seconds:.1f} s; {count_of(len(outcome.materialized), 'asset')},"
        f" {partitions}, {count_of(outcome.checks, 'check')}"
        f" ({len(outcome.failed_checks):,} found something)"
    )


def _report(
    period: Period,
    found: Sequence[Statement],
    open_ones: Sequence[Break],
    scores: Sequence[ClassScore],
) -> Iterator[str]:
    yield f"Completeness report, {period}\n"
    yield report.text(found)
    yield f"{report.does_it_hold(found)}\n"
    yield f"{count_of(len(open_ones), 'break')}, against the labels that the matcher never sees:\n"
    yield _score_text(scores)


def _score_text(scores: Sequence[ClassScore]) -> str:
    """One line a reconciliation and class: put in, found, found rightly, precision, recall."""
    rows = [["reconciliation", "class", "put in", "found", "rightly", "precision", "recall"]]
    rows += [
        [
            one.reconciliation,
            one.break_class,
            f"{one.labelled:,}",
            f"{one.found:,}",
            f"{one.true_positives:,}",
            _share(one.precision),
            _share(one.recall),
        ]
        for one in scores
    ]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "  ".join(
            f"{cell:<{width}}" if n < 2 else f"{cell:>{width}}"
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _share(value: Decimal | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _an_invoice(first: date) -> str:
    """One of the eighth day: the first that bills usage."""
    return f"INV-{stamp(first + timedelta(days=7))}-000003"


def _ways_to_look(places: Places, open_ones: Sequence[Break], first: date) -> Iterator[str]:
    month = f"{first:%Y-%m}"
    ways = [
        ("make dev", "the Dagster UI on http://127.0.0.1:3000"),
        (f".venv/bin/tieout statement --period {month}", "every statement"),
        (f".venv/bin/tieout breaks --period {month}", "every break, with its explanation"),
    ]
    telling = [one for one in largest(open_ones, len(open_ones)) if one.counterpart and one.ref]
    if telling:
        ref = telling[0].ref
        ways.append((f".venv/bin/tieout line {ref}", "one of them, across the systems"))
    ways += [
        (
            f".venv/bin/tieout trace {_an_invoice(first)}",
            "where an invoice is, from usage to payout",
        ),
        (".venv/bin/tieout alerts", "what waits for a person, with the amounts at stake"),
    ]
    width = max(len(way) for way, _ in ways)
    for way, what in ways:
        yield f"  {way:<{width}}  {what}"
    page = places.home / "reports" / f"completeness-{month}.html"
    if page.exists():
        yield f"\nThe same as a page and a workbook: {page} and .xlsx"
