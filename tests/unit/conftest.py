"""What several unit tests start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.events import Served, serving


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Served]:
    """An intake where the database makes no difference."""
    with serving(tmp_path, None) as running:
        yield running
