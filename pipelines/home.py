"""Dagster's own folder in the home folder, and the web server over it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tieout.errors import ConfigurationError

_HERE = Path(__file__).parent
_SETTINGS = (_HERE / "dagster.yaml", _HERE.parent / "dagster.yaml")
"""The instance's settings: beside the package when installed, in the checkout's root otherwise."""
_EVENT_LOG = """
# Events are written in groups: half a millisecond each instead of 15. The files are Dagster's own,
# so this may be taken out at any time. It needs DAGSTER_HOME, which `tieout` sets.
event_log_storage:
  module: assets.event_log
  class: EventLog
  config:
    home:
      env: DAGSTER_HOME
"""


def dagster_home(home: Path) -> Path:
    """DAGSTER_HOME of a home folder, with dagster.yaml in it; one that is there already stays."""
    folder = home.expanduser().absolute() / "dagster"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / "dagster.yaml"
    if not target.exists():
        beside = folder / f".dagster.yaml.{os.getpid()}"
        beside.write_text(_own_settings().read_text(encoding="utf-8") + _EVENT_LOG, "utf-8")
        beside.replace(target)
    return folder


def environment(config: Path, home: Path) -> dict[str, str]:
    """The environment in which Dagster's processes find the configuration and the home folder."""
    return {
        **os.environ,
        "DAGSTER_HOME": str(dagster_home(home)),
        "TIEOUT_CONFIG": str(config.absolute()),
        "TIEOUT_HOME": str(home.expanduser().absolute()),
        # Stores the events of a range in groups; see assets/event_log.py.
        "DAGSTER_EVENT_BATCH_SIZE": "1000",
    }


def serve(config: Path, home: Path, *, port: int = 3000) -> int:
    """Run the Dagster UI and daemon on 127.0.0.1 until interrupted; the exit code.

    The UI has no authentication: it never listens anywhere else. A proxy: docs/security.md.
    """
    # Dagster advises another tool, which needs a project of its own making.
    quiet = ["-W", "ignore:Function `dev_command` is superseded"]
    command = [sys.executable, *quiet, "-m", "dagster", "dev"]
    command += [
        "--module-name",
        "pipelines.definitions",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with subprocess.Popen(command, env=environment(config, home)) as server:  # noqa: S603
        # A service manager ends this process alone: the server would live on without it.
        signal.signal(signal.SIGTERM, lambda _number, _frame: server.terminate())
        while True:
            try:
                return server.wait()
            except KeyboardInterrupt:
                # The terminal has sent the same to the server; it ends its children, then itself.
                continue


def _own_settings() -> Path:
    for path in _SETTINGS:
        if path.is_file():
            return path
    raise ConfigurationError(
        "dagster.yaml is not beside the program", "install Tieout again, or run it from a checkout"
    )
