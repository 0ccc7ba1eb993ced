"""What leads from a page of the UI to the report of its month, on the same server."""

from __future__ import annotations

import dagster as dg

from tieout.reports import report_name, workbook_name


def links(day: str) -> dict[str, dg.UrlMetadataValue]:
    """Report and workbook of the month a day is in, as `pipelines.webserver` serves them."""
    month = day[:7]
    return {
        "report of the month": dg.MetadataValue.url(f"/reports/{report_name(month)}"),
        "workbook of the month": dg.MetadataValue.url(f"/reports/{workbook_name(month)}"),
    }
