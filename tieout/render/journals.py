"""Proposed journals as text, JSON and CSV.

The CSV is one row a journal line, in the layout that NetSuite's import of journal entries takes in
a single file (External ID on every row, header fields repeated); columns are named as the extract
of the ledger names them, so that what was imported comes back with the same references. Cells are
safe in a spreadsheet program as those of `tieout breaks` are. Lines end as in RFC 4180 (CR LF).
"""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from tieout.journals.model import RESIDUAL, Counted, Journal, JournalLine, Proposals, breaks_in
from tieout.money import plain_amount, text_amount
from tieout.render.breaks import is_formula
from tieout.render.layout import aligned, count_of, printable

COLUMNS = (
    "External ID",
    "Date",
    "Subsidiary",
    "Currency",
    "Memo",
    "Account",
    "Debit",
    "Credit",
    "Document Number",
    "Reversal Of",
    "custbody_batch_ref",
    "custcol_line_ref",
    "custcol_settlement_category",
)
_WIDTH = 100
_INDENT = "    "


def as_json(given: Proposals, known: Mapping[str, object] | None = None) -> str:
    """One JSON object: counts, journals, and what is not proposed; `known` is said first."""
    return json.dumps({**(known or {}), **given.as_json()}, indent=2, ensure_ascii=False) + "\n"


def as_csv(given: Proposals) -> str:
    """A heading and one row for each journal line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for journal in given.journals:
        writer.writerows(_row(journal, line) for line in journal.lines)
    return out.getvalue()


def _row(journal: Journal, line: JournalLine) -> list[str]:
    amount = plain_amount(line.amount.copy_abs(), journal.currency)
    return [
        _cell(journal.external_id),
        journal.day.isoformat(),
        _cell(journal.subsidiary),
        _cell(journal.currency),
        _cell(journal.memo),
        _cell(line.account),
        amount if line.amount > 0 else "",
        amount if line.amount < 0 else "",
        _cell(line.document_ref),
        _cell(line.reversal_of),
        _cell(line.batch_ref),
        _cell(line.line_ref),
        _cell(line.category),
    ]


def _cell(text: str | None) -> str:
    shown = text or ""
    return "'" + shown if is_formula(shown) else shown


def text(given: Proposals) -> str:
    """The journals, and below them how many breaks have none, and why; ends with a newline."""
    parts = [*("\n".join(_block(one)) for one in given.journals), summary(given)]
    return "\n\n".join(parts) + "\n"


def _block(one: Journal) -> Iterator[str]:
    head = f"{one.entity}  {one.currency}  {one.day}  {one.external_id}"
    yield printable(head)
    yield from textwrap.wrap(
        printable(one.memo), _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT
    )
    accounts = [f"{line.account} {line.account_class or '(unmapped)'}" for line in one.lines]
    wide = max(map(len, accounts))
    amounts = aligned([text_amount(line.amount.copy_abs(), one.currency) for line in one.lines])
    column = max(map(len, amounts))
    for line, account, amount in zip(one.lines, accounts, amounts, strict=True):
        debit, credit = (amount, "") if line.amount > 0 else ("", amount)
        about = f"reverses {line.reversal_of}" if line.reversal_of else ""
        refs = [line.line_ref or line.batch_ref or line.document_ref or "", line.category or ""]
        said = " ".join(part for part in (about, *refs) if part)
        shown = f"{_INDENT}{account:<{wide}}  {debit:>{column}}  {credit:>{column}}  {said}"
        yield printable(shown.rstrip())


def summary(given: Proposals) -> str:
    """How many journals there are, for how many breaks, and why the others have none."""
    residuals = sum(one.count for one in given.proposed if one.break_class == RESIDUAL)
    more = f", and {count_of(residuals, 'residual')} of matches" if residuals else ""
    lines = [
        f"{count_of(len(given.journals), 'journal')} proposed for {breaks_in(given.proposed):,} of "
        f"{count_of(given.breaks, 'break')}{more}; nothing is posted."
    ]
    if given.not_proposed:
        lines.append("No journal is proposed for:")
    lines += _reasons(given.not_proposed)
    return "\n".join(lines)


def _reasons(counts: Sequence[Counted]) -> list[str]:
    """One line a reconciliation, class and reason."""
    if not counts:
        return []
    wide = max(len(f"{one.count:,}") for one in counts)
    return [
        line
        for one in counts
        for line in textwrap.wrap(
            printable(
                f"{one.count:>{wide},}  {one.reconciliation}, {one.break_class}: {one.reason}"
            ),
            _WIDTH,
            initial_indent="  ",
            subsequent_indent=" " * (wide + 6),
            break_on_hyphens=False,
        )
    ]
