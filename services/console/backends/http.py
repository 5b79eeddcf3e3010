"""JSON over HTTP with backends: traced and measured as an edge of the console, with a timeout."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, TypedDict, Unpack

import requests
from django_telemetry.deadlines import Deadline
from django_telemetry.http import NO_RETRIES, DependencyError, DependencyTimeout, Session

from backends.errors import BackendDown, BackendRejected

MAX_RESPONSE_BYTES = 16 * 1024 * 1024
# The limit for one call, regardless of its caller.
MAX_TIMEOUT = 30.0
# A backend's message is shown on the panel: limited to what fits there.
_MAX_REASON = 400


class Options(TypedDict, total=False):
    """The optional parts of a request."""

    params: Mapping[str, Any] | None
    path_params: Mapping[str, Any] | None
    headers: Mapping[str, str] | None


def get_json(
    backend: str,
    base_url: str,
    path: str,
    *,
    timeout: float,
    max_response_bytes: int = MAX_RESPONSE_BYTES,
    **options: Unpack[Options],
) -> Any:
    """GET and return the parsed JSON. `timeout` in seconds.

    `path` may be a template (`/api/traces/{trace_id}`) that `path_params` fill, escaped: telemetry records the
    template. Raises BackendRejected for 4xx with the backend's message, BackendDown for any other failure.
    """
    session = _session(backend, base_url, max_response_bytes)
    return _call(session, "GET", path, timeout, **options)


def post_json(
    backend: str,
    base_url: str,
    path: str,
    *,
    json: Any,
    timeout: float,
    max_response_bytes: int = MAX_RESPONSE_BYTES,
    **options: Unpack[Options],
) -> Any:
    """POST `json` as JSON and return the parsed JSON answer; otherwise as get_json."""
    session = _session(backend, base_url, max_response_bytes)
    return _call(session, "POST", path, timeout, json=json, **options)


def delete(
    backend: str, base_url: str, path: str, *, timeout: float, path_params: Mapping[str, Any] | None = None
) -> None:
    """DELETE; raises as get_json."""
    _call(_session(backend, base_url, MAX_RESPONSE_BYTES), "DELETE", path, timeout, path_params=path_params)


@cache
def _session(backend: str, base_url: str, max_response_bytes: int) -> Session:
    if not base_url:
        raise BackendDown(backend, "this installation has none")
    # No retries: a user is waiting, and a panel can be reloaded.
    return Session(
        backend, base_url, timeout=MAX_TIMEOUT, retries=NO_RETRIES, max_response_bytes=max_response_bytes, pool_size=32
    )


def _call(session: Session, method: str, path: str, timeout: float, **options: Any) -> Any:
    backend = session.dependency
    try:
        response = session.request(method, path, deadline=Deadline.after(timeout), **options)
    except DependencyTimeout as error:
        raise BackendDown(backend, f"no answer within {timeout:g} s") from error
    except DependencyError as error:
        raise BackendDown(backend, f"no connection ({error.outcome})") from error
    status = response.status_code
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS:
        raise BackendRejected(backend, _said(response), status)
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        raise BackendDown(backend, f"HTTP {status}: {_said(response)}")
    if not response.content:
        return None
    try:
        return response.json()
    except requests.exceptions.JSONDecodeError as error:
        raise BackendDown(backend, "the answer is not JSON") from error


def _said(response: requests.Response) -> str:
    """Return the message in an error's body; its place depends on the backend."""
    try:
        body = response.json()
    except requests.exceptions.JSONDecodeError:
        return (response.text.strip() or f"HTTP {response.status_code}")[:_MAX_REASON]
    said: Any = body
    if isinstance(body, dict):
        said = body.get("error") or body.get("errors") or body.get("message") or body
    if isinstance(said, dict):  # Elasticsearch
        causes = said.get("root_cause") or [said]
        said = causes[0].get("reason") or said.get("reason") or said
    if isinstance(said, list) and said:  # Jaeger
        said = said[0].get("msg", said[0]) if isinstance(said[0], dict) else said[0]
    return str(said)[:_MAX_REASON]
