"""Leaves out of `make test` what takes minutes; `make faults` runs it."""

from __future__ import annotations

import os

collect_ignore = [] if "TIEOUT_FAULTS" in os.environ else ["test_daemon_killed.py"]
