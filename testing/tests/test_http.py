"""The stub server: many requests at once, and coming back on its port."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from platform_testing.http import StubServer, json_response
from werkzeug import Request, Response


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        body: bytes = answer.read()
    return body


def test_a_handler_answers_every_request_and_what_was_received_is_kept() -> None:
    with StubServer(lambda request: json_response({"query": request.args["q"]}, 201)) as server:
        assert get(f"{server.url}/a/b?q=1") == b'{"query": "1"}'
        assert server.paths() == ["/a/b"]


def test_requests_are_answered_side_by_side() -> None:
    both = threading.Barrier(2, timeout=5)

    def meet(_: Request) -> Response:
        both.wait()
        return Response("met")

    with StubServer(meet) as server, ThreadPoolExecutor(2) as pool:
        assert list(pool.map(get, [server.url] * 2)) == [b"met"] * 2


def test_a_stopped_server_refuses_and_comes_back_on_its_port() -> None:
    server = StubServer(lambda _: Response("here"))
    with server:
        url = server.url
    with pytest.raises(urllib.error.URLError, match="refused"):
        get(url)
    with server:
        assert (server.url, get(url)) == (url, b"here")
