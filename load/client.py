"""A client for one service's API that checks every response and keeps the trace id of every failure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from locust.contrib.fasthttp import FastHttpSession, FastResponse
from locust.exception import RescheduleTask

from load.answers import Answer, fault_in, trace_id_of


class UnexpectedAnswer(RescheduleTask):
    """The response isn't the one that the journey expects. It is counted already; the user continues with another task.

    The message contains no ids, because Locust groups failures by message. `status` is 0 without a response.
    """

    def __init__(self, fault: str, status: int = 0) -> None:
        super().__init__(fault)
        self.status = status


def read(response: FastResponse) -> Answer:
    """Convert a response to an Answer. Never raises: a body that can't be decoded becomes None."""
    headers = {name.lower(): value for name, value in response.headers.items()} if response.headers else {}
    try:
        body = json.loads(response.content) if response.content else None
    except ValueError:
        body = None
    return Answer(response.status_code, headers.get("content-type", ""), body, trace_id_of(headers, body))


class ServiceClient:
    """Sends requests to one service in its user's session."""

    def __init__(
        self, session: FastHttpSession, service: str, base_url: str, on_answer: Callable[[int], None] | None = None
    ) -> None:
        """Call `on_answer` with the status of each response (0: no response)."""
        self._session = session
        self._service = service
        self._base_url = base_url
        self._on_answer = on_answer

    def get(self, path: str, *, expect: int = 200, **options: Any) -> Answer:
        """Send a GET request; see request()."""
        return self.request("GET", path, expect=expect, **options)

    def post(self, path: str, *, expect: int, **options: Any) -> Answer:
        """Send a POST request; see request()."""
        return self.request("POST", path, expect=expect, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        expect: int,
        code: str | None = None,
        route: str | None = None,
        payload: Any = None,
        headers: Mapping[str, str] | None = None,
        check: Callable[[Any], str | None] | None = None,
    ) -> Answer:
        """Send one request and check the response.

        `expect` is the expected status and `code` the expected problem code. `route` replaces the path in the
        statistics: set it for every path that contains an id. `payload` is sent as JSON, bytes unchanged. `check` takes
        the decoded body and returns a description of the fault, without ids, or None. Raises UnexpectedAnswer.
        """
        sent = dict(headers or {})
        sent.setdefault("Content-Type", "application/json")
        body = payload if payload is None or isinstance(payload, bytes) else json.dumps(payload).encode()
        with self._session.request(
            method,
            self._base_url + path,
            name=f"{self._service} {route or path}",
            data=body,  # type: ignore[arg-type]  # bytes are sent as they are
            headers=sent,
            allow_redirects=False,
            catch_response=True,
        ) as response:
            error = response.request_meta["exception"] if response.status_code == 0 else None
            answer = read(response)
            fault = f"no answer: {type(error).__name__}" if error else fault_in(answer, expect, code)
            if fault is None and check is not None:
                fault = check(answer.body)
            # Before the check: the user's wait time depends on it even when the task ends here.
            if self._on_answer:
                self._on_answer(answer.status)
            if fault is None:
                response.success()
                return answer
            failure = UnexpectedAnswer(fault, answer.status)
            response.failure(failure)
        raise failure
