"""The audit chain: whatever is changed by hand, in the register or on disk, is found."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa

from tests import worlds
from tests.unit.test_engine_locks import ONE_TO_ONE, SEPTEMBER, paid, posted
from tests.worlds import World
from tieout.audit.configuration import record, shown
from tieout.audit.export import export
from tieout.audit.verify import Entry, chain_head, entries, verify, verify_chain
from tieout.decisions import making
from tieout.decisions.making import Said
from tieout.register.audittables import audit
from tieout.register.chain import append
from tieout.register.records import NewPublication
from tieout.register.register import Register
from tieout.register.schema import decision, head, publication
from tieout.statement import publish_statements

START = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.fixture
def world(register_url: str) -> Iterator[World]:
    with worlds.world({"small": ONE_TO_ONE}, register_url) as made:
        made.deliver(
            {
                ("psp", "2026-09-10"): [paid("a", "100", "2026-09-10")],
                ("erp", "2026-09-10"): [posted("b", "50", "2026-09-10")],
            }
        )
        made.reconcile("small")
        making.accept_breaks(made.workplace, "small", SEPTEMBER, Said("somebody", "let be"))
        made.reconcile("small")
        publish_statements(made.workplace, "small", [date(2026, 9, 10)], run_id="run")
        yield made


def findings(world: World) -> list[tuple[str, str]]:
    return [(one.check, one.what) for one in verify(world.workplace).findings]


def test_what_nobody_touched_is_as_recorded(world: World) -> None:
    found = verify(world.workplace)
    assert found.findings == ()
    kinds = [one.kind for one in entries(world.workplace)]
    assert {"publication", "decision", "configuration"} == set(kinds)
    with world.workplace.register.reading() as connection:
        rows = connection.execute(sa.select(sa.func.count()).select_from(publication)).scalar_one()
    assert kinds.count("publication") == rows
    assert found.counts["statements"] == 2


Change = Callable[[sa.Connection], object]
CHANGES: dict[str, tuple[str, Change]] = {
    "a publication changed": (
        "publication",
        lambda c: c.execute(sa.update(publication).values(row_count=publication.c.row_count + 1)),
    ),
    "a publication added": (
        "publication",
        lambda c: c.execute(
            sa.insert(publication).from_select(
                [one.name for one in publication.c],
                sa.select(
                    *(
                        sa.literal(9).label("version") if one.name == "version" else one
                        for one in publication.c
                    )
                ).where(publication.c.table_name == "lines/psp"),
            )
        ),
    ),
    "a decision edited": ("decision", lambda c: c.execute(sa.update(decision).values(reason="x"))),
    "a decision removed": ("decision", lambda c: c.execute(sa.delete(decision))),
    "an entry changed": (
        "chain",
        lambda c: c.execute(
            sa.update(audit).where(audit.c.seq == 3).values(body=audit.c.body + " ")
        ),
    ),
    "the last entry removed": (
        "chain",
        lambda c: c.execute(
            sa.delete(audit).where(
                audit.c.seq == sa.select(sa.func.max(audit.c.seq)).scalar_subquery()
            )
        ),
    ),
    "a head moved back": (
        "head",
        lambda c: c.execute(
            sa.update(head).where(head.c.table_name == "reconciled/small").values(version=1)
        ),
    ),
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_by_hand_in_the_register_is_found(world: World, name: str) -> None:
    check, change = CHANGES[name]
    with world.workplace.register.writing() as connection:
        change(connection)
    assert check in {found for found, _ in findings(world)}


def test_a_file_changed_by_one_byte_or_gone_is_found(world: World) -> None:
    (published,) = world.workplace.register.heads("lines/psp").values()
    path = Path(world.workplace.store.paths([published])[0])
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    ((check, told),) = findings(world)
    assert (check, "another content" in told) == ("file", True)
    path.unlink()
    ((check, told),) = findings(world)
    assert (check, "cannot be read" in told) == ("file", True)


def chained(count: int, folder: Path) -> list[Entry]:
    with Register.open(f"sqlite:///{folder / 'register.db'}") as register:
        with register.writing() as connection:
            for number in range(count):
                body = {"number": number, "amount": f"{number}.00"}
                append(connection, "test", [body], START + timedelta(seconds=number))
        with register.reading() as connection:
            rows = connection.execute(sa.select(audit).order_by(audit.c.seq))
            return [Entry(*row) for row in rows]


def test_tampering_is_found_at_every_position_of_a_thousand(tmp_path: Path) -> None:
    """A byte of the body, the time, the hash; an entry removed, doubled, or moved."""
    chain = chained(1_000, tmp_path)
    last = (1_000, chain[-1].sha256)
    assert list(verify_chain(chain, last)) == []

    def first(changed: list[Entry]) -> str:
        found = next(verify_chain(changed, last), None)
        assert found is not None
        return found.what

    for number, one in enumerate(chain):
        own = {name: getattr(one, name) for name in Entry.__dataclass_fields__}
        changes = (
            {"body": one.body.replace("amount", "amounu")},
            {"at": one.at + timedelta(microseconds=1)},
            {"kind": "tesu"},
            {"sha256": f"{int(one.sha256[0], 16) ^ 1:x}{one.sha256[1:]}"},
        )
        changed = Entry(**(own | changes[number % 4]))  # type: ignore[arg-type]
        told = first([*chain[:number], changed, *chain[number + 1 :]])
        assert told.startswith(f"entry {number + 1} (")
        assert told.endswith("is not what was recorded")
        told = first([*chain[:number], *chain[number + 1 :]])
        gone = "is missing" if number < 999 else "the chain ends at entry 999"
        assert gone in told
        assert f"entry {number + 2} is missing" in first([*chain[: number + 1], *chain[number:]])
        if number < 999:
            swapped = [*chain[:number], chain[number + 1], one, *chain[number + 2 :]]
            assert f"entry {number + 1} is missing" in first(swapped)


def test_a_rewritten_chain_lacks_the_hash_that_was_written_down(world: World) -> None:
    _, known = chain_head(world.workplace)
    assert verify(world.workplace, known_head=known).findings == ()
    world.deliver({("psp", "2026-09-11"): []})
    assert verify(world.workplace, known_head=known).findings == ()
    ((found),) = verify(world.workplace, known_head="0" * 64).findings
    assert "rewritten, or older" in found.what


def test_many_publishers_at_once_leave_one_chain(world: World) -> None:
    barrier, register = Barrier(8), world.workplace.register

    def publish(number: int) -> None:
        table, barrier_key = f"t/{number}", "2026-10-01"
        barrier.wait(timeout=30)
        for _ in range(5):
            epochs = register.take_epochs(table, [barrier_key], f"run-{number}")
            fences = {(table, barrier_key): epochs[barrier_key]}
            register.publish([NewPublication(table, barrier_key)], fences, run_id=f"run-{number}")

    threads = [Thread(target=publish, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert findings(world) == []
    told = [one for one in entries(world.workplace) if '"table_name":"t/' in one.body]
    assert len(told) == 40


def test_what_is_not_committed_leaves_no_entry(world: World) -> None:
    before = chain_head(world.workplace)
    with suppress(ZeroDivisionError), world.workplace.register.writing() as connection:
        append(connection, "test", [{"number": 1}], START)
        raise ZeroDivisionError
    assert chain_head(world.workplace) == before


def test_a_register_from_before_the_chain_is_recorded_as_it_is(world: World) -> None:
    """The opening entry holds a digest of all that was there."""
    from tieout.register.audited import OPENING, TABLES, before

    with world.workplace.register.writing() as connection:
        connection.execute(sa.delete(audit))
        nothing = {"seq": 0, "sha256": "0" * 64}
        connection.execute(sa.text("UPDATE audit_head SET seq = :seq, sha256 = :sha256"), nothing)
        there = {kind: before(connection, kind) for kind in TABLES}
        append(connection, OPENING, [there], START)
    world.deliver({("psp", "2026-09-11"): [paid("z", "1", "2026-09-11")]})
    assert findings(world) == []
    with world.workplace.register.writing() as connection:
        connection.execute(sa.update(decision).values(who="somebody else"))
    ((check, _),) = findings(world)
    assert check == "decision"


def test_the_configuration_is_recorded_when_it_changes_and_tells_no_secret(world: World) -> None:
    place = world.workplace
    record(place.register, place.settings)
    told = [json.loads(one.body) for one in entries(place, kind="configuration")]
    assert len(told) == 1
    changed = place.settings.model_copy(
        update={"company": "Other", "register_url": "postgresql://u:canary@h/d"}
    )
    record(place.register, changed)
    record(place.register, changed)
    told = [json.loads(one.body) for one in entries(place, kind="configuration")]
    assert [one["settings"]["company"] for one in told] == ["Small World", "Other"]
    assert "canary" not in json.dumps(shown(changed))


def test_an_archive_is_the_same_bytes_and_checks_itself(world: World, tmp_path: Path) -> None:
    files = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for file in files:
        export(world.workplace, SEPTEMBER, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    with zipfile.ZipFile(files[0]) as archive:
        archive.extractall(tmp_path / "there")
        stated = archive.read("statements.ndjson").decode().splitlines()
    assert [Decimal(json.loads(one)["rows"]["accepted"]["amount"]) for one in stated] == [100, 50]
    chain = tmp_path / "there" / "chain.ndjson"
    command = [sys.executable, str(tmp_path / "there" / "verify_chain.py"), str(chain)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [str(part) for part in chain_head(world.workplace)]
    chain.write_text(chain.read_text().replace("let be", "let me"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "not what was recorded" in done.stdout) == (1, True)
