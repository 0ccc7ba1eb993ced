"""Whether a request is by who holds the key, and of now. Raw bytes, constant time, two keys.

Sources: Stripe, "Verify webhook signatures"; the Standard Webhooks specification; Adyen, "Verify
HMAC signatures". `Tieout-Signature` is ours, for senders without a scheme of their own and for
CloudEvents, which have none: `t=<seconds since 1970>,v1=<hex of HMAC-SHA256>` over `<t>.` and the
body; in the binary mode of CloudEvents over `<t>.`, a line `name:value` for content-type and each
ce-* header, sorted by name, an empty line, and the body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tieout.formats.webhook import Scheme

TOLERANCE = 300
"""Seconds a request may be old, or ahead of our clock."""
_LONGEST_HEADER = 4096
_MOST_SIGNATURES = 16
_SECONDS = re.compile(r"[0-9]{1,12}")
_ADYEN_SIGNED = (
    "pspReference originalReference merchantAccountCode merchantReference amount.value "
    "amount.currency eventCode success"
).split()

Headers = Mapping[str, str]


class RefusedError(Exception):
    """The request is not believed. The reason is a fixed word, never anything of the request."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def verify(
    scheme: Scheme, secrets: Sequence[str], headers: Headers, body: bytes, now: float
) -> None:
    """Return if any of the keys signed the request. `headers` have lower-case names.

    Adyen signs items, not requests: see `verify_adyen`. Raises RefusedError with one of the reasons
    no_signature, bad_signature, bad_time.
    """
    _SCHEMES[scheme](secrets, headers, body, now)


def verify_adyen(secrets: Sequence[str], item: Mapping[str, Any]) -> None:
    """Return if any of the keys signed an item of a notification.

    Adyen signs eight fields of it and no other: not the date, not the reason, nothing in
    additionalData. Raises RefusedError.
    """
    more = item.get("additionalData")
    given = more.get("hmacSignature") if isinstance(more, Mapping) else None
    if not isinstance(given, str) or len(given) > _LONGEST_HEADER:
        raise RefusedError("no_signature")
    signed = ":".join(_adyen_field(item, name) for name in _ADYEN_SIGNED).encode()
    expected = [base64.b64encode(_mac(_from_hex(key), signed)).decode() for key in secrets]
    _any_equal(expected, [given])


def _adyen_field(item: Mapping[str, Any], name: str) -> str:
    value: Any = item
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stripe(secrets: Sequence[str], headers: Headers, body: bytes, now: float) -> None:
    at, given = _timed(headers.get("stripe-signature"), now)
    expected = [_mac(key.encode(), at.encode() + b"." + body).hex() for key in secrets]
    _any_equal(expected, given)


def _plain(secrets: Sequence[str], headers: Headers, body: bytes, now: float) -> None:
    at, given = _timed(headers.get("tieout-signature"), now)
    expected = [_mac(key.encode(), at.encode() + b"." + body).hex() for key in secrets]
    _any_equal(expected, given)


def _cloud(secrets: Sequence[str], headers: Headers, body: bytes, now: float) -> None:
    if not headers.get("ce-specversion"):
        _plain(secrets, headers, body, now)
        return
    at, given = _timed(headers.get("tieout-signature"), now)
    signed = signed_binary(at, headers, body)
    _any_equal([_mac(key.encode(), signed).hex() for key in secrets], given)


def signed_binary(at: str, headers: Headers, body: bytes) -> bytes:
    """What a sender of a binary CloudEvent signs: its time, what its headers say, and its body."""
    told = sorted(
        f"{name}:{value}\n"
        for name, value in headers.items()
        if name == "content-type" or name.startswith("ce-")
    )
    return f"{at}.{''.join(told)}\n".encode() + body


def _standard(secrets: Sequence[str], headers: Headers, body: bytes, now: float) -> None:
    name, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    written = headers.get("webhook-signature", "")
    if not name or not at or not written or len(written) > _LONGEST_HEADER:
        raise RefusedError("no_signature")
    _assert_of_now(at, now)
    parts = (part.partition(",") for part in written.split(" ")[:_MOST_SIGNATURES])
    given = [value for version, _, value in parts if version == "v1"]
    signed = f"{name}.{at}.".encode() + body
    # Compared as they are written: the last letter of base64 has bits that decode to nothing.
    expected = [base64.b64encode(_mac(_from_whsec(key), signed)).decode() for key in secrets]
    _any_equal(expected, given)


def _unsigned(_secrets: Sequence[str], _headers: Headers, _body: bytes, _now: float) -> None:
    """Nothing of the request is: each item is verified by itself."""


_SCHEMES: Mapping[Scheme, Callable[[Sequence[str], Headers, bytes, float], None]] = {
    "stripe": _stripe,
    "standard_webhooks": _standard,
    "cloudevents": _cloud,
    "adyen": _unsigned,
    "hmac": _plain,
}


def _timed(header: str | None, now: float) -> tuple[str, list[str]]:
    """The time and the signatures of a header like `t=1,v1=ab,v1=cd`."""
    if not header or len(header) > _LONGEST_HEADER:
        raise RefusedError("no_signature")
    parts = [part.partition("=") for part in header.split(",")[: _MOST_SIGNATURES + 1]]
    times = [value for name, _, value in parts if name == "t"]
    given = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not given:
        raise RefusedError("no_signature")
    _assert_of_now(times[0], now)
    return times[0], given


def _assert_of_now(written: str, now: float) -> None:
    if not _SECONDS.fullmatch(written) or abs(now - int(written)) > TOLERANCE:
        raise RefusedError("bad_time")


def _any_equal(expected: Iterable[str], given: Sequence[str]) -> None:
    """Every key is held against every signature, whichever fits, so that time tells nothing."""
    found = False
    for one in expected:
        for other in given:
            found |= hmac.compare_digest(one.encode(), other.encode())
    if not found:
        raise RefusedError("bad_signature")


def _mac(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, hashlib.sha256)


def _from_whsec(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a Standard Webhooks key is whsec_ and base64") from None


def _from_hex(secret: str) -> bytes:
    try:
        return bytes.fromhex(secret)
    except ValueError:
        raise ValueError("Adyen's HMAC key is hexadecimal") from None


def check_key(scheme: Scheme, secret: str) -> str | None:
    """What is wrong with a key of a scheme; None where nothing is. Never shows the key."""
    try:
        if scheme == "standard_webhooks":
            _from_whsec(secret)
        elif scheme == "adyen":
            _from_hex(secret)
    except ValueError as problem:
        return str(problem)
    return None
