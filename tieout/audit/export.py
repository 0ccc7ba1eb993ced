"""One archive for an auditor: the same bytes for the same state, to be checked without Tieout."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tieout.audit.configuration import KIND as CONFIGURATION
from tieout.audit.verify import Entry, entries
from tieout.errors import TieoutError
from tieout.periods import Period
from tieout.register.chain import canonical, moment_text
from tieout.register.closetables import close_action, close_package, period_lock
from tieout.register.schema import decision, extract
from tieout.render import report
from tieout.statement import statements
from tieout.workplace import Workplace

_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHECKER = Path(__file__).with_name("verify_chain.py")
_README = """\
{company}, {period}: what Tieout has on record.

statements.txt        the completeness statements of the period, to be read
statements.ndjson     the same, one JSON object a line
packages/             what was signed when a month was closed, byte for byte; named by its sha256
sign_offs.ndjson      every act of closing, with its SSH signature (`proof`)
locks.ndjson          which months are locked, on which package
decisions.ndjson      what persons decided about lines, and why
evidence.csv          every extract taken in: file, version, sha256, bytes, when
chain.ndjson          the audit chain: every publication, decision and sign-off, in order
configuration.json    the configuration that the last run worked with, without secrets
verify_chain.py       checks chain.ndjson with nothing but Python

To check:
  python3 verify_chain.py chain.ndjson      every entry follows the one before; prints the last hash
  sha256sum packages/*                      each name is the hash of its content
  sha256sum EXTRACT                         of an extract as its sender has it: see evidence.csv

The last entry of the chain is {seq}, its hash {sha256}.
Compare it with what was written down on the day (`tieout audit head`): a chain that was rewritten
since does not hold that hash.
"""


def export(workplace: Workplace, period: Period, file: Path) -> None:
    """Write the archive of a period. Raises TieoutError where it cannot be written."""
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in _members(workplace, period):
                about = zipfile.ZipInfo(name, _EPOCH)
                about.compress_type = zipfile.ZIP_DEFLATED
                about.external_attr = 0o644 << 16
                archive.writestr(about, text)
    except OSError as problem:
        raise TieoutError(f"cannot write {file}: {problem.strerror}", "name another file") from None


def _members(workplace: Workplace, period: Period) -> Iterator[tuple[str, str]]:
    chain = entries(workplace)
    last = chain[-1] if chain else None
    yield (
        "README.txt",
        _README.format(
            company=workplace.settings.company,
            period=period,
            seq=last.seq if last else 0,
            sha256=last.sha256 if last else "-",
        ),
    )
    names = workplace.settings.reconciliations
    stated = [one for name in names for one in statements(workplace, name, period)]
    yield "statements.txt", report.text(stated)
    yield "statements.ndjson", "".join(f"{canonical(one.as_json())}\n" for one in stated)
    for row in _rows(workplace, close_package):
        yield f"packages/{row['sha256']}", row["body"]
    for name, table in (
        ("sign_offs", close_action),
        ("locks", period_lock),
        ("decisions", decision),
    ):
        yield f"{name}.ndjson", "".join(f"{canonical(r)}\n" for r in _rows(workplace, table))
    yield "evidence.csv", _evidence(workplace)
    yield "chain.ndjson", "".join(_entry(one) for one in chain)
    told = [one for one in chain if one.kind == CONFIGURATION]
    settings = json.loads(told[-1].body)["settings"] if told else {}
    yield "configuration.json", json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False)
    yield "verify_chain.py", _CHECKER.read_text(encoding="utf-8")


def _rows(workplace: Workplace, table: sa.Table) -> list[dict[str, Any]]:
    with workplace.register.reading() as connection:
        query = sa.select(table).order_by(*table.primary_key)
        return [dict(row) for row in connection.execute(query).mappings()]


def _entry(one: Entry) -> str:
    told = {name: getattr(one, name) for name in one.__dataclass_fields__}
    return f"{canonical(told | {'at': moment_text(one.at)})}\n"


def _evidence(workplace: Workplace) -> str:
    out = io.StringIO()
    columns = ("feed", "window_key", "name", "version", "sha256", "bytes", "taken_at")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in _rows(workplace, extract):
        cells = [moment_text(v) if n == "taken_at" else v for n, v in row.items() if n in columns]
        # A name that a spreadsheet would take for a formula stays text.
        writer.writerow([f"'{c}" if str(c).startswith(tuple("=+-@\t\r")) else c for c in cells])
    return out.getvalue()
