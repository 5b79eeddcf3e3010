"""Reading Sentry events from Spotlight's stream."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from backends.errors import BackendDown
from backends.spotlight import Spotlight, parse
from platform_testing.http import StubServer
from werkzeug import Request, Response


@dataclass
class Stream:
    """A Spotlight that sends these envelopes, and then keeps the connection open without further data."""

    url: str = ""
    envelopes: list[Any] = field(default_factory=list)
    status: int = 200
    tail: bytes = b""
    released: threading.Event = field(default_factory=threading.Event)

    def respond(self, _: Request) -> Response:
        return Response(self.events(), self.status, content_type="text/event-stream")

    def events(self) -> Iterator[bytes]:
        for envelope in self.envelopes:
            yield f"event: application/x-sentry-envelope\ndata: {json.dumps(envelope)}\nid: 1\n\n".encode()
        yield self.tail
        self.released.wait(timeout=10)


@pytest.fixture
def stream() -> Iterator[Stream]:
    found = Stream()
    with StubServer(found.respond) as server:
        found.url = server.url
        yield found
        found.released.set()


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


def test_stored_events_are_read_without_waiting_for_new_ones(stream: Stream) -> None:
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


def test_only_events_of_the_window_are_returned(stream: Stream) -> None:
    stream.envelopes = [envelope(timestamp=float(moment)) for moment in (10, 20, 30)]
    assert [event.time for event in Spotlight(stream.url, timeout=5).events(15, 25)] == [20.0]


def test_a_truncated_message_is_ignored(stream: Stream) -> None:
    stream.envelopes = [envelope()]
    stream.tail = b"event: application/x-sentry-envelope\ndata: [{}, [[{"
    assert len(Spotlight(stream.url, timeout=5).events()) == 1


def test_an_empty_stream_has_no_events(stream: Stream) -> None:
    assert Spotlight(stream.url, timeout=5).events() == []


def test_an_error_response_of_spotlight_means_it_is_down(stream: Stream) -> None:
    stream.status = 500
    with pytest.raises(BackendDown, match="HTTP 500"):
        Spotlight(stream.url, timeout=5).events()


def test_a_refused_connection_means_spotlight_is_down() -> None:
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
def test_other_envelopes_are_ignored(odd: Any) -> None:
    assert list(parse(odd)) == []


def test_an_event_without_exception_has_its_message() -> None:
    (event,) = parse(
        envelope(exception=None, logentry={"message": "boom %s", "formatted": "boom 1"}, logger="ordering")
    )
    assert (event.title, event.culprit) == ("boom 1", "ordering")


@pytest.mark.parametrize(
    "odd", [{"exception": {"values": "x"}}, {"contexts": 7}, {"tags": []}, {"exception": {"values": []}}]
)
def test_malformed_parts_of_an_event_affect_only_themselves(odd: dict[str, Any]) -> None:
    (event,) = parse(envelope(**odd))
    assert event.process == "orders-relay"
