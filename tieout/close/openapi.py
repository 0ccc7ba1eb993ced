"""The OpenAPI 3.1 document of closing over HTTP, as data."""

from __future__ import annotations

from typing import Any

from tieout.events.openapi import PROBLEM, place, problems

_OBJECT: dict[str, Any] = {"type": "object"}
_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_GATE = (
    (401, "The proxy names nobody, or somebody twice."),
    (403, "Not from the proxy, a stranger, or somebody without the role."),
    (404, "No such entity, month or address."),
    (405, "Another method."),
    (503, "Register or store cannot be read."),
)
_REFUSED = (409, "The month's state, figures or obstacles do not allow it; `detail` says why.")
_PLACE = [place("entity", "An entity of the configuration."), place("month", "Like 2026-10.")]


def _shown(told: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": told, "content": {"application/json": {"schema": schema}}}}


def _get(summary: str, told: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    answers = _shown(told, schema) | problems(*_GATE, _REFUSED)
    return {"get": {"summary": summary, "responses": answers}, **more}


def _post(summary: str) -> dict[str, Any]:
    fields = {
        "package_sha256": {**_SHA256, "description": "The package that was looked at."},
        "reason": {"type": "string", "maxLength": 2000},
        "accept_deliveries": {
            "type": "boolean",
            "description": "Prepare though deliveries have breaks of their own; needs a reason.",
        },
    }
    body = {
        "type": "object",
        "required": ["package_sha256"],
        "additionalProperties": False,
        "properties": fields,
    }
    answers = _shown("The act as it was recorded.", _ACT) | problems(
        (400, "Not what is asked for, or no JSON."),
        *_GATE,
        _REFUSED,
        (413, "Over 1 MB."),
        (415, "Another media type."),
    )
    wanted = {"required": True, "content": {"application/json": {"schema": body}}}
    post = {"summary": summary, "requestBody": wanted, "responses": answers}
    return {"post": post, "parameters": _PLACE}


_ACT = {
    "type": "object",
    "required": ["entity", "month", "act", "who", "principal", "package_sha256", "done_at"],
}
_MONTH = {
    "type": "object",
    "required": ["entity", "month", "state", "package_sha256", "acts"],
    "properties": {"state": {"enum": ["open", "prepared", "approved"]}},
}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Tieout close", "version": "1", "license": {"name": "Apache-2.0"}},
    "security": [{"proxy": []}],
    "paths": {
        "/v1/close": _get(
            "Every month of every entity", "As it stands.", {"type": "array", "items": _OBJECT}
        ),
        "/v1/close/{entity}/{month}": _get(
            "How a month stands, what was done, and what stands in its way",
            "The month.",
            _MONTH,
            parameters=_PLACE,
        ),
        "/v1/close/{entity}/{month}/package": _get(
            "What is signed: its bytes have the sha256 that acts name",
            "Statements, breaks and deliveries.",
            _OBJECT,
            parameters=_PLACE,
        ),
        "/v1/close/{entity}/{month}/prepare": _post("Prepare a month"),
        "/v1/close/{entity}/{month}/approve": _post("Approve and lock what another prepared"),
        "/v1/close/{entity}/{month}/reopen": _post("Ask to reopen a month, or agree to it"),
    },
    "components": {
        "schemas": {"Problem": PROBLEM},
        "securitySchemes": {"proxy": {"type": "apiKey", "in": "header", "name": "X-Tieout-Proxy"}},
    },
}
