"""Signed requests as the senders' own SDKs make them, and declarations that read them."""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from Adyen.util import generate_notification_sig
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks.webhooks import Webhook as StandardWebhook
from stripe import WebhookSignature

from tieout.events.inbox import after, by_sequence
from tieout.events.mapping import Mapper
from tieout.events.model import InboxEvent
from tieout.events.receive import Receiver
from tieout.events.server import application, configured
from tieout.formats.webhook import Webhook
from tieout.workplace import Workplace

NOW = 1_790_000_000
STRIPE, STANDARD, ADYEN, PLAIN = (
    "whsec_stripe0123456789",
    "whsec_" + base64.b64encode(b"a key of thirty-two bytes, surely").decode(),
    "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
    "a plain key",
)
SECRETS = {
    "stripe": STRIPE,
    "standard_webhooks": STANDARD,
    "adyen": ADYEN,
    "hmac": PLAIN,
    "cloudevents": PLAIN,
}


@dataclass(frozen=True)
class Request:
    """What a sender sends."""

    scheme: str
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})

    def with_headers(self, **more: str) -> Request:
        """The same with further headers; `_` stands for `-`."""
        return replace(
            self, headers=self.headers | {n.replace("_", "-"): v for n, v in more.items()}
        )


def unix_now() -> int:
    return int(time.time())


def plain(number: int, **more: Any) -> dict[str, Any]:
    """An event of a sender that signs its JSON by itself."""
    base = {"id": f"e{number}", "type": "paid", "at": "2026-10-05T10:00:00Z", "ref": f"P{number}"}
    return base | more


def stripe_request(event: Mapping[str, Any], now: int = NOW, key: str = STRIPE) -> Request:
    body = json.dumps(event)
    header = WebhookSignature.generate_signature_header(body, key, now)
    return Request("stripe", body.encode()).with_headers(stripe_signature=header)


def standard_request(event: Mapping[str, Any], now: int = NOW, key: str = STANDARD) -> Request:
    body, told = json.dumps(event), str(event["id"])
    # The SDK takes the moment's digits for UTC, whatever its zone.
    signature = StandardWebhook(key).sign(told, datetime.fromtimestamp(now, UTC), body)
    return Request("standard_webhooks", body.encode()).with_headers(
        webhook_id=told, webhook_timestamp=str(now), webhook_signature=signature
    )


def adyen_request(*items: dict[str, Any], key: str = ADYEN) -> Request:
    signed = []
    for item in items:
        signature = generate_notification_sig(item, key).decode()
        further = item.get("additionalData", {}) | {"hmacSignature": signature}
        signed.append({"NotificationRequestItem": item | {"additionalData": further}})
    document = {"live": "false", "notificationItems": signed}
    return Request("adyen", json.dumps(document).encode())


def tieout_signature(signed: bytes, now: int, key: str = PLAIN) -> str:
    """As docs/security.md says it; written here once more, on purpose."""
    mac = hmac.new(key.encode(), str(now).encode() + b"." + signed, "sha256")
    return f"t={now},v1={mac.hexdigest()}"


def hmac_request(event: Any, now: int = NOW, key: str = PLAIN) -> Request:
    body = json.dumps(event).encode()
    return Request("hmac", body).with_headers(tieout_signature=tieout_signature(body, now, key))


def cloud_event(number: int, /, **data: Any) -> CloudEvent:
    attributes = {
        "id": f"ce-{number}",
        "source": "/erp/créances",
        "type": "invoice.finalized",
        "specversion": "1.0",
        "time": datetime(2026, 10, 5, 12, 30, tzinfo=UTC),
    }
    return CloudEvent(attributes=attributes, data=data or {"number": f"INV-{number}"})


def binary_request(event: CloudEvent, now: int = NOW, key: str = PLAIN) -> Request:
    message = to_binary_event(event)
    headers = {n.lower(): v for n, v in message.headers.items()}
    headers.setdefault("content-type", "application/json")
    lines = [f"{n}:{headers[n]}\n" for n in sorted(headers)]
    signed = "".join(lines).encode() + b"\n" + message.body
    return Request("cloudevents", message.body, headers).with_headers(
        tieout_signature=tieout_signature(signed, now, key)
    )


def structured_request(event: CloudEvent, now: int = NOW, key: str = PLAIN) -> Request:
    message = to_structured_event(event)
    headers = {n.lower(): v for n, v in message.headers.items()}
    return Request("cloudevents", message.body, headers).with_headers(
        tieout_signature=tieout_signature(message.body, now, key)
    )


def batch_request(*events: CloudEvent, now: int = NOW, key: str = PLAIN) -> Request:
    body = b"[" + b" ,\n".join(to_structured_event(event).body for event in events) + b"]"
    headers = {"content-type": "application/cloudevents-batch+json"}
    return Request("cloudevents", body, headers).with_headers(
        tieout_signature=tieout_signature(body, now, key)
    )


def stripe_event(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"evt_{number}",
        "object": "event",
        "api_version": "2025-09-30.clover",
        "created": 1_759_622_400 + number % 86_400,
        "type": "charge.succeeded",
        "data": {
            "object": {
                "id": f"ch_{number}",
                "object": "charge",
                "amount": 1000 + number,
                "currency": "eur",
                "customer": "cus_1",
                "invoice": None,
            }
        },
    } | changes


def adyen_item(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "additionalData": {"shopperReference": "S1"},
        "amount": {"currency": "EUR", "value": 1000 + number},
        "eventCode": "CAPTURE",
        "eventDate": "2026-10-05T12:30:00+02:00",
        "merchantAccountCode": "ACME",
        "merchantReference": f"order:{number}",
        "originalReference": f"PSP{number}0",
        "paymentMethod": "visa",
        "pspReference": f"PSP{number}",
        "reason": "",
        "success": "true",
    } | changes


_RULE = {"type": "payment.succeeded", "refs": {"payment": "ref"}}
WEBHOOKS: dict[str, dict[str, Any]] = {
    "stripe": {
        "event_id": "id",
        "type": "type",
        "occurred_at": "created",
        "occurred_format": "unix",
        "version": "api_version",
        "minor_units": True,
        "types": {
            "charge.succeeded": {
                "type": "payment.succeeded",
                "refs": {"payment": "data.object.id", "customer": "data.object.customer"},
                "amount": "data.object.amount",
                "currency": "data.object.currency",
            }
        },
    },
    "standard_webhooks": {
        "event_id": "header:webhook-id",
        "type": "type",
        "occurred_at": "at",
        "types": {"paid": _RULE},
    },
    "hmac": {"event_id": "id", "type": "type", "occurred_at": "at", "types": {"paid": _RULE}},
    "adyen": {
        "event_id": ["eventCode", "pspReference", "success"],
        "type": "eventCode",
        "occurred_at": "eventDate",
        "account": "merchantAccountCode",
        "minor_units": True,
        "types": {
            "CAPTURE": {
                "type": "payment.succeeded",
                "refs": {"payment": "originalReference"},
                "amount": "amount.value",
                "currency": "amount.currency",
            }
        },
    },
    "cloudevents": {
        "event_id": ["source", "id"],
        "type": "type",
        "occurred_at": "time",
        "types": {
            "invoice.finalized": {"type": "invoice.issued", "refs": {"invoice": "data.number"}}
        },
    },
}


def declared(scheme: str) -> dict[str, Any]:
    """The whole `webhook` part of a format."""
    return {"scheme": scheme, "documentation": "https://example.com", **WEBHOOKS[scheme]}


def receiver(scheme: str, *secrets: str) -> Receiver:
    webhook = Webhook.model_validate(declared(scheme))
    mapper = Mapper(scheme, webhook, "NL", {"NL": "NL", "ACME": "NL"})
    return Receiver(webhook, secrets or (SECRETS[scheme],), mapper)


def company(folder: Path, register_url: str | None = None) -> Path:
    """A configuration with one feed a scheme, each named after it; the file's path."""
    (folder / "formats").mkdir(parents=True, exist_ok=True)
    for scheme in WEBHOOKS:
        layout = {
            "name": f"test_{scheme}",
            "title": scheme,
            "kind": "event",
            "documentation": "https://example.com",
            "webhook": declared(scheme),
        }
        (folder / "formats" / f"test_{scheme}.yaml").write_text(yaml.safe_dump(layout))
    feeds = {
        scheme: {
            "format": f"test_{scheme}",
            "entity": "NL",
            "inbox": {"secrets": [SECRETS[scheme]]},
        }
        for scheme in WEBHOOKS
    }
    any_pass: dict[str, Any] = {"name": "p", "shape": "one_to_one"}
    any_pass["key"] = {"source": ["line_id"], "target": ["line_id"]}
    settings: dict[str, Any] = {
        "company": "Tests",
        "calendar": {"start": "2026-10-01"},
        "entities": {"NL": {"name": "NL", "currency": "EUR", "known_as": ["ACME"]}},
        "feeds": feeds,
        "formats": "formats",
        "reconciliations": {
            "any": {
                "source": {"feeds": ["stripe"]},
                "target": {"feeds": ["hmac"]},
                "passes": [any_pass],
            }
        },
    }
    if register_url is not None:
        settings["register_url"] = register_url
    path = folder / "tieout.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


@contextmanager
def serving(folder: Path, register_url: str | None, *, local: bool = True) -> Iterator[Served]:
    """The application on a real uvicorn in a thread, at a free port; nothing is applied."""
    with Workplace.open(company(folder, register_url), folder / "home") as workplace:
        listening = socket.create_server(("127.0.0.1", 0))
        app = application(workplace, local=local, apply=lambda _most: 0)
        server = uvicorn.Server(configured(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        served = Served(listening.getsockname()[1], workplace)
        try:
            yield served
        finally:
            server.should_exit = True
            thread.join(timeout=60)
            listening.close()
            assert not thread.is_alive()


@dataclass(frozen=True)
class Served:
    """Where the intake listens, and the workplace it works in."""

    port: int
    workplace: Workplace

    def ask(
        self,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> Reply:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            wanted = method or ("GET" if body is None else "POST")
            sent = {n: v.encode("latin-1") for n, v in (headers or {}).items()}
            connection.request(wanted, path, body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(), dict(answer.headers.items()))
        finally:
            connection.close()

    def send(self, request: Request) -> Reply:
        """A sender's request, to the feed named after its scheme."""
        return self.ask(f"/v1/events/{request.scheme}", request.body, request.headers)

    def stored(self) -> list[InboxEvent]:
        """Everything in the inbox, with bodies."""
        with self.workplace.register.reading() as connection:
            known = [one.sequence for one in after(connection, 0, 1_000_000)]
            return by_sequence(connection, known)


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)
