"""What each sender's events say in our words: bodies as the senders document them, read by hand."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import stripe

from tieout.events.mapping import Mapper, loads
from tieout.events.model import Envelope, Problem
from tieout.formats.catalogue import formats

NAMES = {"acct_1": "US01", "US01": "US01", "ExampleDE": "DE01", "DE01": "DE01"}


def mapper(name: str, entity: str | None = None) -> Mapper:
    webhook = formats()[name].webhook
    assert webhook is not None
    return Mapper("feed", webhook, entity, NAMES)


def read(
    name: str, body: str, entity: str | None = None, **headers: str
) -> tuple[str | None, Envelope, Problem | None]:
    reader = mapper(name, entity)
    document = loads(body)
    own = {key.replace("_", "-"): value for key, value in headers.items()}
    event_id = reader.event_id(document, own)
    return event_id, *reader.envelope(document, own, event_id or "")


STRIPE = """{"id": "evt_1", "object": "event", "api_version": "2025-03-31.basil",
 "created": 1790000000, "livemode": true, "type": "%s", "data": {"object": %s}}"""


@pytest.mark.parametrize(
    ("what", "thing", "expected"),
    [
        (
            "invoice.finalized",
            """{"id": "in_1", "number": "NW-7", "customer": "cus_1", "total": 12345,
                "currency": "usd",
                "parent": {"subscription_details": {"subscription": "sub_1"}}}""",
            ("invoice.issued", "in_1", "123.45", "USD",
             {"invoice": "in_1", "document": "NW-7", "customer": "cus_1", "subscription": "sub_1"}),
        ),
        (
            "invoice.paid",
            """{"id": "in_1", "number": "NW-7", "amount_paid": 500, "currency": "jpy",
                "customer": null, "charge": "ch_1", "subscription": "sub_1"}""",
            ("invoice.paid", "in_1", "500", "JPY",
             {"invoice": "in_1", "document": "NW-7", "payment": "ch_1", "subscription": "sub_1"}),
        ),
        (
            "invoice.voided", '{"id": "in_1", "number": null, "customer": "cus_1"}',
            ("invoice.voided", "in_1", None, None, {"invoice": "in_1", "customer": "cus_1"}),
        ),
        (
            "credit_note.created",
            '{"id": "cn_1", "number": "CN-1", "invoice": "in_1", "total": 100, "currency": "usd"}',
            ("invoice.credited", "in_1", "-1.00", "USD", {"invoice": "in_1", "document": "CN-1"}),
        ),
        (
            "charge.succeeded",
            '{"id": "ch_1", "amount": 1999, "currency": "kwd", "customer": "cus_1"}',
            ("payment.succeeded", "ch_1", "1.999", "KWD", {"payment": "ch_1", "customer": "cus_1"}),
        ),
        (
            "charge.failed", '{"id": "ch_1", "amount": 1, "currency": "usd"}',
            ("payment.failed", "ch_1", "0.01", "USD", {"payment": "ch_1"}),
        ),
        (
            "refund.created",
            '{"id": "re_1", "charge": "ch_1", "amount": 50, "currency": "usd"}',
            ("payment.refunded", "ch_1", "-0.50", "USD", {"payment": "ch_1", "document": "re_1"}),
        ),
        (
            "charge.dispute.created",
            '{"id": "du_1", "charge": "ch_1", "amount": 1999, "currency": "usd"}',
            ("payment.disputed", "ch_1", "-19.99", "USD", {"payment": "ch_1", "document": "du_1"}),
        ),
        (
            "charge.dispute.closed", '{"id": "du_1", "charge": "ch_1", "amount": 1999}',
            ("payment.dispute_closed", "ch_1", None, None,
             {"payment": "ch_1", "document": "du_1"}),
        ),
        (
            "payout.paid", '{"id": "po_1", "amount": 7680, "currency": "usd"}',
            ("payout.paid", "po_1", "76.80", "USD", {"payout": "po_1"}),
        ),
        (
            "payout.failed", '{"id": "po_1", "amount": 7680, "currency": "usd"}',
            ("payout.failed", "po_1", "76.80", "USD", {"payout": "po_1"}),
        ),
    ],
)  # fmt: skip
def test_stripes_events(what: str, thing: str, expected: tuple[Any, ...]) -> None:
    event_id, said, problem = read("stripe_events", STRIPE % (what, thing), "US01")
    assert (event_id, problem) == ("evt_1", None)
    assert (said.type, said.subject_ref, said.amount, said.currency, said.refs) == expected
    assert said.occurred_at == datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    assert (said.version, said.entity) == ("2025-03-31.basil", "US01")


ADYEN = """{"eventCode": "%s", "success": "%s", "eventDate": "2026-10-05T00:30:00+02:00",
 "merchantAccountCode": "ExampleDE", "merchantReference": "INV-1", "pspReference": "P2",
 "originalReference": "%s", "amount": {"value": 1050, "currency": "EUR"}}"""


@pytest.mark.parametrize(
    ("code", "success", "original", "expected"),
    [
        ("AUTHORISATION", "true", "", ("payment.succeeded", "P2", "10.50")),
        ("AUTHORISATION", "false", "", ("payment.failed", "P2", "10.50")),
        ("CANCELLATION", "true", "P1", ("payment.failed", "P1", "10.50")),
        ("CAPTURE_FAILED", "true", "P1", ("payment.failed", "P1", "10.50")),
        ("SECOND_CHARGEBACK", "true", "P1", ("payment.disputed", "P1", "-10.50")),
        ("REFUND", "true", "P1", ("payment.refunded", "P1", "-10.50")),
        ("CHARGEBACK", "true", "P1", ("payment.disputed", "P1", "-10.50")),
        ("CHARGEBACK_REVERSED", "true", "P1", ("payment.dispute_closed", "P1", "10.50")),
    ],
)
def test_adyens_notifications(
    code: str, success: str, original: str, expected: tuple[str, str, str]
) -> None:
    event_id, said, problem = read("adyen_notifications", ADYEN % (code, success, original))
    assert (event_id, problem) == (f"{code}:P2:{success}", None)
    assert (said.type, said.subject_ref, said.amount) == expected
    assert (said.entity, said.currency, said.refs["invoice"]) == ("DE01", "EUR", "INV-1")
    assert said.occurred_at == datetime(2026, 10, 4, 22, 30, tzinfo=UTC)


PLAIN = """{"id": "7", "type": "payment.refunded", "timestamp": "2026-10-05T10:00:00Z",
 "sequence": 41, "data": {"account": "DE01", "payment": "P1", "document": "R1", "invoice": "I1",
 "amount": "-10.5", "currency": "EUR"}}"""


def test_signed_json_events_say_it_in_our_words() -> None:
    event_id, said, problem = read("signed_json_events", PLAIN)
    assert (event_id, problem) == ("7", None)
    assert (said.type, said.amount, said.sequence, said.account) == (
        "payment.refunded", "-10.5", 41, "DE01")  # fmt: skip
    assert said.refs == {"payment": "P1", "document": "R1", "invoice": "I1"}
    assert said.correlation_id == "I1", "the invoice stands above the payment"


def test_a_correlation_id_of_the_senders_own_goes_before() -> None:
    _, said, _ = read("signed_json_events", PLAIN.replace('"id"', '"correlation_id": "c-9", "id"'))
    assert said.correlation_id == "c-9"


def test_standard_webhooks_are_known_by_their_header() -> None:
    event_id, said, problem = read("standard_webhooks_events", PLAIN, webhook_id="msg_1")
    assert (event_id, said.type, problem) == ("msg_1", "payment.refunded", None)
    assert read("standard_webhooks_events", PLAIN)[0] is None


def test_cloud_events_are_the_same_when_source_and_id_are() -> None:
    body = """{"specversion": "1.0", "id": "9", "source": "/billing", "type": "invoice.issued",
      "time": "2026-10-05T10:00:00+01:00", "sequence": "12",
      "data": {"account": "DE01", "invoice": "I1", "amount": 10.10, "currency": "EUR"}}"""
    event_id, said, problem = read("cloud_events", body)
    assert (event_id, problem) == ("/billing:9", None)
    assert (said.amount, said.sequence, said.account) == ("10.10", 12, "/billing")
    assert said.occurred_at == datetime(2026, 10, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"payment.refunded"', '"payment.vanished"', "unmapped_type"),
        ('"DE01"', '"XX99"', "unknown_account"),
        ('"account": "DE01", ', "", "unknown_account"),
        ("2026-10-05T10:00:00Z", "yesterday", "bad_time"),
        ("2026-10-05T10:00:00Z", "9999-10-05T10:00:00Z", "bad_time"),
        ('"payment": "P1", ', "", "missing_value"),
        ('"P1"', '""', "missing_value"),
        ('"P1"', '{"id": "P1"}', "missing_value"),
        ('"EUR"', '"EUX"', "unknown_currency"),
        ('"-10.5"', '"ten"', "invalid_amount"),
        ('"-10.5"', '"1e3"', "invalid_amount"),
        ('"-10.5"', '"10.12345"', "invalid_amount"),
        ('"-10.5"', '"100000000000000"', "invalid_amount"),
        ('"-10.5"', "null", "invalid_amount"),
        ('"-10.5"', "true", "invalid_amount"),
    ],
)
def test_what_is_wrong_with_an_event_has_a_code_and_a_remedy(old: str, new: str, code: str) -> None:
    assert old in PLAIN
    _, said, problem = read("signed_json_events", PLAIN.replace(old, new))
    assert problem is not None
    assert (problem.error_class, problem.code) == ("business", code)
    assert problem.reason
    assert problem.remedy
    if code == "invalid_amount":
        assert said.amount is None, "nothing is made of what is no amount"


def test_a_version_nobody_knows_waits_for_a_person() -> None:
    body = STRIPE.replace("2025-03-31.basil", "2031-01-01") % ("payout.paid", '{"id": "po_1"}')
    assert (problem := read("stripe_events", body, "US01")[2])
    assert problem.code == "unknown_version"


def test_half_a_cent_is_no_amount() -> None:
    body = STRIPE % ("payout.paid", '{"id": "po_1", "amount": 10.5, "currency": "usd"}')
    assert (problem := read("stripe_events", body, "US01")[2])
    assert problem.code == "invalid_amount"


def test_types_that_mean_nothing_here_are_kept_as_ignored() -> None:
    body = (STRIPE % ("customer.created", '{"id": "cus_1"}')).encode()
    made = mapper("stripe_events", "US01").read(body, loads(body), {}, "evt_1")
    assert (made.state, made.problem, made.body) == ("ignored", None, body)
    assert made.envelope.source_type == "customer.created"


def test_of_all_that_stripe_can_send_only_what_moves_money_waits_for_a_person() -> None:
    """The SDK names every type that one can subscribe to."""
    source = Path(stripe.__file__).parent / "params" / "_webhook_endpoint_create_params.py"
    types = set(re.findall(r'"([a-z_0-9]+(?:\.[a-z_0-9]+)+)"', source.read_text("utf-8")))
    assert len(types) > 200
    webhook = formats()["stripe_events"].webhook
    assert webhook is not None
    assert set(webhook.types) <= types
    ignored = {name for name in types for p in webhook.ignored if fnmatchcase(name, p)}
    assert not ignored & set(webhook.types)
    assert [p for p in webhook.ignored if not any(fnmatchcase(name, p) for name in types)] == []
    waiting = types - ignored - set(webhook.types)
    kinds = ("climate.order.", "issuing_dispute.", "issuing_transaction.", "reserve.", "treasury.")
    assert {name for name in waiting if not name.startswith(kinds)} == {
        "credit_note.voided",
        "customer_cash_balance_transaction.created",
        "invoice.overpaid",
        "refund.failed",
    }


def test_stripes_connected_account_names_the_entity() -> None:
    body = (STRIPE % ("payout.paid", '{"id": "po_1", "amount": 1, "currency": "usd"}')).replace(
        '"object": "event"', '"account": "acct_1"'
    )
    assert read("stripe_events", body, None)[1].entity == "US01"
    assert read("stripe_events", body.replace("acct_1", "acct_9"), "US01")[1].entity is None
