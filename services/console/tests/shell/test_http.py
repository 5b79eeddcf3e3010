"""HTTP calls to a backend: the error for each kind of failure."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from backends.errors import BackendDown, BackendRejected
from backends.http import get_json, post_json
from platform_testing.http import StubServer
from werkzeug import Request, Response


def respond(request: Request) -> Response:
    """Answer as the path requests: /<status>?body=… or /slow; a POST gets its body back."""
    if request.method == "POST":
        return Response(request.get_data())
    if request.path == "/slow":
        time.sleep(1.0)
    path = urlsplit(request.environ["RAW_URI"]).path
    status = int(path[1:]) if path[1:].isdigit() else 200
    return Response(request.args.get("body", json.dumps({"path": path})), status)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a backend."""
    with StubServer(respond) as backend:
        yield backend.url


def test_json_is_returned_parsed(server: str) -> None:
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
def test_a_rejection_by_the_backend_is_reported_in_its_own_words(server: str, body: str, said: str) -> None:
    with pytest.raises(BackendRejected) as caught:
        get_json("b", server, "/400", params={"body": body}, timeout=2)
    assert (caught.value.reason, caught.value.status) == (said, 400)


@pytest.mark.parametrize("status", [500, 503, 429, 302])
def test_other_failures_mean_it_is_down(server: str, status: int) -> None:
    with pytest.raises(BackendDown) as caught:
        get_json("b", server, f"/{status}", timeout=2)
    assert not isinstance(caught.value, BackendRejected)
    assert str(status) in caught.value.reason


def test_a_slow_backend_times_out(server: str) -> None:
    began = time.monotonic()
    with pytest.raises(BackendDown, match=r"no answer within 0\.2 s"):
        get_json("b", server, "/slow", timeout=0.2)
    assert time.monotonic() - began < 0.9


def test_a_refused_connection_is_reported_as_down() -> None:
    with pytest.raises(BackendDown, match="no connection"):
        get_json("b", "http://127.0.0.1:9", "/", timeout=1)


def test_a_backend_that_is_not_configured_is_reported_as_such() -> None:
    with pytest.raises(BackendDown, match="this installation has none"):
        get_json("grafana", "", "/", timeout=1)


def test_an_answer_that_is_not_json_is_a_failure(server: str) -> None:
    with pytest.raises(BackendDown, match="not JSON"):
        get_json("b", server, "/200", params={"body": "<html>"}, timeout=2)
