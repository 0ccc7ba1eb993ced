"""The workbook: Summary, Statements, Breaks, Open items and Waterfall, for work in a spreadsheet.

Text from data stays text: no formula, no link, whatever it begins with. An amount is a number only
where a spreadsheet's 15 digits hold it exactly, else text that shows every digit. The same figures
give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from tieout.model import AGES, OPEN_ITEM_ROWS, Break, Figure, Statement
from tieout.money import plain_amount
from tieout.render.breaks import COLUMNS as BREAK_COLUMNS
from tieout.render.breaks import is_formula, largest
from tieout.render.layout import (
    Cell,
    entity_text,
    pairs,
    rows,
    watermark_sentences,
    whole_percent,
)
from tieout.render.report import COLUMNS, does_it_hold, entries
from tieout.render.waterfall import rows as waterfall_rows
from tieout.waterfall import Waterfall

MOST_BREAKS = 100_000
"""Breaks in a workbook; the CSV has all of them."""
_EXACT_DIGITS = 15
_LONGEST_TEXT = 32_767
_CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 - a workbook's dates have no zone
"""A fixed creation date: the wall clock is no part of the content."""
_KEYS = ("reconciliation", "period", "entity", "currency", "side")
Value = str | int | Decimal | date | None


def workbook(
    given: Sequence[Statement],
    breaks: Sequence[Break],
    waterfalls: Sequence[Waterfall] = (),
    *,
    title: str = "Completeness statements",
) -> bytes:
    """The whole workbook as bytes of an xlsx file; breaks the largest first, at most 100,000.

    The sheet of waterfalls is there where any are given; `title` is a property of the file.
    """
    out = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_urls": False,
        "strings_to_formulas": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties({"created": _CREATED, "title": title})
        sheets = _Sheets(book)
        _summary(sheets, given)
        _statements(sheets, given)
        _breaks(sheets, breaks)
        _open_items(sheets, given)
        if waterfalls:
            _waterfalls(sheets, waterfalls)
    return out.getvalue()


class _Sheets:
    """The workbook under construction, with each cell format made once."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self.book = book
        self._formats: dict[tuple[tuple[str, object], ...], Format] = {}

    def format(self, **properties: object) -> Format:
        key = tuple(sorted(properties.items()))
        if key not in self._formats:
            self._formats[key] = self.book.add_format(properties)
        return self._formats[key]

    def table(self, name: str, heads: Sequence[str], widths: Sequence[int]) -> Worksheet:
        """A sheet with a heading row that stays in view."""
        sheet: Worksheet = self.book.add_worksheet(name)
        bold = self.format(bold=True, bottom=1, text_wrap=True, valign="top")
        for n, (head, width) in enumerate(zip(heads, widths, strict=True)):
            sheet.set_column(n, n, width)
            sheet.write_string(0, n, head, bold)
        sheet.freeze_panes(1, 0)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        return sheet

    def write(self, sheet: Worksheet, row: int, column: int, value: Value, **look: object) -> None:
        """One cell that is not money."""
        if value is None:
            return
        if isinstance(value, date):
            sheet.write_datetime(row, column, value, self.format(num_format="yyyy-mm-dd", **look))
        elif isinstance(value, int):
            sheet.write_number(row, column, value, self.format(num_format="#,##0", **look))
        else:
            self._text(sheet, row, column, str(value), look)

    def money(
        self,
        sheet: Worksheet,
        row: int,
        column: int,
        amount: Decimal,
        currency: str,
        **look: object,
    ) -> None:
        """An amount: a number where that is exact, else text with every digit."""
        text = plain_amount(amount, currency)
        if len(text.strip("-").replace(".", "").lstrip("0")) > _EXACT_DIGITS:
            self._text(sheet, row, column, text, look | {"align": "right"})
            return
        places = len(text.partition(".")[2])
        shown = "#,##0" + ("." + "0" * places if places else "")
        sheet.write_number(row, column, float(text), self.format(num_format=shown, **look))

    def percent(self, sheet: Worksheet, row: int, column: int, value: Decimal) -> None:
        """A percentage, as a share of two decimals (rounded down) that the spreadsheet shows."""
        share = float(whole_percent(value) / 100)
        sheet.write_number(row, column, share, self.format(num_format="0.00%"))

    def _text(
        self, sheet: Worksheet, row: int, column: int, text: str, look: dict[str, object]
    ) -> None:
        """Text, with the mark that keeps it text even after somebody edits the cell."""
        if is_formula(text):
            look = look | {"quote_prefix": True}
        kept = text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"
        sheet.write_string(row, column, kept, self.format(**look) if look else None)


def _key(one: Statement) -> tuple[str, ...]:
    return (
        one.reconciliation,
        str(one.period),
        entity_text(one.entity),
        one.currency,
        one.side,
    )


def _summary(sheets: _Sheets, given: Sequence[Statement]) -> None:
    heads = [*_KEYS]
    for name in COLUMNS:
        heads += [f"{name}, lines", f"{name}, amount"]
    heads += ["complete by count", "complete by amount"]
    widths = [24, 10, 12, 9, 8] + [11, 17] * len(COLUMNS) + [11, 11]
    sheet = sheets.table("Summary", heads, widths)
    for n, entry in enumerate(entries(given), 1):
        one = entry.statement
        for column, word in enumerate(_key(one)):
            sheets.write(sheet, n, column, word)
        for place, figure in enumerate(entry.figures):
            red = {"font_color": "#B3261E", "bold": True}
            look = red if COLUMNS[place] == "unexplained" and figure != Figure() else {}
            sheets.write(sheet, n, 5 + 2 * place, figure.count, **look)
            sheets.money(sheet, n, 6 + 2 * place, figure.amount, one.currency, **look)
        end = 5 + 2 * len(COLUMNS)
        sheets.percent(sheet, n, end, entry.by_count)
        sheets.percent(sheet, n, end + 1, entry.by_amount)
    sheet.autofilter(0, 0, max(1, len(given)), len(heads) - 1)
    sheets.write(sheet, len(given) + 2, 0, does_it_hold(given), bold=True)


def _statements(sheets: _Sheets, given: Sequence[Statement]) -> None:
    """Every row of every statement, one below the other, so that filters and pivots work."""
    heads = [*_KEYS, "row", "count", "amount"]
    sheet = sheets.table("Statements", heads, [24, 10, 12, 9, 8, 40, 12, 20])
    n = 0
    for one in given:
        for pair in pairs([one]):
            for row in rows(pair):
                n += 1
                for column, word in enumerate(_key(one)):
                    sheets.write(sheet, n, column, word)
                indent = {"indent": row.depth} if row.depth else {}
                sheets.write(sheet, n, 5, row.label, **indent)
                _figures(sheets, sheet, n, row.cells[0], None if row.percent else one.currency)
            for sentence in watermark_sentences(pair):
                n += 1
                for column, word in enumerate((*_key(one), sentence)):
                    sheets.write(sheet, n, column, word)
    sheet.autofilter(0, 0, max(1, n), len(heads) - 1)


def _figures(
    sheets: _Sheets, sheet: Worksheet, n: int, cell: Cell | None, currency: str | None
) -> None:
    """Count and amount of a row; two percentages where there is no currency."""
    if cell is None:
        return
    if currency is None:
        sheets.percent(sheet, n, 6, Decimal(cell.count))
        sheets.percent(sheet, n, 7, cell.amount)
        return
    sheets.write(sheet, n, 6, int(cell.count))
    sheets.money(sheet, n, 7, cell.amount, currency)


def _breaks(sheets: _Sheets, breaks: Sequence[Break]) -> None:
    widths = [24, 22, 8, 18, 28, 24, 10, 9, 18, 11, 11, 9, 90, 28, 9, 18, 40]
    sheet = sheets.table("Breaks", BREAK_COLUMNS, widths)
    shown = largest(breaks, MOST_BREAKS)
    for n, one in enumerate(shown, 1):
        words: tuple[Value, ...] = (
            one.reconciliation,
            one.break_class,
            one.side,
            one.feed,
            one.line_id,
            one.ref,
            entity_text(one.entity),
            one.currency,
        )
        for column, word in enumerate(words):
            sheets.write(sheet, n, column, word)
        sheets.money(sheet, n, 8, one.amount, one.currency)
        rest: tuple[Value, ...] = (
            one.occurred_on,
            one.period,
            one.age_days,
            one.explanation,
            one.counterpart,
            one.decision,
            one.accepted_by,
            one.accepted_because,
        )
        for column, value in enumerate(rest, 9):
            sheets.write(sheet, n, column, value)
    sheet.autofilter(0, 0, max(1, len(shown)), len(BREAK_COLUMNS) - 1)
    if len(breaks) > len(shown):
        left = (
            f"{len(breaks) - len(shown):,} smaller breaks are not in this sheet; the CSV has all."
        )
        sheets.write(sheet, len(shown) + 2, 0, left, bold=True)


def _open_items(sheets: _Sheets, given: Sequence[Statement]) -> None:
    """The roll-forward and the ages of what is open, one statement a row."""
    names = [*OPEN_ITEM_ROWS, *(f"{age} days old" for age in AGES)]
    heads = [*_KEYS]
    for name in names:
        heads += [f"{name}, lines", f"{name}, amount"]
    sheet = sheets.table("Open items", heads, [24, 10, 12, 9, 8] + [9, 15] * len(names))
    for n, one in enumerate(given, 1):
        for column, word in enumerate(_key(one)):
            sheets.write(sheet, n, column, word)
        figures = [one.open_items[name] for name in OPEN_ITEM_ROWS]
        figures += [one.ageing.get(age, Figure()) for age in AGES]
        for place, figure in enumerate(figures):
            sheets.write(sheet, n, 5 + 2 * place, figure.count)
            sheets.money(sheet, n, 6 + 2 * place, figure.amount, one.currency)
    sheet.autofilter(0, 0, max(1, len(given)), len(heads) - 1)


def _waterfalls(sheets: _Sheets, given: Sequence[Waterfall]) -> None:
    """Every row of every waterfall, one below the other; the last of each is unexplained."""
    heads = [*_KEYS[:4], "part", "step", "count", "amount"]
    sheet = sheets.table("Waterfall", heads, [24, 10, 12, 9, 12, 46, 12, 20])
    n = 0
    for one in given:
        key = (one.reconciliation, one.about, entity_text(one.entity), one.currency)
        for row in waterfall_rows(one):
            n += 1
            look: dict[str, object] = {"bold": True} if row.is_total else {}
            indent: dict[str, object] = {} if row.is_total else {"indent": 1}
            for column, word in enumerate((*key, row.part)):
                sheets.write(sheet, n, column, word)
            sheets.write(sheet, n, 5, row.label, **look, **indent)
            if row.part != "unexplained":
                sheets.write(sheet, n, 6, row.figure.count, **look)
            sheets.money(sheet, n, 7, row.figure.amount, one.currency, **look)
    sheet.autofilter(0, 0, max(1, n), len(heads) - 1)
