"""The sample company over any range of days, without its webhooks: for what compares ranges."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tieout.periods import Period, month_of
from tieout.sample.make import make_sample
from tieout.statement import statements_of
from tieout.workplace import Workplace

CONFIGURATION = Path(__file__).parents[1] / "tieout.yaml"


def make(folder: Path, seed: int, period: Period, invoices_per_day: int) -> int:
    """Make the extracts of a range of days; returns their rows."""
    made = make_sample(
        folder / "sample",
        seed=seed,
        first=period.first,
        last=period.last,
        invoices_per_day=invoices_per_day,
    )
    return made.total_rows


def configure(folder: Path, name: str, first: date, *, together: bool = False) -> Path:
    """A configuration over the sample in a folder: a window each extract, or all in one.

    With `together`, the very same files lie in one folder a feed, that of its first window.
    """
    told = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    told["calendar"]["start"] = first
    told.pop("alerts")
    told["feeds"] = {feed: at for feed, at in told["feeds"].items() if "inbox" not in at}
    told["reconciliations"] = {
        rule: at for rule, at in told["reconciliations"].items() if not rule.startswith("events_")
    }
    for feed, at in told["feeds"].items():
        hourly = at.get("every") == "hour"
        if together:
            window = f"{first}T00" if hourly else str(first)
            _gather(folder / "sample" / feed, folder / "together" / feed / window)
            word = "{hour}" if hourly else "{date}"
            at["location"] = f"together/{feed}/{word}/*.csv"
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    return path


def said(config: Path, home: Path, period: Period) -> dict[str, Any]:
    """What is published and stated of a range: file hashes by reconciliation and day, and the
    statements of days and months as JSON text."""
    found: dict[str, Any] = {}
    months = sorted({month_of(day) for day in period.days()})
    with Workplace.open(config, home) as workplace:
        for name in workplace.settings.reconciliations:
            heads = workplace.register.heads(f"statements/{name}")
            for day, head in heads.items():
                paths = workplace.store.paths([head])
                content = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
                if content:
                    found[f"{name} {day}"] = content
            days = [Period(day, day) for day in period.days()]
            for about, given in statements_of(workplace, name, [*months, *days]).items():
                found[f"{name} {about} stated"] = json.dumps([one.as_json() for one in given])
    return found


def _gather(there: Path, into: Path) -> None:
    into.mkdir(parents=True)
    for path in sorted(there.iterdir()):
        os.link(path, into / path.name)
