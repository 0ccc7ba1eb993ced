"""Which account a correction is posted to: the account map, and the classes that go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tieout.rules import Reconciliation
from tieout.settings import Settings

ANY: Final = "*"
OFFSETS: Final[Mapping[str, Mapping[str, str]]] = {
    "clearing": {
        "fee": "fee",
        "tax": "tax",
        "payout": "bank",
        "transfer": "bank",
        "currency_conversion": "fx",
        "reserve": "suspense",
        "adjustment": "suspense",
        ANY: "receivable",
    },
    "bank": {ANY: "clearing"},
    "receivable": {ANY: "revenue"},
    "revenue": {ANY: "receivable"},
    "deferred_revenue": {ANY: "receivable"},
    "tax": {ANY: "receivable"},
    "fee": {ANY: "clearing"},
}
"""Class of the account a line is expected on -> its component -> class of the other half."""

_INSTEAD: Final = {"suspense": "write_off", "rounding": "write_off"}
"""What stands in for a class that an account map does not have."""
SUSPENSE: Final = "suspense"
INTERCOMPANY: Final = "intercompany"


class Chart:
    """The account map as corrections use it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def account(self, entity: str, account_class: str) -> str | None:
        """The account of a class: the one configured, or the only one of the account map."""
        chosen = self._settings.journals.accounts
        for code in (entity, ANY):
            named = {str(kind): account for kind, account in chosen.get(code, {}).items()}
            if account_class in named and self.knows(entity, named[account_class], account_class):
                return named[account_class]
        for code in (entity, ANY):
            mapped = self._settings.accounts.get(code, {})
            found = sorted(account for account, kind in mapped.items() if kind == account_class)
            if found:
                return found[0] if len(found) == 1 else None
        instead = _INSTEAD.get(account_class)
        return self.account(entity, instead) if instead else None

    def knows(self, entity: str, account: str, account_class: str) -> bool:
        """Whether the account is of the class in an entity; an entity with a map of its own does
        not post to accounts of the common one that are for a class it has itself."""
        own = self._settings.accounts.get(entity, {})
        if account not in own and account_class in own.values():
            return False
        return self.class_of(entity, account) == account_class

    def class_of(self, entity: str, account: str) -> str | None:
        """The class of an account, or None."""
        return self._settings.account_class(entity, account)

    def offset(self, expected_on: str, component: str) -> str | None:
        """The class of the other half for a line that is expected on a class, or None."""
        own = {str(kind): halves for kind, halves in self._settings.journals.offsets.items()}
        for halves in (own.get(expected_on, {}), OFFSETS.get(expected_on, {})):
            found = halves.get(component) or halves.get(ANY)
            if found:
                return found
        return None


def expected_class(reconciliation: Reconciliation, component: str | None) -> str | None:
    """The class of account on which a reconciliation expects a source line, or None.

    Of several the one named like the component (tax, revenue), else the first.
    """
    assert reconciliation.target is not None
    classes: Sequence[str] = reconciliation.target.where.get("account_class", ())
    if not classes:
        return None
    return component if component in classes else classes[0]
