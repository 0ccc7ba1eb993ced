"""Closing a month with real keys of ssh-keygen: who may do what, on which figures, once."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa

from tests.office import PEOPLE, Office, opened
from tests.unit.test_engine_locks import SEPTEMBER, paid, posted
from tieout.close import acts, status
from tieout.close.acts import NotReadyError
from tieout.close.recording import Pending, Proven
from tieout.close.signatures import sign, signer
from tieout.errors import FencedError, RequestError, TieoutError
from tieout.locks import locks
from tieout.matching.inputs import fingerprint
from tieout.matching.publish import Publisher
from tieout.model import Figure
from tieout.periods import Period
from tieout.register.closetables import close_action
from tieout.statement import statements

BOTH = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
"""Where transactions meet; the rest is the same SQL, and runs on one database."""


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "sqlite")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory, ssh_keygen: str) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    signers = []
    for name in [*PEOPLE, "nobody"]:
        made = [ssh_keygen, "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(made, check=True, timeout=30)
        if name != "nobody":
            signers.append(f"{name} {(folder / f'{name}.pub').read_text()}")
    (folder / "allowed_signers").write_text("".join(signers))
    return folder


@pytest.fixture
def office(keys: Path, register_url: str) -> Iterator[Office]:
    with opened(register_url, keys) as made:
        yield made


@pytest.fixture
def ready(office: Office) -> Office:
    """With the one break accepted."""
    office.accept_breaks()
    return office


def codes(problem: NotReadyError) -> list[str]:
    return [one["code"] for one in problem.obstacles]


def test_what_stands_in_the_way_is_named_with_what_to_do(office: Office) -> None:
    with pytest.raises(NotReadyError) as told:
        office.pending("prepare")
    assert codes(told.value) == ["undecided"]
    assert "tieout decide breaks small --period 2026-09 --entity A" in str(told.value)
    office.world.deliver({("erp", "2026-09-11"): [posted("b", "50", "2026-09-11")]})
    with pytest.raises(NotReadyError) as told:
        office.pending("prepare")
    assert codes(told.value) == ["not_reconciled"]
    office.world.reconcile("small")
    with pytest.raises(NotReadyError) as told:
        office.pending("prepare")
    assert codes(told.value) == ["not_stated"]
    office.run()
    assert office.act("prepare", "pia@example.com").who == "Preparer"


@BOTH
def test_a_month_is_locked_by_two_persons_and_counted_as_signed(ready: Office) -> None:
    prepared = ready.act("prepare", "pia@example.com")
    approved = ready.act("approve", "ada@example.com")
    assert approved.package_sha256 == prepared.package_sha256
    assert ready.state() == "approved"
    (lock,) = locks(ready.workplace.register)
    assert (lock.entity, lock.month) == ("A", SEPTEMBER)
    signed = [one.as_json() for one in statements(ready.workplace, "small", SEPTEMBER)]
    ready.world.deliver({("erp", "2026-10-09"): [posted("b", "50", "2026-09-11")]})
    ready.run()
    october = Period(date(2026, 10, 1), date(2026, 10, 31))
    assert [o.as_json() for o in statements(ready.workplace, "small", SEPTEMBER)] == signed
    source, _ = statements(ready.workplace, "small", october)
    assert source.open_items["cleared"] == Figure(1, Decimal(50))
    assert status.check_proofs(ready.workplace) == status.Proofs(2, [])


@pytest.mark.parametrize("principal", ["pia@example.com", "pia-laptop"])
def test_who_prepared_does_not_approve_with_any_key(ready: Office, principal: str) -> None:
    ready.act("prepare", "pia@example.com")
    with pytest.raises(RequestError, match="somebody else has to approve"):
        ready.act("approve", principal)
    assert ready.state() == "prepared"


def test_roles_and_keys_decide_who_may(ready: Office) -> None:
    what = ready.pending("prepare")
    with pytest.raises(RequestError, match="the key that signed is not allowed"):
        ready.proven(what, "nobody")
    with pytest.raises(RequestError, match="does not have the role preparer"):
        ready.act("prepare", "ada@example.com")
    ready.act("prepare", "eve@example.com")
    with pytest.raises(RequestError, match="does not have the role approver"):
        ready.act("approve", "eve@example.com")


def test_no_signature_serves_for_another_act_month_package_or_time(ready: Office) -> None:
    """Also not a second time: what it came after has been followed by something else."""
    what = ready.pending("prepare")
    made = sign(what.text, ready.keys / "ada@example.com")
    allowed = ready.workplace.settings.close.signers(Path())

    def accepted(text: str) -> bool:
        try:
            return signer(text, made, allowed, datetime.now(UTC)) == "ada@example.com"
        except RequestError:
            return False

    assert accepted(what.text)
    for line in what.text.splitlines():
        assert not accepted(what.text.replace(line, f"{line}0")), line
    ready.act("prepare", "pia@example.com")
    with pytest.raises(RequestError, match="another act came first"):
        acts.prepare(ready.workplace, what, Proven("pia@example.com", "ssh", made))
    again = ready.pending("prepare")
    assert again.package_sha256 == what.package_sha256
    assert not accepted(again.text)


def test_a_key_counts_only_while_it_is_valid(ready: Office, tmp_path: Path) -> None:
    key = (ready.keys / "ada@example.com.pub").read_text()
    allowed = tmp_path / "allowed"
    allowed.write_text(f'ada@example.com valid-before="20200101Z" {key}')
    made = sign("text", ready.keys / "ada@example.com")
    with pytest.raises(RequestError, match="not allowed"):
        signer("text", made, allowed, datetime.now(UTC))
    assert signer("text", made, allowed, datetime(2019, 5, 1, tzinfo=UTC)) == "ada@example.com"


def test_changed_figures_void_what_was_prepared(ready: Office) -> None:
    ready.act("prepare", "pia@example.com")
    ready.world.deliver({("psp", "2026-09-12"): [paid("c", "7", "2026-09-12")]})
    with pytest.raises(RequestError, match="is not what was prepared"):
        ready.act("approve", "ada@example.com")
    assert ready.state() == "open"
    assert locks(ready.workplace.register) == []
    with pytest.raises(RequestError, match="is open: it cannot be approved"):
        ready.act("approve", "ada@example.com")
    (shown,) = [m for m in status.months(ready.workplace, "A") if m.month == SEPTEMBER]
    assert (shown.act, "not worked in" in shown.note) == ("void", True)


def test_what_comes_for_other_months_voids_nothing(ready: Office) -> None:
    ready.act("prepare", "pia@example.com")
    ready.world.deliver({("psp", "2026-10-09"): [paid("n", "7", "2026-10-09")]})
    ready.run()
    assert ready.act("approve", "ada@example.com").act == "approve"


def test_reopening_takes_two_and_a_reason(ready: Office) -> None:
    ready.act("prepare", "pia@example.com")
    ready.act("approve", "ada@example.com")
    with pytest.raises(RequestError, match="needs a reason"):
        ready.pending("ask_reopen", reason=" ")
    with pytest.raises(RequestError, match="nobody else has asked"):
        ready.act("reopen", "ada@example.com")
    ready.act("ask_reopen", "ada@example.com")
    with pytest.raises(RequestError, match="nobody else has asked"):
        ready.act("reopen", "ada@example.com")
    assert ready.state() == "approved"
    ready.act("reopen", "bob@example.com")
    assert (ready.state(), locks(ready.workplace.register)) == ("open", [])
    ready.run()
    ready.act("prepare", "pia@example.com")
    ready.act("approve", "ada@example.com")
    assert status.check_proofs(ready.workplace) == status.Proofs(6, [])


def test_a_changed_act_is_found_by_its_signature(ready: Office) -> None:
    ready.act("prepare", "pia@example.com")
    ready.act("approve", "ada@example.com")
    first = sa.select(sa.func.min(close_action.c.id)).scalar_subquery()
    with ready.workplace.register.writing() as connection:
        connection.execute(
            sa.update(close_action).where(close_action.c.id == first).values(reason="another")
        )
    (told,) = status.check_proofs(ready.workplace).wrong
    assert "prepare: the signature is not of this text" in told


@BOTH
def test_a_run_that_began_before_a_lock_publishes_nothing_after_it(ready: Office) -> None:
    ready.act("prepare", "pia@example.com")
    mark = fingerprint(ready.workplace, "small")
    slow = Publisher.start(ready.workplace, "small", mark, "slow")
    ready.act("approve", "ada@example.com")
    with pytest.raises(FencedError, match="close-2026-09"):
        slow.publish({})


@BOTH
def test_of_two_approvals_at_once_one_counts(ready: Office) -> None:
    ready.act("prepare", "pia@example.com")
    pending = [(ready.pending("approve"), who) for who in ("ada@example.com", "bob@example.com")]
    proofs = [(what, ready.proven(what, who)) for what, who in pending]
    barrier, results = Barrier(2), []

    def try_it(what: Pending, by: Proven) -> None:
        barrier.wait(timeout=30)
        try:
            results.append(acts.approve(ready.workplace, what, by).act)
        except TieoutError as problem:
            results.append(problem.problem)

    threads = [Thread(target=try_it, args=one) for one in proofs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert results.count("approve") == 1, results
    assert len(locks(ready.workplace.register)) == 1


@BOTH
@pytest.mark.parametrize("number", range(3))
def test_a_lock_is_on_the_figures_signed_whoever_comes_first(ready: Office, number: int) -> None:
    """An extract is published while a month is approved: it is late, or it voids."""
    ready.act("prepare", "pia@example.com")
    what = ready.pending("approve")
    by = ready.proven(what, "ada@example.com")
    barrier = Barrier(2)

    def publish() -> None:
        barrier.wait(timeout=30)
        ready.world.deliver({("psp", f"2026-09-1{number + 3}"): [paid("c", "7", "2026-09-12")]})

    thread = Thread(target=publish)
    thread.start()
    barrier.wait(timeout=30)
    try:
        acts.approve(ready.workplace, what, by)
    except RequestError:
        approved = False
    else:
        approved = True
    thread.join(timeout=60)
    assert (ready.state() == "approved") is approved is bool(locks(ready.workplace.register))
    ready.run()
    accepted = [
        one.rows["accepted"].amount for one in statements(ready.workplace, "small", SEPTEMBER)
    ]
    assert accepted == ([Decimal(150), Decimal(100)] if approved else [Decimal(157), Decimal(100)])
