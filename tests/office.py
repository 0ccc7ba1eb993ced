"""A month to close, in a world of its own, and the keys of those who close it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tests import worlds
from tests.unit.test_engine_locks import ONE_TO_ONE, SEPTEMBER, paid, posted
from tests.worlds import World
from tieout.close import acts
from tieout.close.history import Act, Done, history, state_of
from tieout.close.recording import Pending, Proven
from tieout.close.signatures import sign, signer
from tieout.decisions import making
from tieout.decisions.making import Said
from tieout.stale import mark_stated, stale_days
from tieout.statement import publish_statements
from tieout.workplace import Workplace

PEOPLE = {
    "pia@example.com": {"name": "Preparer", "roles": ["preparer", "approver"]},
    "pia-laptop": {"name": "Preparer", "roles": ["preparer", "approver"]},
    "ada@example.com": {"name": "Approver", "roles": ["approver"]},
    "bob@example.com": {"name": "Second approver", "roles": ["approver"]},
    "eve@example.com": {"name": "Bookkeeper", "roles": ["preparer"]},
}


@dataclass
class Office:
    """A world with a month to close, and the keys of those who close it."""

    world: World
    keys: Path

    @property
    def workplace(self) -> Workplace:
        return self.world.workplace

    def run(self) -> None:
        """What a scheduled run does."""
        self.world.reconcile("small")
        stale = stale_days(self.workplace, "small")
        days = sorted({*SEPTEMBER.days(), *stale.days})
        publish_statements(self.workplace, "small", days, run_id="run")
        mark_stated(self.workplace, "small", stale, run_id="run")

    def pending(self, act: Act, entity: str = "A", reason: str = "because") -> Pending:
        return acts.pending(self.workplace, act, entity, SEPTEMBER, reason)

    def proven(self, what: Pending, principal: str) -> Proven:
        made = sign(what.text, self.keys / principal)
        allowed = self.workplace.settings.close.signers(self.workplace.settings.base)
        return Proven(signer(what.text, made, allowed, datetime.now(UTC)), "ssh", made)

    def act(self, act: Act, principal: str, entity: str = "A") -> Done:
        what = self.pending(act, entity)
        return acts.RECORD[act](self.workplace, what, self.proven(what, principal))

    def state(self) -> str:
        return state_of(history(self.workplace.register, "A", SEPTEMBER))[0]

    def accept_breaks(self) -> None:
        """What the controller does before a month is prepared."""
        making.accept_breaks(
            self.workplace, "small", SEPTEMBER, Said("somebody", "below what matters")
        )
        self.run()


@contextmanager
def opened(register_url: str, keys: Path = Path(), **more: str) -> Iterator[Office]:
    """A world with one break in September; `more` is configuration of closing."""
    with worlds.world({"small": ONE_TO_ONE}, register_url) as world:
        changed = world.workplace.settings.model_dump(exclude={"base"}) | {
            "calendar": {"start": "2026-09-01"},
            "close": {"allowed_signers": str(keys / "allowed_signers"), "people": PEOPLE} | more,
        }
        settings = type(world.workplace.settings).model_validate(changed)
        office = Office(World(replace(world.workplace, settings=settings)), keys)
        office.world.deliver(
            {
                ("psp", "2026-09-10"): [
                    paid("a", "100", "2026-09-10"),
                    paid("b", "50", "2026-09-10"),
                ],
                ("erp", "2026-09-10"): [posted("a", "100", "2026-09-10")],
                ("psp", "2026-10-08"): [],
                ("erp", "2026-10-08"): [],
            }
        )
        office.run()
        yield office
