"""Leaves out of `make test` what takes minutes; `make faults` runs it."""

from __future__ import annotations

import os

_MINUTES = ["test_daemon_killed.py", "test_schedules_killed.py"]
collect_ignore = [] if "TIEOUT_FAULTS" in os.environ else _MINUTES
