"""How each of the look-alikes words an answer: amounts as JSON numbers digit for digit, and four shapes of error."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def json_answer(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The value as JSON, with the ids that support asks for."""
    asked = {"request-id": str(uuid.uuid4()), "MS-CV": uuid.uuid4().hex[:16] + ".0", "MS-ServerId": "020019999"}
    return Response(_ENCODER.encode(body), status_code=status, media_type="application/json", headers={**asked, **(headers or {})})


def partner_center_error(status: int, code: str, description: str, headers: dict[str, str] | None = None) -> Response:
    return json_answer({"code": code, "description": description, "data": [], "source": "PartnerFD"}, status=status, headers=headers)


def graph_error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    inner = {"date": "2026-11-12T06:00:00", "request-id": str(uuid.uuid4())}
    return json_answer({"error": {"code": code, "message": message, "innerError": inner}}, status=status, headers=headers)


def storage_error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    named = {"x-ms-error-code": code, "x-ms-request-id": str(uuid.uuid4()), **(headers or {})}
    return Response(text, status_code=status, media_type="application/xml", headers=named)


def token_error(status: int, error: str, number: int, text: str, headers: dict[str, str] | None = None) -> Response:
    described = f"AADSTS{number}: {text} Trace ID: {uuid.uuid4()} Correlation ID: {uuid.uuid4()}"
    return json_answer({"error": error, "error_description": described, "error_codes": [number]}, status=status, headers=headers)


def any_error(place: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """A throttled or broken answer in the words of whoever is asked at this place."""
    if place == "blob":
        return storage_error(status, "ServerBusy" if status == 429 else "InternalError", "The server could not answer.", headers)
    if place == "token":
        return token_error(status, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again.", headers)
    if place in ("export", "operation", "manifest"):
        return graph_error(
            status, "TooManyRequests" if status == 429 else "InternalServerError", "The request could not be served.", headers
        )
    if status == 429:
        wait = (headers or {}).get("Retry-After", "1")
        return json_answer(
            {"statusCode": 429, "message": f"Rate limit is exceeded. Try again in {wait} seconds."}, status=429, headers=headers
        )
    return partner_center_error(status, "800003", "Unexpected service error.", headers)


def base_url(request: Request) -> str:
    """Our own address as the caller wrote it, without a slash at the end."""
    return str(request.base_url).rstrip("/")
