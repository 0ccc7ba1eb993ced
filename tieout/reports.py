"""Where the reports of a month lie in the home folder, and under what path they are served."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"completeness-[0-9]{4}-[0-9]{2}\.(html|xlsx)")


def folder_of(home: Path) -> Path:
    """The folder of all reports of a home folder."""
    return home / "reports"


def report_name(month: str) -> str:
    """The HTML report over every reconciliation of a month (`2026-10`)."""
    return f"completeness-{month}.html"


def workbook_name(month: str) -> str:
    """The same figures and breaks as a workbook."""
    return f"completeness-{month}.xlsx"


def is_report(name: str) -> bool:
    """Whether a name is that of a report: what else lies in the folder is nobody's business."""
    return _NAME.fullmatch(name) is not None
