"""Where the report of a month lies in the home folder, so that other pages can lead to it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from tieout.workplace import Workplace


def report_path(workplace: Workplace, month: str) -> Path:
    """The HTML report over every reconciliation of a month (`2026-10`)."""
    return workplace.home / "reports" / f"completeness-{month}.html"


def workbook_path(workplace: Workplace, month: str) -> Path:
    """The same figures and breaks as a workbook."""
    return report_path(workplace, month).with_suffix(".xlsx")


def links(workplace: Workplace, day: str) -> dict[str, dg.PathMetadataValue]:
    """Report and workbook of the month a day is in."""
    month = day[:7]
    return {
        "report": dg.MetadataValue.path(str(report_path(workplace, month))),
        "workbook": dg.MetadataValue.path(str(workbook_path(workplace, month))),
    }
