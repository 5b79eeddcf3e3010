"""Errors as problem+json (RFC 9457), always with `trace_id` and `request_id`."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django_telemetry import context
from rest_framework import exceptions, status
from rest_framework.response import Response

from contracts import media_types

logger = logging.getLogger(__name__)

CONTENT_TYPE = media_types.PROBLEM


class Problem(exceptions.APIException):
    """An error response. `code` is stable and for programs, `detail` is for people.

    `retry_after` (seconds) becomes the Retry-After header; `extra` becomes additional members.
    """

    def __init__(
        self,
        status_code: int,
        code: str,
        detail: str,
        *,
        retry_after: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail, code)
        self.status_code = status_code
        self.problem_code = code
        self.wait = retry_after
        self.extra = extra or {}


class PayloadTooLarge(exceptions.APIException):
    """413: the body is over the service's limit."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request body is too large."
    default_code = "payload_too_large"


class DependencyUnavailable(Problem):
    """503 with Retry-After: a dependency of this service is unavailable. Names it."""

    def __init__(self, dependency: str, *, retry_after: int = 2, code: str = "dependency_unavailable") -> None:
        super().__init__(
            status.HTTP_503_SERVICE_UNAVAILABLE,
            code,
            f"{dependency} is not available at the moment. Try again later.",
            retry_after=retry_after,
            extra={"dependency": dependency},
        )


class DependencyInvalid(Problem):
    """502: a dependency of this service answered in violation of the contract. Names it."""

    def __init__(self, dependency: str) -> None:
        super().__init__(
            status.HTTP_502_BAD_GATEWAY,
            "dependency_invalid",
            f"An answer of {dependency} can't be used.",
            extra={"dependency": dependency},
        )


def problem_body(status_code: int, code: str, detail: str, **extra: Any) -> dict[str, Any]:
    """Return the members of a problem: the standard ones, `code`, and the ids of its trace and logs."""
    ids = context.trace_ids()
    return {
        "type": "about:blank",
        "title": HTTPStatus(status_code).phrase,
        "status": status_code,
        "code": code,
        "detail": detail,
        **extra,
        "trace_id": ids[0] if ids else None,
        "request_id": context.request_id(),
    }


def problem_response(status_code: int, code: str, detail: str, **extra: Any) -> HttpResponse:
    """Build a problem response outside of REST framework."""
    body = json.dumps(problem_body(status_code, code, detail, **extra)).encode()
    # CommonMiddleware, which sets the length, may be below the caller.
    headers = {"Content-Length": str(len(body))}
    return HttpResponse(body, status=status_code, content_type=CONTENT_TYPE, headers=headers)


def exception_handler(exc: Exception, handler_context: dict[str, Any]) -> Response | None:
    """REST framework's EXCEPTION_HANDLER: expected errors become problems; all others stay exceptions (500)."""
    # Imported here because rest_framework.views imports this module through the default authentication class.
    from rest_framework.views import set_rollback

    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    elif isinstance(exc, OperationalError | InterfaceError):
        # Database down, no free connection, or a lock or statement timeout: none is the client's fault.
        logger.error("The database can't serve this request", exc_info=exc)
        exc = DependencyUnavailable("postgresql")
    if not isinstance(exc, exceptions.APIException):
        return None
    set_rollback()
    headers: dict[str, str] = {}
    if auth_header := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(wait))
    extra: dict[str, Any] = {}
    if isinstance(exc, Problem):
        code, detail, extra = exc.problem_code, str(exc.detail), exc.extra
    elif isinstance(exc, exceptions.ValidationError):
        code, detail = "invalid", "The request is not valid. See `errors`."
        extra["errors"] = _flatten(exc.detail)
    elif isinstance(exc.detail, dict):  # simplejwt raises {"detail", "code", ...}
        code, detail = str(exc.detail.get("code", exc.default_code)), str(exc.detail.get("detail", exc.default_detail))
    else:
        code, detail = str(exc.get_codes()), str(exc.detail)
    body = problem_body(exc.status_code, code, detail, **extra)
    return Response(body, status=exc.status_code, headers=headers, content_type=CONTENT_TYPE)


def _flatten(detail: Any, path: str = "") -> list[dict[str, str]]:
    """Flatten REST framework's nested errors to a list of {field, code, message}; field: items.0.quantity."""
    if isinstance(detail, dict):
        parts = [(f"{path}.{key}" if path else str(key), value) for key, value in detail.items()]
    elif isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        parts = [(f"{path}.{index}" if path else str(index), item) for index, item in enumerate(detail)]
    else:
        items = detail if isinstance(detail, list) else [detail]
        field = path.removesuffix(".non_field_errors")
        return [{"field": field, "code": getattr(item, "code", "invalid"), "message": str(item)} for item in items]
    return [error for sub_path, value in parts for error in _flatten(value, sub_path)]
