"""The HTTP client: requests with a span, the edge metric, deadlines, context propagation, retries and a size limit."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import requests
from opentelemetry.instrumentation.utils import suppress_http_instrumentation
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import RequestException, Timeout
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.exceptions import TimeoutError as Urllib3Timeout

from .deadlines import HEADER as DEADLINE_HEADER
from .deadlines import Deadline, current_deadline
from .edges import (
    ERROR,
    Call,
    DependencyError,
    DependencyRefused,
    DependencyRejected,
    DependencyTimeout,
    count_retry,
)
from .retries import NO_RETRIES, RetryBudget, RetryPolicy

__all__ = [
    "NO_RETRIES",
    "DependencyError",
    "DependencyRefused",
    "DependencyRejected",
    "DependencyTimeout",
    "RetryPolicy",
    "Session",
]

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_PARAMETER = re.compile(r"\{(\w+)\}")
_CONNECT_TIMEOUT = 2.0
_MIN_TIMEOUT = 0.001
MAX_RESPONSE_BYTES = 10 * 1024 * 1024


class _Request(NamedTuple):
    """The values that all attempts of a request share."""

    method: str
    template: str
    url: str
    params: Mapping[str, Any] | None
    json: Any
    headers: Mapping[str, str]
    operation: str


class Session:
    """A client for one HTTP dependency. Thread-safe; create one per process and dependency.

    ``timeout`` limits one attempt, in seconds. The current unit of work's deadline may shorten it and is sent in
    X-Request-Deadline-Ms. ``token`` is sent as a bearer token. ``retries`` None selects the default policy: one retry,
    for idempotent methods and requests with an Idempotency-Key.
    """

    def __init__(
        self,
        dependency: str,
        base_url: str,
        token: str | None = None,
        timeout: float = 3.0,
        retries: RetryPolicy | None = None,
        *,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        pool_size: int = 16,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"base_url of {dependency} is no http(s) URL: {base_url!r}")
        self.dependency = dependency
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._retries = retries or RetryPolicy()
        self._budget = RetryBudget()
        self._max_bytes = max_response_bytes
        self._address: dict[str, Any] = {
            "server.address": parts.hostname,
            "server.port": parts.port or (443 if parts.scheme == "https" else 80),
        }
        self._session = requests.Session()
        # Neither .netrc nor proxy variables may redirect or re-authenticate calls between services.
        self._session.trust_env = False
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=pool_size, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._headers = {"Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def request(
        self,
        method: str,
        path_template: str,
        *,
        path_params: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        deadline: Deadline | None = None,
        operation: str | None = None,
    ) -> requests.Response:
        """Send a request and return the response, whatever its status.

        ``path_template`` (``/internal/v1/users/{id}``) is what telemetry records; the escaped ``path_params`` fill it.
        ``operation`` is the edge metric's label, by default method and template. The body is read before this returns.
        Raises DependencyTimeout, DependencyRefused, DependencyRejected when the deadline had passed before anything was
        sent, or DependencyError when the answer is too large or not HTTP.
        """
        method = method.upper()
        operation = operation or f"{method} {path_template}"
        url = self._base_url + _PARAMETER.sub(
            lambda match: quote(str((path_params or {})[match.group(1)]), safe=""), path_template
        )
        deadline = (deadline or Deadline.after(self._timeout * self._retries.attempts + 1)).earliest(current_deadline())
        sent = {**self._headers, **(headers or {})}
        prepared = _Request(method, path_template, url, params, json, sent, operation)
        repeatable = method in _IDEMPOTENT or any(name.lower() == "idempotency-key" for name in sent)
        attempts = self._retries.attempts if repeatable else 1
        self._budget.earn()
        retry = 0
        while True:
            last = retry + 1 >= attempts
            try:
                response = self._attempt(prepared, deadline, retry)
            except (DependencyTimeout, DependencyRefused) as exc:
                if isinstance(exc, DependencyTimeout) and not self._retries.timeouts:
                    raise
                if last or not self._may_retry(deadline, operation, retry):
                    raise
            else:
                if last or response.status_code not in self._retries.statuses:
                    return response
                if not self._may_retry(deadline, operation, retry):
                    return response
            retry += 1

    def _may_retry(self, deadline: Deadline, operation: str, retry: int) -> bool:
        pause = self._retries.pause(retry)
        if pause >= deadline.remaining() or not self._budget.spend():
            return False
        time.sleep(pause)
        count_retry(self.dependency, "http", operation)
        return True

    def _attempt(self, request: _Request, deadline: Deadline, retry: int) -> requests.Response:
        method, template, url, params, json, headers, operation = request
        attributes = {"http.request.method": method, "url.template": template, **self._address}
        if retry:
            attributes["http.request.resend_count"] = retry
        with Call(self.dependency, "http", operation, name=f"{method} {template}", attributes=attributes) as call:
            remaining = deadline.remaining()
            if remaining <= 0:
                raise DependencyRejected(self.dependency, operation, "the deadline has passed")
            attempt = Deadline.after(min(remaining, self._timeout))
            # requests refuses a timeout of 0, which is what is left if this thread was suspended meanwhile.
            seconds = max(attempt.remaining(), _MIN_TIMEOUT)
            try:
                with suppress_http_instrumentation():
                    response = self._session.request(
                        method,
                        url,
                        params=params,
                        json=json,
                        headers={
                            **headers,
                            **call.propagation(),
                            DEADLINE_HEADER: attempt.header_value(),
                        },
                        timeout=(min(_CONNECT_TIMEOUT, seconds), seconds),
                        allow_redirects=False,
                        stream=True,
                    )
                    self._read(response, attempt, operation)
            except (Timeout, Urllib3Timeout, TimeoutError) as exc:
                raise DependencyTimeout(self.dependency, operation, type(exc).__name__) from exc
            except RequestsConnectionError as exc:
                # requests raises a read timeout in the body as a connection error.
                if exc.args and isinstance(exc.args[0], ReadTimeoutError):
                    raise DependencyTimeout(self.dependency, operation, "ReadTimeout") from exc
                raise DependencyRefused(self.dependency, operation, _reason(exc)) from exc
            except (HTTPError, OSError) as exc:
                if isinstance(exc, RequestException):
                    raise DependencyError(self.dependency, operation, type(exc).__name__) from exc
                raise DependencyRefused(self.dependency, operation, _reason(exc)) from exc
            status = response.status_code
            call.set("http.response.status_code", status)
            call.callee_kept(response.headers.get("traceresponse"))
            if status >= 500 or status == 429:
                call.fail(ERROR, str(status))
            elif status >= 400:
                call.mark_error(str(status))
            return response

    def _read(self, response: requests.Response, deadline: Deadline, operation: str) -> None:
        """Read the body within the deadline: a read timeout alone doesn't stop a sender that is slow forever."""
        chunks: list[bytes] = []
        size = 0
        raw = response.raw
        try:
            while True:
                left = deadline.remaining()
                if left <= 0:
                    raise DependencyTimeout(self.dependency, operation, "the body took too long")
                _limit_socket(raw, left)
                chunk = raw.read1(65536, decode_content=True)
                if not chunk:
                    break
                size += len(chunk)
                if size > self._max_bytes:
                    raise DependencyError(self.dependency, operation, f"answer above {self._max_bytes} bytes")
                chunks.append(chunk)
        except BaseException:
            response.close()
            raise
        response._content = b"".join(chunks)
        response.__dict__["_content_consumed"] = True
        raw.release_conn()

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()


def _limit_socket(raw: Any, seconds: float) -> None:
    """Limit the socket's timeout to ``seconds``."""
    connection = getattr(raw, "_connection", None)
    sock = getattr(connection, "sock", None)
    if isinstance(sock, socket.socket):
        sock.settimeout(max(seconds, _MIN_TIMEOUT))


def _reason(exc: BaseException) -> str:
    """The type name of the innermost cause, which is more specific than urllib3's wrapper."""
    current: BaseException = exc
    for _ in range(6):
        inner = current.__cause__ or current.__context__
        if inner is None:
            break
        current = inner
    return type(current).__name__
