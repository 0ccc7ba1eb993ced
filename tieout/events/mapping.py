"""Reads one event by its sender's declaration: JSON document -> Envelope, and what is wrong.

A wrong event is never refused here: it is stored, and its problem names class, reason and remedy.
Amounts stay exact: `loads` reads numbers with a point as decimals.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from tieout.events.model import Envelope, EventState, NewEvent, Problem
from tieout.formats.webhook import EventRule, Places, Webhook, listed
from tieout.money import known_currencies, minor_units
from tieout.periods import FIRST_YEAR, LAST_YEAR

_AMOUNT = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?")
_REF = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,255}")
"""What a database can hold as text: no control characters, no half of a character."""
_FITS = Decimal("1e14")
"""DECIMAL(18,4): fourteen digits before the point."""

Headers = Mapping[str, str]
Path = tuple[str, ...]


def loads(body: bytes | str) -> Any:
    """JSON with exact numbers. Raises ValueError: no JSON, NaN, a key twice, too deep."""
    text = body if isinstance(body, str) else body.decode("utf-8")
    try:
        return _DECODER.decode(text)
    except (RecursionError, ArithmeticError) as problem:
        raise _too_much(problem) from None


def decode_at(text: str, start: int) -> tuple[Any, int]:
    """The value that begins at a place of the text, and where it ends. Raises as `loads` does."""
    try:
        return _DECODER.raw_decode(text, start)
    except (RecursionError, ArithmeticError) as problem:
        raise _too_much(problem) from None


def _too_much(problem: Exception) -> ValueError:
    deep = isinstance(problem, RecursionError)
    return ValueError("it is nested too deep" if deep else "a number is out of every range")


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two values under one key: which of them was signed for is not known."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


_DECODER = json.JSONDecoder(
    parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_once, strict=True
)


class Mapper:
    """Reads the events of one feed."""

    def __init__(
        self, feed: str, webhook: Webhook, entity: str | None, entities: Mapping[str, str]
    ) -> None:
        """`entity` is the feed's own, `entities` every name an entity is known by -> its code."""
        self.feed, self.webhook = feed, webhook
        self._entity, self._entities = entity, entities
        self._currencies = known_currencies()

    def event_id(self, document: Any, headers: Headers) -> str | None:
        """What makes the event the same when it is sent again; None where it says none."""
        parts = [self._first(document, headers, one) for one in listed(self.webhook.event_id)]
        if any(part is None for part in parts):
            return None
        whole = ":".join(str(part) for part in parts)
        return whole if _REF.fullmatch(whole) else None

    def read(self, body: bytes, document: Any, headers: Headers, event_id: str) -> NewEvent:
        """The event as it is stored. `headers` have lower-case names."""
        envelope, problem = self.envelope(document, headers, event_id)
        ignored = any(fnmatchcase(envelope.source_type, p) for p in self.webhook.ignored)
        state: EventState = "ignored" if ignored else "new" if problem is None else "dead"
        return NewEvent(
            self.feed,
            event_id,
            body,
            hashlib.sha256(body).hexdigest(),
            headers,
            envelope,
            state,
            None if ignored else problem,
        )

    def envelope(
        self, document: Any, headers: Headers, event_id: str
    ) -> tuple[Envelope, Problem | None]:
        """What the event says, and the first thing that is wrong with it."""
        w = self.webhook
        source_type = self._joined(document, headers, w.type) or ""
        version = self._first(document, headers, w.version)
        account = self._first(document, headers, w.account)
        rule = w.types.get(source_type)
        at = _moment(self._first(document, headers, w.occurred_at), w.occurred_format)
        refs = self._refs(document, headers, rule)
        kind = rule.type.partition(".")[0] if rule else None
        subject = refs.get(kind) if kind else None
        entity = self._entities.get(account) if account is not None else self._entity
        amount, currency = self._money(document, headers, rule)
        number = self._first(document, headers, w.sequence.number) if w.sequence else None
        numbered = self._first(document, headers, w.sequence.account) if w.sequence else None
        own = self._first(document, headers, w.correlation_id)
        envelope = Envelope(
            source_type=source_type[:255],
            version=version,
            type=rule.type if rule else None,
            occurred_at=at,
            entity=entity,
            account=numbered or account,
            refs=refs,
            subject_kind=kind,
            subject_ref=subject,
            amount=amount if _is_exact(amount) else None,
            currency=currency if currency in self._currencies else None,
            correlation_id=(own if own and _REF.fullmatch(own) else None)
            or _derived(refs)
            or event_id,
            sequence=int(number) if number and re.fullmatch(r"[0-9]{1,18}", number) else None,
        )
        return envelope, next(self._problems(envelope, rule, account, amount, currency), None)

    def _problems(
        self,
        read: Envelope,
        rule: EventRule | None,
        account: str | None,
        amount: str | None,
        currency: str | None,
    ) -> Iterator[Problem]:
        """Everything that is wrong with an event, what explains the rest first."""
        w, ours = self.webhook, f"format of {self.feed}"
        if w.versions and not any(fnmatchcase(read.version or "", p) for p in w.versions):
            yield _business(
                "unknown_version",
                f"schema version {read.version!r} is none of {', '.join(w.versions)}",
                f"check what changed, add it to webhook.versions in the {ours}, then replay",
            )
        if rule is None:
            yield _business(
                "unmapped_type",
                f"the type {read.source_type!r} is not mapped",
                f"add it to webhook.types or webhook.ignored in the {ours}, then replay",
            )
            return
        if read.entity is None:
            told = "it names no account" if account is None else f"{account!r} is no entity's name"
            yield _business(
                "unknown_account",
                told,
                f"add it to entities.*.known_as, or name feeds.{self.feed}.entity, then replay",
            )
        if read.occurred_at is None:
            yield _business("bad_time", "when it happened cannot be read", _ASK)
        if read.subject_ref is None:
            told = f"it has no reference of its {read.subject_kind}"
            yield _business("missing_value", told, _ASK)
        if rule.amount is not None and currency is not None and read.currency is None:
            yield _business("unknown_currency", f"{currency!r} is no ISO 4217 code", _ASK)
        if rule.amount is not None and (read.amount is None or read.currency is None):
            yield _business("invalid_amount", f"{amount!r} is no exact amount", _ASK)

    def _refs(self, document: Any, headers: Headers, rule: EventRule | None) -> dict[str, str]:
        found = {}
        for kind, places in rule.refs.items() if rule else ():
            value = self._first(document, headers, places)
            if value is not None and _REF.fullmatch(value):
                found[str(kind)] = value
        return found

    def _money(
        self, document: Any, headers: Headers, rule: EventRule | None
    ) -> tuple[str | None, str | None]:
        """Amount as plain decimal text in major units, or as it stands where it is none."""
        if rule is None or rule.amount is None:
            return None, None
        currency = (self._first(document, headers, rule.currency) or "").upper() or None
        written = self._first(document, headers, rule.amount)
        if written is None or not _AMOUNT.fullmatch(written):
            return written, currency
        value = Decimal(written)
        if self.webhook.minor_units:
            if (
                currency is None
                or currency not in self._currencies
                or value != value.to_integral_value()
            ):
                return f"{written} minor units", currency
            value = value.scaleb(-minor_units(currency))
        if rule.negative:
            value = -value
        return f"{value:f}", currency

    def _first(self, document: Any, headers: Headers, places: Places | None) -> str | None:
        if places is None:
            return None
        for header, steps in _cut(places):
            value = headers.get(header) if header is not None else _at(document, steps)
            text = _text(value)
            if text is not None:
                return text
        return None

    def _joined(self, document: Any, headers: Headers, places: Places) -> str | None:
        parts = [self._first(document, headers, place) for place in listed(places)]
        return ":".join(p for p in parts if p is not None) or None


_ASK = "have the sender correct it and send it again, or discard it"


def _business(code: str, reason: str, remedy: str) -> Problem:
    return Problem("business", code, reason, remedy)


def _derived(refs: Mapping[str, str]) -> str | None:
    """The document the event belongs to, else whom it belongs to (docs/domain.md)."""
    order = ("invoice", "payment", "payout", "usage", "subscription", "customer")
    return next((refs[kind] for kind in order if kind in refs), None)


def _is_exact(amount: str | None) -> bool:
    """Whether it fits DECIMAL(18,4) as it is."""
    if amount is None or not _AMOUNT.fullmatch(amount):
        return False
    value = Decimal(amount)
    return abs(value) < _FITS and value == value.quantize(Decimal("0.0001"))


def _moment(value: str | None, written: str) -> datetime | None:
    """An aware moment within the calendar's years, or None."""
    if value is None:
        return None
    try:
        if written == "unix":
            at = datetime.fromtimestamp(int(value), UTC)
        else:
            at = datetime.fromisoformat(value)
            at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return at if FIRST_YEAR <= at.year <= LAST_YEAR else None


def _text(value: Any) -> str | None:
    """A scalar as text; nothing, a list or an object is none."""
    if isinstance(value, str):  # what most are
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}" if abs(value.adjusted()) < 40 else None
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else None
    return None


@cache
def _cut(places: Places) -> tuple[tuple[str | None, tuple[str, ...]], ...]:
    """Each place as the name of a header, or as the steps into the document."""
    return tuple(
        (place[7:].lower(), ()) if place.startswith("header:") else (None, tuple(place.split(".")))
        for place in listed(places)
    )


def _at(document: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and step.isdigit() and int(step) < len(document):
            document = document[int(step)]
        else:
            return None
    return document
