"""Dagster's web server, with the reports of the home folder beside its pages.

    python -m pipelines.webserver --host 127.0.0.1 --port 3000 --module-name pipelines.definitions

It takes the options of `dagster-webserver`. A page of the UI leads to a report by its path on the
same server, so the link holds on any machine, and whatever guards the UI guards the reports too.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from tieout.reports import folder_of, is_report

_HEADERS = {
    # A report runs nothing, loads nothing and sends nothing, whatever its data say.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def main() -> None:
    """Run the web server until interrupted."""
    # Its version is pinned, and a test in the browser follows a link to a report.
    dagster: Any = importlib.import_module("dagster_webserver.cli")
    build = dagster.create_app_from_workspace_process_context

    def with_reports(*arguments: Any, **more: Any) -> Any:
        app = build(*arguments, **more)
        # Before Dagster's own routes, the last of which answers every path.
        app.router.routes.insert(0, Route("/reports/{name:path}", _report))
        return app

    dagster.create_app_from_workspace_process_context = with_reports
    dagster.main()


async def _report(request: Request) -> FileResponse:
    name = request.path_params["name"]
    path = folder_of(Path(os.environ.get("TIEOUT_HOME", ".tieout"))) / name
    if not is_report(name) or not path.is_file():
        raise HTTPException(404, f"no report {name}: run the period first")
    return FileResponse(path, headers=_HEADERS)


if __name__ == "__main__":
    main()
