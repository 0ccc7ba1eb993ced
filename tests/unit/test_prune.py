"""Versions taken away by the rule of the configuration, and never what something still needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from tests import worlds
from tests.locking import lock
from tests.unit.test_engine_locks import ONE_TO_ONE, SEPTEMBER, paid, posted
from tests.worlds import World
from tieout import prune as pruning
from tieout.audit.verify import entries, verify
from tieout.errors import RequestError
from tieout.prune import Pruned, prune_versions
from tieout.register.prunetables import prune, pruned
from tieout.register.schema import head, publication
from tieout.retention import Retention
from tieout.statement import publish_statements, statements

SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""The SQL is the same; one test asks both databases."""
AMOUNTS = ("100", "90", "80", "70")


@pytest.fixture
def world(register_url: str) -> Iterator[World]:
    with worlds.world({"small": ONE_TO_ONE}, register_url) as made:
        settings = made.workplace.settings.model_copy(
            update={"retention": Retention(superseded_days=40, closed_years=10)}
        )
        world = World(replace(made.workplace, settings=settings))
        for version, amount in enumerate(AMOUNTS, 1):
            deliver(world, amount, version)
            work(world)
        yield world


def deliver(world: World, amount: str, version: int) -> None:
    world.deliver(
        {
            ("psp", "2026-09-10"): [paid("a", amount, "2026-09-10", version=version)],
            ("erp", "2026-09-10"): [posted("a", amount, "2026-09-10", version=version)],
        }
    )


def work(world: World) -> None:
    world.reconcile("small")
    publish_statements(world.workplace, "small", [SEPTEMBER.first, SEPTEMBER.last], run_id="r")


def later(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The register's clock, that many days on."""
    moment = datetime.now(UTC) + timedelta(days=days)
    monkeypatch.setattr(pruning, "now", lambda _connection: moment)


def kept(world: World) -> set[tuple[str, str, int]]:
    """Versions whose files are all there."""
    c = publication.c
    query = sa.select(c.table_name, c.partition, c.version, c.files)
    with world.workplace.register.reading() as connection:
        rows = connection.execute(query).all()
    return {
        (table, partition, version)
        for table, partition, version, files in rows
        if files
        and all(
            (world.workplace.store.folder(table, partition) / f["name"]).exists() for f in files
        )
    }


def needed(world: World) -> set[tuple[str, str, int]]:
    """The newest versions."""
    with world.workplace.register.reading() as connection:
        rows = connection.execute(sa.select(head)).all()
    return kept(world) & {(row.table_name, row.partition, row.version) for row in rows}


def stated(world: World) -> list[dict[str, Any]]:
    return [one.as_json() for one in statements(world.workplace, "small", SEPTEMBER)]


def test_what_was_replaced_long_ago_goes_and_all_else_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything, was, outcomes = kept(world), stated(world), world.outcomes("small")
    before = world.workplace.register.heads("lines/psp")["2026-09-10"].published_at
    then = datetime.now(UTC)
    later(39, monkeypatch)
    assert prune_versions(world.workplace).versions == 0, "not yet"
    later(41, monkeypatch)
    told = prune_versions(world.workplace, dry_run=True)
    assert (kept(world), told.versions) == (everything, len(everything - needed(world)))
    assert prune_versions(world.workplace) == told
    assert kept(world) == needed(world)
    assert len(kept(world)) < len(everything)
    assert prune_versions(world.workplace).versions == 0, "once"
    assert (stated(world), world.outcomes("small")) == (was, outcomes)
    found = verify(world.workplace, every_version=True)
    assert found.findings == ()
    (entry,) = entries(world.workplace, kind="prune")
    assert '"superseded_days":40' in entry.body
    register = world.workplace.register
    assert [one.version for one in register.history("lines/psp")] == [len(AMOUNTS)]
    with pytest.raises(RequestError, match="not all kept"):
        register.known_at(before - timedelta(microseconds=1))
    assert register.known_at(then).heads("lines/psp")["2026-09-10"].version == len(AMOUNTS)


@SQLITE
def test_without_the_setting_everything_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = kept(world)
    later(40_000, monkeypatch)
    keeps = world.workplace.settings.model_copy(update={"retention": Retention()})
    assert prune_versions(replace(world.workplace, settings=keeps)) == Pruned(0, 0, None, 0)
    assert kept(world) == everything


@SQLITE
def test_a_closed_year_is_kept_as_long_as_the_policy_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(world.workplace.register, "A", "2026-09")
    signed = {p for p in needed(world) if not p[0].startswith("reconciled")}
    moment = datetime.now(UTC)
    was = stated(world)
    deliver(world, "60", len(AMOUNTS) + 1)
    work(world)
    everything = kept(world)
    later(366 * 10 - 120, monkeypatch)
    assert prune_versions(world.workplace).versions == 0
    assert kept(world) == everything >= signed
    then = world.workplace.known_at(moment)
    assert [one.as_json() for one in statements(then, "small", SEPTEMBER)] == was
    later(366 * 10, monkeypatch)
    assert prune_versions(world.workplace).versions == len(everything - needed(world))


@SQLITE
def test_what_a_signature_names_stays_even_of_an_older_month(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """October is signed on September's lines; those are replaced after; September is long ago."""
    lock(world.workplace.register, "A", "2030-10")
    signed = needed(world)
    deliver(world, "60", len(AMOUNTS) + 1)
    work(world)
    later(366 * 11, monkeypatch)  # over ten years after 2026-09, but not after 2030-10
    prune_versions(world.workplace)
    assert {p for p in signed if p[0].split("/")[0] in ("lines", "outcomes")} <= kept(world)
    assert ("lines/psp", "2026-09-10", 1) not in kept(world)


@SQLITE
def test_what_the_next_run_compares_with_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(world, "60", len(AMOUNTS) + 1)  # and not worked in yet
    later(41, monkeypatch)
    prune_versions(world.workplace)
    assert ("lines/psp", "2026-09-10", len(AMOUNTS)) in kept(world)
    assert ("lines/psp", "2026-09-10", len(AMOUNTS) - 1) not in kept(world)
    work(world)
    assert {str(one["amount"])[:2] for one in world.outcomes("small")} == {"60"}
    assert verify(world.workplace, every_version=True).findings == ()


@SQLITE
def test_what_is_cut_off_is_finished_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = needed(world)
    later(41, monkeypatch)
    unlink, left = Path.unlink, [3]

    def cut(path: Path, missing_ok: bool = False) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", cut)
        with pytest.raises(KeyboardInterrupt):
            prune_versions(world.workplace)
    assert kept(world) > wanted
    assert verify(world.workplace, every_version=True).findings == ()
    done = prune_versions(world.workplace)
    assert (done.versions, done.finished > 0, kept(world)) == (0, True, wanted)


@SQLITE
def test_what_is_hidden_as_pruned_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    later(41, monkeypatch)
    prune_versions(world.workplace)
    changes: list[Callable[[], Any]] = [
        lambda: sa.delete(pruned).where(pruned.c.version == 1),
        lambda: sa.update(prune).values(bytes=1),
    ]
    for change in changes:
        with world.workplace.register.writing() as connection:
            connection.execute(change())
        assert "prune" in {one.check for one in verify(world.workplace).findings}


def test_less_than_a_month_is_refused() -> None:
    for wrong in ({"superseded_days": 29}, {"closed_years": 0}, {"superseded_days": -1}):
        with pytest.raises(ValidationError):
            Retention.model_validate(wrong)
