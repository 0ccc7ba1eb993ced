"""Who may send: each sender's own SDK signs, every changed bit is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary_event
from stripe import Webhook as StripeWebhook

from tests.events import (
    NOW,
    SECRETS,
    STRIPE,
    Request,
    adyen_item,
    adyen_request,
    batch_request,
    binary_request,
    cloud_event,
    hmac_request,
    receiver,
    standard_request,
    stripe_event,
    stripe_request,
    structured_request,
)
from tieout.errors import ConfigurationError
from tieout.events.model import NewEvent
from tieout.events.refused import Refused
from tieout.events.signatures import keys


def plain(number: int) -> dict[str, Any]:
    return {"id": f"e{number}", "type": "paid", "at": "2026-10-05T10:00:00Z", "ref": f"P{number}"}


def read(request: Request, *secrets: str, now: float = NOW) -> list[NewEvent]:
    return receiver(request.scheme, *secrets).read(request.headers, request.body, now)


def refused(request: Request, *secrets: str, now: float = NOW) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        read(request, *secrets, now=now)
    told = str(caught.value)
    assert not any(secret in told for secret in SECRETS.values())
    return caught.value.status, caught.value.reason


MAKERS: dict[str, Callable[[int], Request]] = {
    "stripe": lambda n: stripe_request(stripe_event(n)),
    "standard": lambda n: standard_request(plain(n)),
    "hmac": lambda n: hmac_request(plain(n)),
    "adyen": lambda n: adyen_request(adyen_item(n), adyen_item(n + 1000)),
    "binary": lambda n: binary_request(cloud_event(n)),
    "structured": lambda n: structured_request(cloud_event(n)),
    "batch": lambda n: batch_request(cloud_event(n), cloud_event(n + 1000)),
}


@pytest.mark.parametrize("made", MAKERS)
def test_what_the_senders_sdk_signs_is_taken_in(made: str) -> None:
    events = read(MAKERS[made](7))
    assert [e.state for e in events] == ["new"] * (2 if made in ("adyen", "batch") else 1)
    assert [e.problem for e in events] == [None] * len(events)
    assert not any("signature" in name for e in events for name in e.headers)


def test_stripes_own_reader_takes_the_same_request() -> None:
    request = MAKERS["stripe"](7)
    signed = request.headers["stripe-signature"]
    event = StripeWebhook.construct_event(request.body, signed, STRIPE, tolerance=10**9)
    [ours] = read(request)
    assert (ours.event_id, ours.body) == (event["id"], request.body)
    assert ours.envelope.amount == "10.07"


def test_the_events_of_a_list_keep_their_own_bytes() -> None:
    request = batch_request(cloud_event(1), cloud_event(2))
    first, second = read(request)
    assert request.body == b"[" + first.body + b" ,\n" + second.body + b"]"
    assert [e.event_id for e in (first, second)] == ["/erp/créances:ce-1", "/erp/créances:ce-2"]
    items = read(adyen_request(adyen_item(1), adyen_item(2)))
    assert [json.loads(e.body)["pspReference"] for e in items] == ["PSP1", "PSP2"]
    assert all(e.body in adyen_request(adyen_item(1), adyen_item(2)).body for e in items)


def test_a_cloud_event_is_the_same_in_every_mode() -> None:
    whole = cloud_event(5, number="INV-5")
    binary, structured = read(binary_request(whole)), read(structured_request(whole))
    [batched] = read(batch_request(whole))
    assert binary[0].envelope == structured[0].envelope == batched.envelope
    back = from_binary_event(HTTPMessage(headers=dict(binary[0].headers), body=binary[0].body))
    assert (back.get_source(), back.get_id()) == ("/erp/créances", "ce-5")


@pytest.mark.parametrize("scheme", SECRETS)
def test_two_keys_hold_while_they_are_rotated(scheme: str) -> None:
    other = {
        "adyen": "AB" * 32,
        "standard_webhooks": "whsec_" + base64.b64encode(b"o" * 24).decode(),
    }.get(scheme, "another key")
    made = {"stripe": "stripe", "standard_webhooks": "standard", "cloudevents": "binary"}
    request = MAKERS[made.get(scheme, scheme)](1)
    assert read(request, other, SECRETS[scheme])
    assert read(request, SECRETS[scheme], other)
    assert refused(request, other) == (401, "bad_signature")


def test_one_of_several_signatures_is_enough() -> None:
    old, new = stripe_request(stripe_event(1), key="gone"), stripe_request(stripe_event(1))
    both = old.headers["stripe-signature"] + "," + new.headers["stripe-signature"].split(",")[1]
    assert read(new.with_headers(stripe_signature=both + ",v0=abc"))
    a, b = standard_request(plain(1), key="whsec_AAAA"), standard_request(plain(1))
    both = f"v1a,xx {a.headers['webhook-signature']} {b.headers['webhook-signature']}"
    assert read(b.with_headers(webhook_signature=both))


@pytest.mark.parametrize("made", [m for m in MAKERS if m != "adyen"])
@pytest.mark.parametrize(
    ("skew", "taken"), [(300, True), (-300, True), (301, False), (-301, False)]
)
def test_it_must_be_signed_within_five_minutes_of_now(made: str, skew: int, taken: bool) -> None:
    request = MAKERS[made](1)
    if taken:
        assert read(request, now=NOW + skew)
    else:
        assert refused(request, now=NOW + skew) == (401, "outside_window")


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (replace(stripe_request(stripe_event(1)), headers={}), "no_signature"),
        (stripe_request(stripe_event(1)).with_headers(stripe_signature="v1=ab"), "bad_signature"),
        (stripe_request(stripe_event(1)).with_headers(stripe_signature="t=1"), "bad_signature"),
        (
            hmac_request(plain(1)).with_headers(tieout_signature="t=1,v1=" + "é" * 9),
            "bad_signature",
        ),
        (
            hmac_request(plain(1)).with_headers(tieout_signature=f"t={NOW}," + "v1=a," * 2000),
            "bad_signature",
        ),
        (standard_request(plain(1)).with_headers(webhook_id=""), "no_signature"),
        (binary_request(cloud_event(1)).with_headers(ce_more="x"), "bad_signature"),
        (
            Request("adyen", b'{"notificationItems":[{"NotificationRequestItem":{}}]}'),
            "no_signature",
        ),
    ],
)
def test_what_is_not_signed_as_agreed_is_refused(request_: Request, reason: str) -> None:
    assert refused(request_) == (401, reason)


def test_one_unsigned_item_refuses_the_whole_notification() -> None:
    body = json.loads(adyen_request(adyen_item(1), adyen_item(2)).body)
    body["notificationItems"][1]["NotificationRequestItem"]["amount"]["value"] = 1
    assert refused(Request("adyen", json.dumps(body).encode())) == (401, "bad_signature")


def test_text_cannot_be_moved_between_adyens_fields() -> None:
    """`A:B` + `C` and `A` + `B:C` are the same text; only one of them is ever accepted."""
    signed = adyen_request(adyen_item(1, merchantAccountCode="ACME", merchantReference="o:1"))
    assert read(signed)
    body = json.loads(signed.body)
    item = body["notificationItems"][0]["NotificationRequestItem"]
    item |= {"merchantAccountCode": "ACME:o", "merchantReference": "1"}
    assert refused(Request("adyen", json.dumps(body).encode())) == (401, "bad_signature")


def test_a_signed_field_counts_at_its_own_place_only() -> None:
    body = json.loads(adyen_request(adyen_item(1)).body)
    item = body["notificationItems"][0]["NotificationRequestItem"]
    item["amount"]["pspReference"] = item["pspReference"]
    item["pspReference"] = "another"
    assert refused(Request("adyen", json.dumps(body).encode())) == (401, "bad_signature")


@pytest.mark.parametrize("scheme", ["adyen", "standard_webhooks"])
def test_a_key_that_is_none_is_told_without_it(scheme: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        keys(scheme, ["whsec_canary!"])
    assert "canary" not in str(caught.value)


# Every bit of what is signed

UNSIGNED_BY_ADYEN = {"additionalData", "eventDate", "paymentMethod", "reason", "live"}
"""Adyen signs eight fields of an item; what else a notification says, nobody vouches for."""


def signed_by_adyen(body: bytes) -> Any:
    """What is left without the fields that Adyen does not sign."""
    items = json.loads(body)["notificationItems"]
    return [
        {
            "signature": one["NotificationRequestItem"]["additionalData"]["hmacSignature"],
            **{
                name: one["NotificationRequestItem"].get(name) or ""
                for name in adyen_item(1)
                if name not in UNSIGNED_BY_ADYEN
            },
        }
        for one in items
    ]


def flipped(data: bytes) -> list[bytes]:
    return [
        data[:i] + bytes([data[i] ^ (1 << bit)]) + data[i + 1 :]
        for i in range(len(data))
        for bit in range(8)
    ]


def means_the_same(name: str, one: str, other: str) -> bool:
    """HTTP: names of headers (written small before this) and media types have no case."""
    return one == other or (name == "content-type" and one.lower() == other.lower())


def is_taken(request: Request) -> bool:
    try:
        return bool(TAKE[request.scheme].read(request.headers, request.body, NOW))
    except Refused:
        return False


TAKE = {scheme: receiver(scheme) for scheme in SECRETS}
COUNTS = {
    "stripe": 3,
    "standard": 3,
    "hmac": 3,
    "adyen": 2,
    "binary": 3,
    "structured": 3,
    "batch": 3,
}


@pytest.mark.parametrize("made", COUNTS)
def test_no_flipped_bit_of_a_signed_request_is_accepted(made: str) -> None:
    assert sum(COUNTS.values()) == 20
    tried = same = unsigned = 0
    accepted: list[Request] = []
    for number in range(COUNTS[made]):
        request = MAKERS[made](number)
        assert is_taken(request)
        for body in flipped(request.body):
            tried += 1
            if is_taken(replace(request, body=body)):
                if made == "adyen" and signed_by_adyen(body) == signed_by_adyen(request.body):
                    unsigned += 1
                else:
                    accepted.append(replace(request, body=body))
        for name, value in request.headers.items():
            rest = {n: v for n, v in request.headers.items() if n != name}
            turned = [(name, v.decode("latin-1")) for v in flipped(value.encode("latin-1"))]
            turned += [(n.decode("latin-1").lower(), value) for n in flipped(name.encode())]
            for other, changed in turned:
                tried += 1
                if not is_taken(replace(request, headers=rest | {other: changed})):
                    continue
                if other == name and means_the_same(name, value, changed):
                    same += 1
                else:
                    accepted.append(replace(request, headers=rest | {other: changed}))
    print(f"{made}: {tried:,} flips, {same} the same to HTTP, {unsigned:,} in fields Adyen omits")
    assert accepted == []
    assert tried > 1_000
    assert (unsigned > 0) == (made == "adyen"), "the fields that Adyen does not sign are looked at"


def test_the_spare_bits_of_base64_are_looked_at() -> None:
    request = MAKERS["standard"](1)
    signature = request.headers["webhook-signature"]
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = signature[-2]  # of 32 bytes the last digit before = has two bits that say nothing
    twin = digits[digits.index(last) ^ 1]
    changed = signature[:-2] + twin + "="
    assert base64.b64decode(changed[3:]) == base64.b64decode(signature[3:])
    assert refused(request.with_headers(webhook_signature=changed)) == (401, "bad_signature")
