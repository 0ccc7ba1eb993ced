"""The labels: what is wrong, where, said by the one who put it there."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TextIO

import polars as pl

from tieout.model import SideName

COLUMNS: Final = ("reconciliation", "class", "side", "line_id", "amount")


class Labels:
    """Writes labels as they come up; `count` is how many."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.count = 0
        file.write(",".join(COLUMNS) + "\n")

    def add(
        self,
        reconciliation: str,
        break_class: str,
        side: SideName,
        lines: pl.DataFrame,
        places: int = 2,
    ) -> None:
        """Label lines (`line_id`, `amount` in whole units of 10^-places)."""
        for line_id, amount in lines.select("line_id", "amount").sort("line_id").iter_rows():
            exact = Decimal(amount).scaleb(-places)
            self._file.write(f"{reconciliation},{break_class},{side},{line_id},{exact:f}\n")
            self.count += 1
