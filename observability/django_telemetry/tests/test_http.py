"""The HTTP client with a real server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from django_telemetry.context import unit_of_work
from django_telemetry.deadlines import Deadline, use_deadline
from django_telemetry.edges import DependencyError, DependencyRefused, DependencyRejected, DependencyTimeout
from django_telemetry.http import NO_RETRIES, RetryPolicy, Session
from opentelemetry.trace import SpanKind, StatusCode

from .harness import Answer, HttpBackend, MemoryProcessor, cut_off, free_port, grown, in_threads, respond, sample

FAST = RetryPolicy(attempts=2, backoff=0.001)


@pytest.fixture
def session(backend: HttpBackend) -> Iterator[Session]:
    made = Session("users", backend.url, token="secret-token", timeout=1.0, retries=FAST)
    yield made
    made.close()


def test_a_call_creates_a_client_span_and_one_edge_sample(
    session: Session, backend: HttpBackend, spans: MemoryProcessor
) -> None:
    backend.answer = respond(200, {"id": 7})
    labels = {"dependency": "users", "protocol": "http", "operation": "GET /internal/v1/users/{id}", "outcome": "ok"}
    with grown("dependency_call_duration_seconds_count", **labels):
        response = session.request("GET", "/internal/v1/users/{id}", path_params={"id": "a/b c"})
    assert response.json() == {"id": 7}
    assert backend.requests[0][1] == "/internal/v1/users/a%2Fb%20c"
    span = spans.only()
    assert span.name == "GET /internal/v1/users/{id}"
    assert span.kind is SpanKind.CLIENT
    attributes = dict(span.attributes or {})
    assert attributes == {
        "http.request.method": "GET",
        "url.template": "/internal/v1/users/{id}",
        "server.address": "127.0.0.1",
        "server.port": backend.port,
        "http.response.status_code": 200,
        "peer.service": "users",
    }


def test_context_token_request_id_and_deadline_are_propagated(
    session: Session, backend: HttpBackend, spans: MemoryProcessor
) -> None:
    with unit_of_work("job") as work, use_deadline(Deadline.after(0.5)):
        session.request("GET", "/x")
    _, _, headers, _ = backend.requests[0]
    call, job = spans.named("GET /x"), spans.named("job")
    assert call.context is not None
    assert job.context is not None
    assert call.parent is not None
    assert call.parent.span_id == job.context.span_id
    assert headers["traceparent"].startswith(f"00-{job.context.trace_id:032x}-{call.context.span_id:016x}-")
    assert headers["x-request-id"] == work.request_id
    assert headers["authorization"] == "Bearer secret-token"
    assert 0 < int(headers["x-request-deadline-ms"]) <= 500


@pytest.mark.parametrize(("status", "outcome"), [(404, "ok"), (402, "ok"), (500, "error"), (429, "error")])
def test_every_status_is_returned_and_only_5xx_and_429_are_edge_errors(
    session: Session, backend: HttpBackend, spans: MemoryProcessor, status: int, outcome: str
) -> None:
    backend.answer = respond(status)
    labels = {"dependency": "users", "protocol": "http", "operation": "answer", "outcome": outcome}
    with grown("dependency_call_duration_seconds_count", **labels):
        assert session.request("POST", "/y", operation="answer").status_code == status
    assert spans.only().status.status_code is StatusCode.ERROR


def test_a_slow_answer_is_a_timeout_within_the_deadline(session: Session, backend: HttpBackend) -> None:
    backend.answer = respond(200, delay=3)
    start = time.monotonic()
    with pytest.raises(DependencyTimeout) as caught:
        session.request("POST", "/slow", deadline=Deadline.after(0.3))
    assert time.monotonic() - start < 2.5, "the answer takes 3 s"
    assert (caught.value.dependency, caught.value.outcome) == ("users", "timeout")


def test_a_slowly_sent_body_is_a_timeout(session: Session, backend: HttpBackend) -> None:
    def trickle(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    backend.answer = trickle
    start = time.monotonic()
    with pytest.raises(DependencyTimeout):
        session.request("POST", "/trickle", deadline=Deadline.after(0.4))
    assert time.monotonic() - start < 3.0, "the whole body takes 5 s"


def test_a_port_without_a_listener_is_refused(spans: MemoryProcessor) -> None:
    session = Session("users", f"http://127.0.0.1:{free_port()}", retries=NO_RETRIES)
    with pytest.raises(DependencyRefused):
        session.request("GET", "/")
    assert spans.only().status.status_code is StatusCode.ERROR


def test_a_connection_that_breaks_is_refused(spans: MemoryProcessor) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        connection, _ = listener.accept()
        connection.recv(100)
        connection.close()

    threading.Thread(target=hang_up, daemon=True).start()
    session = Session("users", f"http://127.0.0.1:{listener.getsockname()[1]}", retries=NO_RETRIES)
    with pytest.raises(DependencyRefused):
        session.request("POST", "/")
    listener.close()


def test_a_truncated_body_is_refused_and_not_partly_returned(session: Session, backend: HttpBackend) -> None:
    backend.answer = cut_off(b"half")
    with pytest.raises(DependencyRefused):
        session.request("POST", "/cut")


def test_an_answer_above_the_size_limit_is_an_error(backend: HttpBackend) -> None:
    backend.answer = respond(200, b"x" * 2000)
    session = Session("users", backend.url, max_response_bytes=1000)
    with pytest.raises(DependencyError, match="above 1000 bytes"):
        session.request("GET", "/big")


def test_nothing_is_sent_after_the_deadline(session: Session, backend: HttpBackend) -> None:
    labels = {"dependency": "users", "protocol": "http", "operation": "late", "outcome": "rejected"}
    with grown("dependency_call_duration_seconds_count", **labels), pytest.raises(DependencyRejected):
        session.request("GET", "/late", deadline=Deadline.after(0), operation="late")
    assert backend.requests == []


def _failing_once() -> Answer:
    answers = iter([respond(503), respond(200, b"now")])

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        next(answers)(handler, body)

    return answer


def test_an_idempotent_request_is_retried_with_a_span_for_each_attempt(
    session: Session, backend: HttpBackend, spans: MemoryProcessor
) -> None:
    backend.answer = _failing_once()
    with grown("dependency_retries_total", dependency="users", protocol="http", operation="again"):
        assert session.request("GET", "/again", operation="again").content == b"now"
    assert [dict(span.attributes or {}).get("http.request.resend_count") for span in spans.spans] == [None, 1]


def test_a_post_is_retried_only_with_an_idempotency_key(session: Session, backend: HttpBackend) -> None:
    backend.answer = _failing_once()
    assert session.request("POST", "/pay").status_code == 503
    backend.answer = _failing_once()
    assert session.request("POST", "/pay", headers={"Idempotency-Key": "k"}).status_code == 200


def test_a_timeout_is_not_retried_when_the_policy_excludes_it(backend: HttpBackend) -> None:
    backend.answer = respond(200, delay=1)
    session = Session("users", backend.url, timeout=0.1, retries=RetryPolicy(attempts=3, backoff=0, timeouts=False))
    with pytest.raises(DependencyTimeout):
        session.request("GET", "/")
    assert len(backend.requests) == 1


def test_the_time_left_at_the_start_of_a_call_is_measured(session: Session) -> None:
    with (
        grown("dependency_deadline_remaining_seconds_count", dependency="users", protocol="http"),
        use_deadline(Deadline.after(1)),
    ):
        session.request("GET", "/")


def test_retries_stop_when_their_budget_is_used_up(session: Session, backend: HttpBackend) -> None:
    backend.answer = respond(503)
    for _ in range(40):
        session.request("GET", "/down", operation="down")
    retries = sample("dependency_retries_total", dependency="users", protocol="http", operation="down")
    # The initial budget of ten, and one more for every ten calls.
    assert 10 <= retries <= 14
    assert len(backend.requests) == 40 + retries


def test_a_deadline_that_passes_while_a_call_begins_is_a_timeout(
    session: Session, backend: HttpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([1.0])
    monkeypatch.setattr(Deadline, "remaining", lambda _self: next(left, 0.0))
    with pytest.raises(DependencyTimeout):
        session.request("GET", "/late", deadline=Deadline.after(1.0))


def test_redirects_are_not_followed(session: Session, backend: HttpBackend) -> None:
    backend.answer = respond(302, headers={"Location": "http://127.0.0.1:1/"})
    assert session.request("GET", "/moved").status_code == 302


def test_many_threads_share_a_session(session: Session, backend: HttpBackend) -> None:
    backend.answer = respond(200, b"fine")
    bodies: list[bytes] = []
    in_threads(20, lambda _: bodies.append(session.request("GET", "/t").content))
    assert bodies == [b"fine"] * 20


def test_an_invalid_base_url_is_named_in_the_error() -> None:
    with pytest.raises(ValueError, match="base_url of users"):
        Session("users", "users:8001")
