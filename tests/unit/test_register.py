"""The register keeps its promises on both databases: versions, heads, fences, as-of reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from tieout.errors import FencedError, TieoutError
from tieout.register import heads as heads_module
from tieout.register import publications
from tieout.register.records import NewPublication, Publication, StoredFile
from tieout.register.register import Register

LINES = "lines/adyen"
TOTALS = {"EUR": {"received": {"count": 2, "amount": "12.30"}}}


def a_file(rows: int = 2, name: str = "0f" * 16 + ".parquet") -> StoredFile:
    return StoredFile(name=name, sha256="ab" * 32, bytes=959, rows=rows)


def publish(
    register: Register, partition: str, *, table: str = LINES, rows: int = 2, run: str = "run-1"
) -> Publication:
    epochs = register.take_epochs(table, [partition], run)
    new = NewPublication(table, partition, (a_file(rows),), rows, TOTALS)
    [made] = register.publish([new], {(table, partition): epochs[partition]}, run_id=run)
    return made


def test_a_publication_reads_back_as_it_was_made(register: Register) -> None:
    before = datetime.now(UTC)
    made = publish(register, "2026-10-05")
    assert made.version == 1
    assert made.epoch == 1
    assert made.files == (a_file(),)
    assert made.totals == TOTALS
    assert made.published_at.tzinfo is UTC
    assert before - timedelta(seconds=1) <= made.published_at <= datetime.now(UTC)
    assert register.heads(LINES) == {"2026-10-05": made}


def test_each_publication_is_the_next_version_and_the_head(register: Register) -> None:
    made = [publish(register, "2026-10-05", rows=n) for n in range(1, 4)]
    assert [p.version for p in made] == [1, 2, 3]
    assert [p.epoch for p in made] == [1, 2, 3]
    assert register.heads(LINES) == {"2026-10-05": made[-1]}


def test_an_empty_partition_is_published_without_files(register: Register) -> None:
    epochs = register.take_epochs(LINES, ["2026-10-05"], "run-1")
    empty = NewPublication(LINES, "2026-10-05")
    [made] = register.publish(
        [empty], {(LINES, "2026-10-05"): epochs["2026-10-05"]}, run_id="run-1"
    )
    assert (made.files, made.rows, dict(made.totals)) == ((), 0, {})
    assert register.heads(LINES)["2026-10-05"] == made


def test_heads_are_by_table_and_by_the_partitions_asked_for(register: Register) -> None:
    days = [f"2026-10-{day:02d}" for day in range(1, 31)]
    for day in days:
        publish(register, day)
    publish(register, "2026-10-01", table="lines/stripe")
    assert list(register.heads(LINES)) == days
    assert list(register.heads(LINES, ["2026-10-07", "2026-10-03", "2027-01-01"])) == [
        "2026-10-03",
        "2026-10-07",
    ]
    assert register.heads(LINES, []) == {}
    assert register.heads("lines/none") == {}


def test_tables_are_found_by_prefix_letter_by_letter(register: Register) -> None:
    for table in ("lines/adyen", "lines/Stripe", "linesX", "lines_", "outcomes/settlement"):
        publish(register, "2026-10-05", table=table)
    assert register.tables("lines/") == ["lines/Stripe", "lines/adyen"]
    assert register.tables("lines_") == ["lines_"]  # not a wildcard
    assert register.tables("LINES/") == []
    assert len(register.tables("")) == 5


def test_a_late_writer_is_refused_and_told_who_took_over(register: Register) -> None:
    old = register.take_epochs(LINES, ["2026-10-05", "2026-10-06"], "run-old")
    new = register.take_epochs(LINES, ["2026-10-06"], "run-new")
    assert (old["2026-10-06"], new["2026-10-06"]) == (1, 2)
    both = [NewPublication(LINES, day, (a_file(),), 2, TOTALS) for day in sorted(old)]
    with pytest.raises(FencedError) as refused:
        register.publish(
            both, {(LINES, day): epoch for day, epoch in old.items()}, run_id="run-old"
        )
    told = str(refused.value)
    for word in (LINES, "2026-10-06", "epoch 2", "epoch 1", "run-new"):
        assert word in told
    assert register.heads(LINES) == {}, "2026-10-05 was his, but one transaction is one"
    [made] = register.publish(both[1:], {(LINES, "2026-10-06"): 2}, run_id="run-new")
    assert made.version == 1


def test_what_a_refused_writer_consumed_is_not_noted(register: Register) -> None:
    old = register.take_epochs(LINES, ["2026-10-05"], "run-old")
    register.take_epochs(LINES, ["2026-10-05"], "run-new")
    with pytest.raises(FencedError):
        register.publish(
            [NewPublication(LINES, "2026-10-05")],
            {(LINES, "2026-10-05"): old["2026-10-05"]},
            run_id="run-old",
            consumer="settlement_to_ledger",
            consumed={("lines/stripe", "2026-10-05"): 1},
        )
    assert register.consumed("settlement_to_ledger") == {}


def test_taking_a_partition_twice_in_a_call_takes_it_once(register: Register) -> None:
    taken = register.take_epochs(LINES, ["2026-10-05", "2026-10-05"], "run-1")
    assert taken == {"2026-10-05": 1}
    assert register.take_epochs(LINES, [], "run-1") == {}


def test_consumed_versions_go_with_the_publication(register: Register) -> None:
    name = "reconcile/settlement_to_ledger"
    for version in (1, 2):
        epochs = register.take_epochs("outcomes/x", ["2026-10-05"], "run-1")
        register.publish(
            [NewPublication("outcomes/x", "2026-10-05")],
            {("outcomes/x", "2026-10-05"): epochs["2026-10-05"]},
            run_id="run-1",
            consumer=name,
            consumed={(LINES, "2026-10-05"): version, (LINES, "2026-10-06"): 1},
        )
        assert register.consumed(name) == {(LINES, "2026-10-05"): version, (LINES, "2026-10-06"): 1}
    assert register.consumed("another") == {}
    register.publish([], {}, run_id="run-2", consumer=name, consumed={(LINES, "2026-10-07"): 4})
    assert register.consumed(name)[(LINES, "2026-10-07")] == 4
    register.forget_consumed(name)
    assert register.consumed(name) == {}


def test_a_partition_is_published_with_an_epoch_only(register: Register) -> None:
    new = NewPublication(LINES, "2026-10-05")
    with pytest.raises(TieoutError, match="no epoch was taken for lines/adyen of 2026-10-05"):
        register.publish([new], {}, run_id="run-1")
    with pytest.raises(TieoutError, match="never given out"):
        register.publish([new], {(LINES, "2026-10-05"): 1}, run_id="run-1")
    epochs = {(LINES, "2026-10-05"): register.take_epochs(LINES, ["2026-10-05"], "r")["2026-10-05"]}
    with pytest.raises(TieoutError, match="published twice at once"):
        register.publish([new, new], epochs, run_id="run-1")
    with pytest.raises(TieoutError, match="rows"):
        register.publish([dataclasses.replace(new, rows=3)], epochs, run_id="run-1")
    assert register.heads(LINES) == {}


def test_one_fence_may_stand_for_partitions_without_epochs_of_their_own(register: Register) -> None:
    fence, days = ("reconciled/cash", "run"), ["2026-10-05", "2026-10-06"]
    new = [NewPublication(fence[0], fence[1]), *(NewPublication(LINES, day) for day in days)]
    older = register.take_epochs(fence[0], [fence[1]], "older")[fence[1]]
    newer = register.take_epochs(fence[0], [fence[1]], "newer")[fence[1]]
    with pytest.raises(TieoutError, match="no epoch was taken for reconciled/cash of run"):
        register.publish(new, {}, run_id="newer", under=fence)
    with pytest.raises(FencedError, match="run newer has taken over"):
        register.publish(new, {fence: older}, run_id="older", under=fence)
    with pytest.raises(FencedError):
        register.publish(new[1:], {fence: older}, run_id="older", under=fence)
    assert register.heads(LINES) == {}
    made = register.publish(new, {fence: newer}, run_id="newer", under=fence)
    assert {(p.partition, p.epoch) for p in made} == {(d, newer) for d in [*days, "run"]}


@pytest.mark.parametrize("total", [1.5, [1, {"a": 0.1}], {"x": float("nan")}])
def test_no_float_is_kept_as_a_control_total(register: Register, total: object) -> None:
    epoch = register.take_epochs(LINES, ["2026-10-05"], "run-1")["2026-10-05"]
    new = NewPublication(LINES, "2026-10-05", totals={"EUR": total})
    with pytest.raises(TieoutError, match=r"totals\.EUR.*write amounts as text"):
        register.publish([new], {(LINES, "2026-10-05"): epoch}, run_id="run-1")


HOSTILE = [
    "",
    ".",
    "..",
    "a b",
    "a\nb",
    "a\n",
    "a\x00b",
    "x" * 129,
    "'; DROP TABLE head; --",
    "ä",
    "a\\b",
    "%",
    "a*",
    "../../etc/passwd",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused(register: Register, name: str) -> None:
    for table, partition, run in (
        (f"lines/{name}", "2026-10-05", "run-1"),
        (LINES, name, "run-1"),
        (LINES, "2026-10-05", name),
    ):
        with pytest.raises(TieoutError):
            register.take_epochs(table, [partition], run)
    with pytest.raises(TieoutError):
        register.heads(f"/{name}")
    with pytest.raises(TieoutError):
        register.note(name, "key", {})


@given(history=st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_every_moment_of_the_past_reads_as_it_was(
    register: Register, history: list[tuple[str, bool]]
) -> None:
    """Oracle: what `heads` said right after each publication."""
    table = f"lines/h{len(register.tables())}"
    seen: list[tuple[datetime, dict[str, Publication]]] = []
    for partition, empty in history:
        made = publish(register, partition, table=table, rows=0 if empty else 2)
        seen.append((made.published_at, register.heads(table)))
    # Several publications may share a microsecond; the last one of a moment counts.
    known = dict(seen)
    for moment, heads in known.items():
        assert register.heads(table, as_of=moment) == heads
        chosen = {p: heads[p] for p in "ab" if p in heads}
        assert register.heads(table, ["b", "a"], as_of=moment) == chosen
    if seen:
        before = seen[0][0] - timedelta(microseconds=1)
        assert register.heads(table, as_of=before) == {}


def test_a_moment_may_be_given_in_any_zone_but_in_one(register: Register) -> None:
    made = publish(register, "2026-10-05")
    elsewhere = made.published_at.astimezone(tz=__import__("zoneinfo").ZoneInfo("Asia/Tokyo"))
    assert register.heads(LINES, as_of=elsewhere) == {"2026-10-05": made}
    with pytest.raises(TieoutError, match="no time zone"):
        register.heads(LINES, as_of=made.published_at.replace(tzinfo=None))


def test_a_clock_set_back_does_not_reorder_versions(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(register, "2026-10-05")
    earlier = first.published_at - timedelta(hours=1)
    monkeypatch.setattr("tieout.register.register.now", lambda _connection: earlier)
    second = publish(register, "2026-10-05")
    assert second.published_at >= first.published_at
    assert register.heads(LINES, as_of=second.published_at) == {"2026-10-05": second}


def test_thousands_of_partitions_go_in_one_call(register: Register) -> None:
    keys = [f"p{n:05d}" for n in range(2_000)]
    tables = ("lines/many", "quarantine/many")
    epochs = {
        (table, key): epoch
        for table in tables
        for key, epoch in register.take_epochs(table, keys, "run-1").items()
    }
    new = [NewPublication(table, key) for key in keys for table in tables]
    consumed = {("lines/in", key): 1 for key in keys}
    made = register.publish(new, epochs, run_id="run-1", consumer="c", consumed=consumed)
    assert [(p.table, p.partition) for p in made] == [(n.table, n.partition) for n in new]
    assert {p.published_at for p in made} == {made[0].published_at}
    assert list(register.heads("lines/many", keys)) == keys
    assert len(register.heads("quarantine/many")) == 2_000
    assert register.consumed("c") == consumed


@pytest.mark.parametrize("most_kept", [100, 2])
def test_a_publication_is_read_once_and_a_new_head_is_seen(
    register: Register, monkeypatch: pytest.MonkeyPatch, most_kept: int
) -> None:
    """Also where less is kept in memory than is asked for: then it is read again."""
    monkeypatch.setattr(heads_module, "MOST_KEPT", most_kept)
    read: list[int] = []
    versions = publications.versions

    def counted(connection: Connection, wanted: Mapping[tuple[str, str], int]) -> list[Publication]:
        read.append(len(wanted))
        return versions(connection, wanted)

    monkeypatch.setattr(publications, "versions", counted)
    days = ["2026-10-05", "2026-10-06", "2026-10-07"]
    for day in days:
        publish(register, day)
    then = max(one.published_at for one in register.heads(LINES).values())
    second = publish(register, days[0])
    now = register.heads(LINES)
    assert [one.version for one in now.values()] == [2, 1, 1]
    assert now[days[0]] == second
    past = register.known_at(then)
    first = 2 if second.published_at == then else 1  # two may share a microsecond
    assert [one.version for one in past.heads(LINES).values()] == [first, 1, 1]
    assert list(past.heads(LINES)) == list(register.heads(LINES)) == days
    assert len(register._heads._read) <= most_kept
    if most_kept == 100:
        assert sum(read) == 4


def test_notes_are_replaced_and_kept_apart_by_kind(register: Register) -> None:
    register.note("fingerprint", "settlement_to_ledger", {"sha256": "aa", "n": 1})
    register.note("fingerprint", "settlement_to_ledger", {"sha256": "bb"})
    register.note("fingerprint", "any key: 'quoted' \u00e9", {})
    register.note("other", "x", {"deep": [1, {"a": None}]})
    assert register.notes("fingerprint") == {
        "any key: 'quoted' \u00e9": {},
        "settlement_to_ledger": {"sha256": "bb"},
    }
    assert register.notes("other") == {"x": {"deep": [1, {"a": None}]}}
    assert register.notes("none") == {}
