"""Reading Sentry's events from Spotlight's stream."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from backends.errors import BackendDown
from backends.spotlight import Spotlight, parse


class Stream:
    """A Spotlight that has these envelopes, and then keeps the connection open without a word."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        self.status = 200
        self.tail = b""
        self.released = threading.Event()
        stream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(stream.status)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for envelope in stream.envelopes:
                    self.wfile.write(
                        f"event: application/x-sentry-envelope\ndata: {json.dumps(envelope)}\nid: 1\n\n".encode()
                    )
                self.wfile.write(stream.tail)
                self.wfile.flush()
                stream.released.wait(timeout=10)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def stream() -> Iterator[Stream]:
    found = Stream()
    yield found
    found.released.set()
    found.server.shutdown()
    found.server.server_close()


def envelope(**payload: Any) -> Any:
    event = {
        "event_id": "f6265b282e454d4b96d7323e2a5b8f33",
        "timestamp": "2026-11-22T12:00:00.5Z",
        "level": "error",
        "server_name": "orders-relay",
        "release": "1.4",
        "contexts": {"trace": {"trace_id": "15d9cad014884c0f82c56eee1a7550d2"}},
        "tags": {"request_id": "r-1"},
        "exception": {
            "values": [
                {"type": "KeyError", "value": "'a'"},
                {
                    "type": "OrderError",
                    "value": "no order",
                    "stacktrace": {
                        "frames": [
                            {"module": "ordering.relay", "function": "run", "in_app": True},
                            {"module": "psycopg", "function": "execute", "in_app": False},
                        ]
                    },
                },
            ]
        },
        **payload,
    }
    return [{"event_id": event["event_id"]}, [[{"type": "event"}, event], [{"type": "session"}, {}]]]


def test_what_spotlight_has_is_read_without_waiting_for_more(stream: Stream) -> None:
    stream.envelopes = [envelope(), envelope(timestamp="2026-11-22T11:00:00Z", event_id="2")]
    begin = time.monotonic()
    first, second = Spotlight(stream.url, timeout=5).events()
    assert time.monotonic() - begin < 4
    assert first.event_id == "2", "the oldest first"
    assert second.title == "OrderError: no order"
    assert second.culprit == "ordering.relay in run"
    assert (second.process, second.trace_id, second.request_id) == (
        "orders-relay",
        "15d9cad014884c0f82c56eee1a7550d2",
        "r-1",
    )


def test_only_those_of_the_window(stream: Stream) -> None:
    stream.envelopes = [envelope(timestamp=float(moment)) for moment in (10, 20, 30)]
    assert [event.time for event in Spotlight(stream.url, timeout=5).events(15, 25)] == [20.0]


def test_a_message_that_is_cut_off_is_left_out(stream: Stream) -> None:
    stream.envelopes = [envelope()]
    stream.tail = b"event: application/x-sentry-envelope\ndata: [{}, [[{"
    assert len(Spotlight(stream.url, timeout=5).events()) == 1


def test_nothing_is_nothing(stream: Stream) -> None:
    assert Spotlight(stream.url, timeout=5).events() == []


def test_a_spotlight_that_fails_is_down(stream: Stream) -> None:
    stream.status = 500
    with pytest.raises(BackendDown, match="HTTP 500"):
        Spotlight(stream.url, timeout=5).events()


def test_no_spotlight_is_down() -> None:
    with pytest.raises(BackendDown, match="no connection"):
        Spotlight("http://127.0.0.1:9", timeout=5).events()


@pytest.mark.parametrize(
    "odd",
    [
        None,
        {},
        [],
        [{}],
        [{}, {}],
        [{}, [None]],
        [{}, [[{"type": "event"}]]],
        [{}, [[{"type": "event"}, "text"]]],
        [{}, [[{"type": "event"}, {"timestamp": "never"}]]],
        [{}, [[{"type": "transaction"}, {"timestamp": 1}]]],
    ],
)
def test_envelopes_that_are_something_else_are_left_out(odd: Any) -> None:
    assert list(parse(odd)) == []


def test_an_event_without_exception_has_its_message() -> None:
    (event,) = parse(
        envelope(exception=None, logentry={"message": "boom %s", "formatted": "boom 1"}, logger="ordering")
    )
    assert (event.title, event.culprit) == ("boom 1", "ordering")


@pytest.mark.parametrize(
    "odd", [{"exception": {"values": "x"}}, {"contexts": 7}, {"tags": []}, {"exception": {"values": []}}]
)
def test_odd_parts_of_an_event_cost_only_themselves(odd: dict[str, Any]) -> None:
    (event,) = parse(envelope(**odd))
    assert event.process == "orders-relay"
