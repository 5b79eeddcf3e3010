"""HTTP servers that stand in for a dependency. Needs the extra `http` (pytest-httpserver)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

Handler = Callable[[Request], Response]


class StubServer(HTTPServer):
    """pytest-httpserver's server on loopback, with a thread for each request, and quick to stop.

    With a `handler` it answers every request; without one, requests are arranged by `expect_request`. It is a context
    manager; `stop` refuses connections and `start` listens on the same port again. What it received is in `log`. It
    closes the connection after each answer.
    """

    def __init__(self, handler: Handler | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port, threaded=True)
        if handler is not None:
            self.expect_request(re.compile("")).respond_with_handler(handler)

    def thread_target(self) -> None:
        """Look for a stop every 10 ms: the default of half a second would be added to every test."""
        assert self.server is not None
        self.server.serve_forever(poll_interval=0.01)

    @property
    def url(self) -> str:
        """The address without a slash at its end."""
        return self.url_for("").rstrip("/")

    def paths(self) -> list[str]:
        """The paths of the requests, in their order."""
        return [request.path for request, _ in list(self.log)]


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response with a JSON body."""
    return Response(json.dumps(document), status, headers, content_type="application/json")
