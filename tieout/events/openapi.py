"""What the intake answers, as OpenAPI 3.1: kept by hand, held against the server by the tests."""

from __future__ import annotations

from typing import Any

_PROBLEM = {
    "type": "object",
    "required": ["title", "status", "detail", "reason"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string"},
    },
}
_TOLD = {
    400: "It cannot be cut into events",
    401: "No key of the feed signed it, or it is not of now",
    403: "Not for this caller: send the token",
    404: "No such feed, view or reference",
    405: "Another method",
    408: "The body took too long",
    413: "Larger than 1 MiB",
    415: "Another media type than the feed's",
    503: "It cannot be stored just now; send it again after Retry-After",
}


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tieout intake",
            "version": "1",
            "description": "Takes senders' events in. 2xx means: durable.",
        },
        "paths": {
            "/v1/events/{feed}": {"post": _events()},
            "/v1/live/summary": {"get": _view("The live state, summed up", 403, 503)},
            "/v1/trace/{ref}": {
                "get": _view("Everything known of a reference", 403, 404, 503)
                | {"parameters": [_parameter("ref", "Of an invoice, a payment or a payout")]}
            },
            "/healthz": {"get": _view("The process is alive")},
            "/readyz": {"get": _view("The register answers", 503)},
            "/metrics": {"get": _text_view("For Prometheus")},
            "/openapi.json": {"get": _view("This document")},
        },
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {"view": {"type": "http", "scheme": "bearer"}},
        },
    }


def _events() -> dict[str, Any]:
    acknowledged = {
        "type": "object",
        "required": ["received"],
        "properties": {
            "received": {"type": "integer", "minimum": 1},
            "duplicates": {"type": "integer"},
            "conflicts": {"type": "integer"},
        },
    }
    anything: dict[str, Any] = {"schema": {}}
    return {
        "summary": "Take events in",
        "description": "How a request is signed and framed is the feed's: docs/formats.md.",
        "parameters": [_parameter("feed", "A feed with an inbox")],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": anything,
                "application/cloudevents+json": anything,
                "application/cloudevents-batch+json": anything,
            },
        },
        "responses": {
            "200": {
                "description": "Every event of it is durable",
                "content": {
                    "application/json": {"schema": acknowledged},
                    "text/plain": {"schema": {"const": "[accepted]"}},
                },
            },
            **_problems(400, 401, 404, 408, 413, 415, 503),
        },
    }


def _view(summary: str, *problems: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "summary": summary,
        "responses": {"200": {"description": summary, "content": content}, **_problems(*problems)},
    }


def _text_view(summary: str) -> dict[str, Any]:
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "summary": summary,
        "responses": {"200": {"description": summary, "content": content}, **_problems(403, 503)},
    }


def _problems(*statuses: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        str(status): {
            "description": _TOLD[status],
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status in statuses
    }


def _parameter(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
    }
