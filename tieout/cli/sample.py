"""`tieout sample`: the extracts of a made-up company, with labelled breaks in them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path

import click

from tieout import sample as generator
from tieout.cli.common import DATE, Places, day, examples, located
from tieout.cli.progress import Advance, progress_bar
from tieout.errors import TieoutError
from tieout.render.layout import count_of
from tieout.sample.make import SampleReport, make_sample

MARK = "arguments.json"
"""Beside the extracts: what they were made with, written when all of them are there."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What makes a sample; the same arguments give the same bytes."""

    seed: int
    first: date
    last: date
    invoices_per_day: int

    def described(self) -> dict[str, str]:
        """The arguments as text, with a fingerprint of the generator's own source."""
        sources = sorted(Path(path) for path in Path(generator.__path__[0]).glob("*.py"))
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
        return {name: str(value) for name, value in asdict(self).items()} | {"made_by": digest}


def make_once(out: Path, arguments: Arguments, advance: Advance) -> SampleReport | None:
    """Make a sample, or None where the very same one is there already.

    Raises TieoutError where the folder holds a sample of other arguments: two samples in one folder
    would be one company with two pasts.
    """
    mark, wanted = out / MARK, arguments.described()
    if mark.exists():
        there = json.loads(mark.read_text(encoding="utf-8"))
        if there == wanted:
            return None
        if {k: v for k, v in there.items() if k != "made_by"} != {
            k: v for k, v in wanted.items() if k != "made_by"
        }:
            raise TieoutError(
                f"{out} holds another sample (seed {there.get('seed')}, {there.get('first')} to"
                f" {there.get('last')}, {there.get('invoices_per_day')} invoices a day)",
                "remove that folder, or name another one",
            )
        mark.unlink()
    made = make_sample(
        out,
        seed=arguments.seed,
        first=arguments.first,
        last=arguments.last,
        invoices_per_day=arguments.invoices_per_day,
        progress=lambda done, total: advance("making the sample", done, total),
    )
    mark.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
    return made


def told(made: SampleReport, out: Path) -> str:
    """What was made, in a sentence."""
    rows = ", ".join(f"{feed} {count:,}" for feed, count in made.rows.items())
    return (
        f"{count_of(made.files, 'file')} with {count_of(made.total_rows, 'row')} in {out}"
        f" ({rows}), {count_of(made.events, 'event')},"
        f" {count_of(made.labels, 'labelled break')}, {made.seconds:.1f} s"
    )


@click.command(
    epilog=examples(
        "tieout sample --seed 7 --from 2026-10-01 --to 2026-10-31 --out sample",
        "tieout sample --from 2026-10-01 --to 2026-10-31 --invoices-per-day 20000 --out big",
    )
)
@click.option("--seed", type=int, default=7, show_default=True, help="Same seed, same bytes.")
@click.option("--from", "first", type=DATE, required=True, help="The first day.")
@click.option("--to", "last", type=DATE, required=True, help="The last day.")
@click.option("--invoices-per-day", type=int, default=100, show_default=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder.  [default: sample, beside the configuration]",
)
@located
def sample(
    places: Places,
    seed: int,
    first: datetime,
    last: datetime,
    invoices_per_day: int,
    out: Path | None,
) -> None:
    """Make the extracts of a sample company: two payment providers, usage, billing and an ERP.

    What they tell by webhook lies beside the extracts, an event a line (`tieout events import`).
    The breaks put in are listed in labels.csv beside the extracts (reconciliation, class, side,
    line_id, amount). Days are written as they are made, so a large sample needs little memory.
    """
    out = out or places.config.parent / "sample"
    arguments = Arguments(seed, day(first), day(last), invoices_per_day)
    with progress_bar("making the sample") as advance:
        made = make_once(out, arguments, advance)
    click.echo(told(made, out) if made else f"{out} holds this very sample already")
