"""Talking to a backend: what each kind of failure becomes."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from backends.errors import BackendDown, BackendRejected
from backends.http import get_json, post_json


class Handler(BaseHTTPRequestHandler):
    """Answers with what the path asks for: /<status>?body=… or /slow."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/slow":
            time.sleep(1.0)
        body = parse_qs(url.query).get("body", [json.dumps({"path": url.path})])[0].encode()
        self.send_response(int(url.path[1:]) if url.path[1:].isdigit() else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # the client has given up
            self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # the client has given up
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Silence."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A backend's address."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_json_comes_back_parsed(server: str) -> None:
    assert get_json("b", server, "/a/{id}", path_params={"id": "x/../y"}, timeout=2) == {"path": "/a/x%2F..%2Fy"}
    assert post_json("b", server, "/", json={"a": [1]}, timeout=2) == {"a": [1]}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"status":"error","errorType":"bad_data","error":"parse error"}', "parse error"),
        ('{"error":{"root_cause":[{"reason":"no such field"}]},"status":400}', "no such field"),
        ('{"errors":[{"code":400,"msg":"bad trace id"}]}', "bad trace id"),
        ('"bad matcher"', "bad matcher"),
        ("plain words", "plain words"),
    ],
)
def test_what_a_backend_refuses_is_told_in_its_own_words(server: str, body: str, said: str) -> None:
    with pytest.raises(BackendRejected) as caught:
        get_json("b", server, "/400", params={"body": body}, timeout=2)
    assert (caught.value.reason, caught.value.status) == (said, 400)


@pytest.mark.parametrize("status", [500, 503, 429, 302])
def test_other_failures_mean_it_is_down(server: str, status: int) -> None:
    with pytest.raises(BackendDown) as caught:
        get_json("b", server, f"/{status}", timeout=2)
    assert not isinstance(caught.value, BackendRejected)
    assert str(status) in caught.value.reason


def test_a_backend_that_is_slow_is_given_up(server: str) -> None:
    began = time.monotonic()
    with pytest.raises(BackendDown, match=r"no answer within 0\.2 s"):
        get_json("b", server, "/slow", timeout=0.2)
    assert time.monotonic() - began < 0.9


def test_a_backend_that_is_away_is_said_to_be() -> None:
    with pytest.raises(BackendDown, match="no connection"):
        get_json("b", "http://127.0.0.1:9", "/", timeout=1)


def test_a_backend_that_an_installation_lacks_is_said_to_be_lacking() -> None:
    with pytest.raises(BackendDown, match="this installation has none"):
        get_json("spotlight", "", "/", timeout=1)


def test_an_answer_that_is_no_json_is_no_answer(server: str) -> None:
    with pytest.raises(BackendDown, match="not JSON"):
        get_json("b", server, "/200", params={"body": "<html>"}, timeout=2)
