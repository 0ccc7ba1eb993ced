"""The intake's OpenAPI 3.1 document, as data: what senders and monitoring may ask."""

from __future__ import annotations

from typing import Any

_PROBLEM = {
    "application/problem+json": {
        "schema": {"$ref": "#/components/schemas/Problem"},
    }
}


def problems(*statuses: tuple[int, str]) -> dict[str, Any]:
    """Refusals by status."""
    return {str(status): {"description": told, "content": _PROBLEM} for status, told in statuses}


def _shown(told: str, schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    return {"200": {"description": told, "content": {media: {"schema": schema}}}}


def _get(told: str, answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"get": {"summary": told, "responses": answers, **more}}


_OBJECT: dict[str, Any] = {"type": "object"}
_COUNT = {"type": "integer", "minimum": 0}
_AWAY = (503, "The database cannot be reached.")
_NO_TOKEN = (401, "Asked from elsewhere, without the token.")
_OTHER = (405, "Another method.")
_VIEW: dict[str, Any] = {"security": [{}, {"viewToken": []}]}
_STORED = {
    "type": "object",
    "required": ["new", "duplicate", "conflict"],
    "properties": {"new": _COUNT, "duplicate": _COUNT, "conflict": _COUNT},
}


def place(name: str, told: str) -> dict[str, Any]:
    """A part of the address."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": told,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }


_SEND = {
    "summary": "Send events; answered once they are durable",
    "description": "Signed as the feed's format says (docs/security.md); the body is bound to it.",
    "parameters": [place("feed", "A feed with an inbox.")],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _OBJECT},
            "application/cloudevents+json": {"schema": _OBJECT},
            "application/cloudevents-batch+json": {"schema": {"type": "array", "items": _OBJECT}},
        },
    },
    "responses": {
        "200": {
            "description": "Everything in the request is durable.",
            "content": {
                "application/json": {"schema": _STORED},
                "text/plain": {"schema": {"type": "string", "const": "[accepted]"}},
            },
        },
        **problems(
            (400, "Malformed: no JSON, not UTF-8, a key twice, no event id, too many events."),
            (401, "No signature, one that does not fit, or a time outside 300 s."),
            (404, "No such feed."),
            (405, "Another method than POST."),
            (413, "Over 1 MB."),
            (415, "Another media type, charset or content encoding."),
        ),
        "503": {
            "description": "Overload, or the database is away. Nothing is lost: send it again.",
            "headers": {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}},
            "content": _PROBLEM,
        },
    },
}

PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "reason"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string", "description": "One word to count by."},
    },
}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Tieout intake", "version": "1", "license": {"name": "Apache-2.0"}},
    "paths": {
        "/v1/events/{feed}": {"post": _SEND},
        "/v1/live/summary": _get(
            "What is open now",
            _shown("The live state.", _OBJECT) | problems(_NO_TOKEN, (404, "None."), _OTHER, _AWAY),
            **_VIEW,
        ),
        "/v1/trace/{ref}": _get(
            "The time line of an invoice, payment or payout",
            _shown("Its time line.", _OBJECT)
            | problems(_NO_TOKEN, (404, "Nothing is known of it."), _OTHER, _AWAY),
            parameters=[place("ref", "A reference of any system.")],
            **_VIEW,
        ),
        "/healthz": _get(
            "Whether the process answers", _shown("It does.", _OBJECT) | problems(_OTHER)
        ),
        "/readyz": _get(
            "Whether events can be stored", _shown("They can.", _OBJECT) | problems(_OTHER, _AWAY)
        ),
        "/metrics": _get(
            "Figures for Prometheus",
            _shown("In its text format.", {"type": "string"}, "text/plain")
            | problems(_OTHER, _AWAY),
        ),
        "/openapi.json": _get("This document", _shown("OpenAPI.", _OBJECT) | problems(_OTHER)),
    },
    "components": {
        "schemas": {"Problem": PROBLEM},
        "securitySchemes": {"viewToken": {"type": "http", "scheme": "bearer"}},
    },
}
