"""Dagster's own folder in the home folder, and what its processes find in their environment."""

from __future__ import annotations

import os
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


def _own_settings() -> Path:
    for path in _SETTINGS:
        if path.is_file():
            return path
    raise ConfigurationError(
        "dagster.yaml is not beside the program", "install Tieout again, or run it from a checkout"
    )
