"""Whether a request is its sender's: signatures over the bytes as received, in constant time.

What each scheme covers (docs/security.md says it to the sender):

- stripe: `Stripe-Signature: t=<unix>,v1=<hex>` over `<t>.<body>`.
- standard_webhooks: `webhook-signature: v1,<base64>` over `<id>.<timestamp>.<body>`, the first two
  from the headers webhook-id and webhook-timestamp.
- hmac: `Tieout-Signature: t=<unix>,v1=<hex>` over `<t>.<body>`.
- cloudevents: the same header; of a request in binary mode, whose headers are part of the event,
  over `<t>.`, a line `name:value` for content-type and each ce-* header in order of their names, an
  empty line, and the body.
- adyen: in every item, over eight of its fields. Others, such as eventDate, are not signed, and
  there is no time that could be outside a window: Adyen sends again for days.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tieout.errors import ConfigurationError
from tieout.events.refused import Refused, unsigned
from tieout.formats.webhook import Scheme

Headers = Mapping[str, str]
"""Names in lower case; values as latin-1 text, so that encoding gives the bytes back."""

WINDOW_SECONDS = 300
LONGEST_HEADER = 4096
MOST_SIGNATURES = 16
_UNIX = re.compile(r"[0-9]{1,12}")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_TIMED = {
    "stripe": "stripe-signature",
    "hmac": "tieout-signature",
    "cloudevents": "tieout-signature",
}
_ADYEN_FIELDS = (
    "pspReference",
    "originalReference",
    "merchantAccountCode",
    "merchantReference",
    "value",
    "currency",
    "eventCode",
    "success",
)


class Key:
    """One key, ready to sign. Shows nothing of itself."""

    def __init__(self, key: bytes) -> None:
        # Begun once and copied: hmac.digest gives the interpreter away for each call, and in a
        # server under load it takes many times the hashing until it is given back.
        self._begun = hmac.new(key, digestmod="sha256")

    def sign(self, signed: bytes) -> bytes:
        """HMAC-SHA256."""
        mac = self._begun.copy()
        mac.update(signed)
        return mac.digest()


def keys(scheme: Scheme, secrets: Sequence[str]) -> tuple[Key, ...]:
    """Secrets as keys one signs with. Raises ConfigurationError, which never shows them."""
    try:
        made = tuple(_key(scheme, secret) for secret in secrets)
    except (ValueError, binascii.Error):
        written = {"adyen": "hexadecimal digits", "standard_webhooks": "whsec_ and base64"}
        raise ConfigurationError(
            f"a signing key cannot be read: scheme {scheme} has {written[scheme]}",
            "copy the key from the sender's settings as it stands there",
        ) from None
    if not all(made):
        raise ConfigurationError("a signing key is empty", "name the key in inbox.secrets")
    return tuple(Key(one) for one in made)


def _key(scheme: Scheme, secret: str) -> bytes:
    if scheme == "adyen":
        return binascii.unhexlify(secret)
    if scheme == "standard_webhooks":
        bare = secret.removeprefix("whsec_")
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    return secret.encode()


def verify(scheme: Scheme, keys: Sequence[Key], headers: Headers, body: bytes, now: float) -> None:
    """Pass a request whose headers show a key, within the window around `now` (unix seconds).

    For Adyen use `verify_adyen`: there the items are signed. Raises Refused with status 401.
    """
    if scheme == "standard_webhooks":
        _standard(keys, headers, body, now)
        return
    name = _TIMED[scheme]
    time, signatures = _timed(_header(headers, name))
    signed = b"%b.%b%b" % (
        time.encode(),
        _signed_headers(headers) if scheme == "cloudevents" and is_binary(headers) else b"",
        body,
    )
    _one_of([key.sign(signed).hex() for key in keys], signatures)
    _in_window(time, now)


def is_binary(headers: Headers) -> bool:
    """Whether a CloudEvent has its attributes in headers."""
    return not headers.get("content-type", "").lower().startswith("application/cloudevents")


def _signed_headers(headers: Headers) -> bytes:
    names = sorted(name for name in headers if name.startswith("ce-") or name == "content-type")
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    return (lines + "\n").encode("latin-1")


def _header(headers: Headers, name: str) -> str:
    value = headers.get(name)
    if not value:
        raise unsigned("no_signature", f"the header {name} is missing")
    if len(value) > LONGEST_HEADER:
        raise unsigned("bad_signature", f"the header {name} is longer than {LONGEST_HEADER} bytes")
    return value


def _timed(header: str) -> tuple[str, list[str]]:
    """`t=1700000000,v1=ab,v1=cd` -> its time and the signatures v1."""
    parts = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not _UNIX.fullmatch(times[0]):
        raise unsigned("bad_signature", "the signature's header has no time t=<unix seconds>")
    return times[0], signatures


def _standard(keys: Sequence[Key], headers: Headers, body: bytes, now: float) -> None:
    told, time = _header(headers, "webhook-id"), _header(headers, "webhook-timestamp")
    # The encoded text is compared: base64 of 32 bytes has two bits that decoding does not look at.
    marked = _header(headers, "webhook-signature").split(" ")
    signatures = [one[3:] for one in marked if one.startswith("v1,")]
    if not _UNIX.fullmatch(time):
        raise unsigned("bad_signature", "webhook-timestamp is no number of unix seconds")
    signed = b"%b.%b.%b" % (told.encode("latin-1"), time.encode(), body)
    own = [base64.b64encode(key.sign(signed)).decode() for key in keys]
    _one_of(own, signatures)
    _in_window(time, now)


def verify_adyen(keys: Sequence[Key], items: Sequence[Any]) -> None:
    """Pass notification items that all are signed. Raises Refused with status 401."""
    for item in items:
        further = item.get("additionalData") if isinstance(item, Mapping) else None
        given = further.get("hmacSignature") if isinstance(further, Mapping) else None
        if not isinstance(given, str) or not given:
            raise unsigned("no_signature", "an item has no additionalData.hmacSignature")
        signed = ":".join(_adyen_values(item)).encode("utf-8", "surrogatepass")
        own = [base64.b64encode(key.sign(signed)).decode() for key in keys]
        _one_of(own, [given])


def _adyen_values(item: Mapping[str, Any]) -> list[str]:
    """The signed fields as text, empty where there is none.

    Adyen joins them by colons and does not escape: only merchantReference may have some, or text
    could be moved from one field to the next under the same signature.
    """
    amount = item.get("amount")
    amount = amount if isinstance(amount, Mapping) else {}
    values = []
    for name in _ADYEN_FIELDS:
        # Each from its own place only: a pspReference inside amount must not vouch for the item's.
        value = (amount if name in ("value", "currency") else item).get(name, "")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise unsigned("bad_signature", f"{name} is neither text nor a whole number")
        text = str(value)
        if name == "value" and text and not _WHOLE.fullmatch(text):
            raise unsigned("bad_signature", "amount.value is no whole number")
        if ":" in text and name != "merchantReference":
            raise unsigned("bad_signature", f"{name} has a colon")
        values.append(text)
    return values


def _one_of(own: Sequence[str], given: Sequence[str]) -> None:
    """All are compared with all, whatever is found: how long it takes says nothing."""
    found = False
    for signature in given[:MOST_SIGNATURES]:
        theirs = signature.encode("utf-8", "surrogatepass")
        for ours in own:
            found |= hmac.compare_digest(ours.encode(), theirs)
    if not found:
        raise unsigned("bad_signature", "no signature fits the request and the feed's keys")


def _in_window(time: str, now: float) -> None:
    if abs(now - int(time)) > WINDOW_SECONDS:
        raise Refused(
            401,
            "outside_window",
            f"it was signed more than {WINDOW_SECONDS} s from now: set clocks",
        )
