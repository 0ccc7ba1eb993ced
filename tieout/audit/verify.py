"""Verifying everything that can be: the chain, the rows it records, the files, the arithmetic.

Nothing here trusts what it checks: hashes are computed from the rows and the files themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from tieout.close.status import check_proofs
from tieout.prune import Place, about_prune, versions_sha256
from tieout.register.audited import OPENING, TABLES, about, before
from tieout.register.audittables import audit, audit_head
from tieout.register.chain import NOTHING, canonical, digest
from tieout.register.closetables import close_package
from tieout.register.prunetables import prune, pruned
from tieout.register.schema import extract, head, publication
from tieout.workplace import Workplace

Progress = Callable[[str, int, int], None]
_PIECE = 1 << 20
_EQUATIONS = (
    ("received", ("not_in_file", "quarantined", "duplicates", "accepted")),
    ("accepted", ("matched", "matched_in_transit", "timing", "breaks", "unexplained")),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the chain."""

    seq: int
    at: datetime
    kind: str
    body: str
    previous: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as recorded."""

    check: str
    what: str

    def as_json(self) -> dict[str, str]:
        """The finding as one JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, by kind, and what was found wrong."""

    counts: Mapping[str, int]
    findings: tuple[Finding, ...]


def entries(workplace: Workplace, *, after: int = 0, kind: str | None = None) -> list[Entry]:
    """Entries of the chain in order, after a number, of one kind or all."""
    query = sa.select(audit).where(audit.c.seq > after).order_by(audit.c.seq)
    if kind is not None:
        query = query.where(audit.c.kind == kind)
    with workplace.register.reading() as connection:
        return [Entry(*row) for row in connection.execute(query)]


def chain_head(workplace: Workplace) -> tuple[int, str]:
    """Number and hash of the last entry: write it down where nobody of the register can."""
    with workplace.register.reading() as connection:
        row = connection.execute(sa.select(audit_head.c.seq, audit_head.c.sha256)).one()
    return int(row.seq), str(row.sha256)


def verify_chain(chain: Sequence[Entry], last: tuple[int, str]) -> Iterator[Finding]:
    """What is wrong with a chain; the first wrong entry is named first."""
    previous, at = NOTHING, None
    for number, one in enumerate(chain, 1):
        where = f"entry {one.seq}"
        if one.seq != number:
            yield Finding("chain", f"entry {number} is missing: {where} stands in its place")
            return
        if one.previous != previous:
            yield Finding("chain", f"{where} does not follow the entry before it")
        if one.sha256 != digest(one.seq, one.at, one.kind, one.body, one.previous):
            yield Finding("chain", f"{where} ({one.kind}) is not what was recorded")
        if at is not None and one.at < at:
            yield Finding("chain", f"{where} is older than the entry before it")
        previous, at = one.sha256, one.at
    if last != (len(chain), previous):
        yield Finding("chain", f"the chain ends at entry {len(chain)}, its head is {last[0]}")


def verify(
    workplace: Workplace,
    *,
    every_version: bool = False,
    known_head: str | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Verify the chain, what it records, heads, files, evidence, signatures and statements.

    `every_version`: the files of all versions, not of the present ones alone. `known_head` is the
    hash of an entry, written down before: the chain has to hold it.
    """
    chain = entries(workplace)
    findings = [*verify_chain(chain, chain_head(workplace))]
    if known_head is not None and known_head not in {one.sha256 for one in chain}:
        findings.append(
            Finding("chain", f"no entry has the hash {known_head}: rewritten, or older than it")
        )
    counts = {"entries": len(chain)}
    for kind in TABLES:
        findings += _rows(workplace, kind, chain)
    findings += _packages(workplace)
    findings += _prunes(workplace, chain)
    findings += _heads(workplace)
    files = list(_files(workplace, every_version=every_version))
    counts["files"] = len(files)
    watch = progress or (lambda _label, _done, _total: None)
    for number, (check, path, size, sha256) in enumerate(files):
        watch("files", number, len(files))
        if (problem := _damage(path, size, sha256)) is not None:
            findings.append(Finding(check, problem))
    findings += [Finding("signature", told) for told in check_proofs(workplace).wrong]
    stated = [*_statements(workplace)]
    counts["statements"] = len(stated)
    findings += [found for one in stated for found in _adds_up(one)]
    return Verified(counts, tuple(findings))


def _rows(workplace: Workplace, kind: str, chain: Iterable[Entry]) -> Iterator[Finding]:
    """Rows of the register against their entries, both ways."""
    known = {one.body for one in chain if one.kind == kind}
    opening: dict[str, Any] = next(
        (json.loads(one.body) for one in chain if one.kind == OPENING), {}
    )
    table = TABLES[kind]
    with workplace.register.reading() as connection:
        rows = connection.execute(sa.select(table)).mappings()
        there = {canonical(about(kind, dict(row))) for row in rows}
        older = before(connection, kind, known)
    if older != opening.get(kind, {"rows": 0, "sha256": hashlib.sha256().hexdigest()}):
        changed = sorted(there - known)
        shown = _shown(changed[0]) if changed else "rows from before the chain are gone"
        yield Finding(kind, f"not as recorded, or never recorded: {shown}")
    for body in sorted(known - there):
        yield Finding(kind, f"recorded, and gone or changed: {_shown(body)}")


def _shown(body: str) -> str:
    told = json.loads(body)
    names = ("table_name", "partition", "version", "id", "reconciliation", "kind", "action",
             "entity", "month", "feed", "sequence")  # fmt: skip
    return ", ".join(f"{n} {told[n]}" for n in names if told.get(n) is not None)


def _packages(workplace: Workplace) -> Iterator[Finding]:
    with workplace.register.reading() as connection:
        rows = connection.execute(sa.select(close_package.c.sha256, close_package.c.body)).all()
    for sha256, body in rows:
        if hashlib.sha256(body.encode()).hexdigest() != sha256:
            yield Finding("package", f"the package {sha256[:12]} is not what was signed")


def _prunes(workplace: Workplace, chain: Iterable[Entry]) -> Iterator[Finding]:
    """Versions that are kept no longer, against the entries that say so: both ways."""
    known = {one.body for one in chain if one.kind == "prune"}
    places: dict[int, list[Place]] = defaultdict(list)
    c = pruned.c
    with workplace.register.reading() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(prune)).mappings()]
        for row in connection.execute(sa.select(c.prune_id, c.table_name, c.partition, c.version)):
            places[row.prune_id].append((row.table_name, row.partition, row.version))
    for one in rows:
        body = canonical(about_prune(one))
        if body not in known:
            yield Finding("prune", f"prune {one['id']} is not as recorded, or never recorded")
        known.discard(body)
        if versions_sha256(places[one["id"]]) != one["versions_sha256"]:
            yield Finding("prune", f"prune {one['id']}: not the versions that were recorded")
    for body in sorted(known):
        yield Finding("prune", f"recorded, and gone: prune {json.loads(body)['id']}")


def _heads(workplace: Workplace) -> Iterator[Finding]:
    c = publication.c
    newest = (
        sa.select(c.table_name, c.partition, sa.func.max(c.version).label("version"))
        .group_by(c.table_name, c.partition)
        .subquery()
    )
    same = sa.and_(newest.c.table_name == head.c.table_name, newest.c.partition == head.c.partition)
    wrong = (
        sa.select(newest.c.table_name, newest.c.partition, newest.c.version, head.c.version)
        .join_from(newest, head, same, isouter=True)
        .where(sa.or_(head.c.version.is_(None), head.c.version != newest.c.version))
    )
    with workplace.register.reading() as connection:
        for table, partition, version, found in connection.execute(wrong):
            yield Finding(
                "head", f"{table} of {partition} is at version {found}, and {version} was published"
            )


_File = tuple[str, Path, int, str]
"""Check, path, bytes, sha256."""


def _files(workplace: Workplace, *, every_version: bool) -> Iterator[_File]:
    """Files that were published, and evidence of extracts."""
    c = publication.c
    gone = sa.exists().where(
        pruned.c.table_name == c.table_name,
        pruned.c.partition == c.partition,
        pruned.c.version == c.version,
    )
    query = sa.select(c.table_name, c.partition, c.files).where(~gone)
    if not every_version:
        query = query.join(
            head,
            sa.and_(
                head.c.table_name == c.table_name,
                head.c.partition == c.partition,
                head.c.version == c.version,
            ),
        )
    root = workplace.store.root
    with workplace.register.reading() as connection:
        for table, partition, files in connection.execute(query):
            folder = workplace.store.folder(table, partition)
            for one in files:
                yield "file", folder / one["name"], one["bytes"], one["sha256"]
        kept = sa.select(extract.c.evidence, extract.c.bytes, extract.c.sha256).distinct()
        for evidence, size, sha256 in connection.execute(kept):
            yield "evidence", root / evidence, size, sha256


def _damage(path: Path, size: int, sha256: str) -> str | None:
    """What is wrong with a file, None for nothing."""
    found = hashlib.sha256()
    try:
        if path.stat().st_size != size:
            return f"{path} has {path.stat().st_size:,} bytes instead of {size:,}"
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
    except OSError as problem:
        return f"{path} cannot be read: {problem.strerror}"
    return None if found.hexdigest() == sha256 else f"{path} has another content than recorded"


def _statements(workplace: Workplace) -> Iterator[dict[str, Any]]:
    for table in workplace.register.tables("statements/"):
        paths = workplace.store.paths(workplace.register.heads(table).values())
        if paths:
            texts = pl.scan_parquet(paths).select("json").collect()["json"]
            yield from (json.loads(text) for text in texts)


def _adds_up(one: Mapping[str, Any]) -> Iterator[Finding]:
    rows = one["rows"]
    for whole, parts in _EQUATIONS:
        count = rows[whole]["count"] - sum(rows[part]["count"] for part in parts)
        amount = Decimal(rows[whole]["amount"]) - sum(Decimal(rows[p]["amount"]) for p in parts)
        if count or amount:
            yield Finding("statement", f"{_name(one)}: {whole} is off by {count} and {amount}")
    if rows["unexplained"]["count"] or Decimal(rows["unexplained"]["amount"]):
        yield Finding("statement", f"{_name(one)} is not explained to zero")


def _name(one: Mapping[str, Any]) -> str:
    names = ("reconciliation", "period", "entity", "currency", "side")
    return " ".join(str(one[name]) for name in names)
