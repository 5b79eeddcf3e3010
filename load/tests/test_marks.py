"""Marks are stored once, at their time, and a store that is unavailable is reported soon."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from load import marks


class Store:
    """An Elasticsearch that answers what it is told to, and keeps what it was sent."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.received: list[tuple[str, dict[str, Any]]] = []


@contextmanager
def store(status: int = 201) -> Iterator[tuple[Store, str]]:
    """A store on a free port, and its address."""
    kept = Store(status)

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.received.append((self.path, json.loads(body)))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def test_a_mark_is_a_document_under_its_own_id() -> None:
    with store() as (kept, url):
        mark_id = marks.put("payments-hangs: injected", kind="drill", action="injected", elasticsearch_url=url)
    path, document = kept.received[0]
    assert path.startswith(f"/{marks.INDEX}/_create/{mark_id}")
    assert document["event"] == {
        "id": mark_id,
        "kind": "event",
        "dataset": marks.DATASET,
        "category": "drill",
        "action": "injected",
    }
    assert document["message"] == "payments-hangs: injected"
    assert document["tags"] == ["drill", "injected"]


def test_a_mark_can_be_put_at_the_time_it_happened() -> None:
    with store() as (kept, url):
        marks.put("x", at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), elasticsearch_url=url)
        marks.put("y", at=datetime(2026, 1, 2, 3, 4, 5), elasticsearch_url=url)
    assert [document["@timestamp"] for _, document in kept.received] == ["2026-01-02T03:04:05.000Z"] * 2


@pytest.mark.parametrize("wrong", [{"kind": "drills"}, {"action": "broken"}])
def test_an_unknown_kind_or_action_is_refused_with_what_is_allowed(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="allowed: "):
        marks.put("x", **wrong)  # type: ignore[arg-type]


def test_a_store_that_refuses_is_told_with_its_answer() -> None:
    with store(status=503) as (_, url), pytest.raises(marks.MarkError, match="answered 503"):
        marks.put("x", elasticsearch_url=url)


def test_a_store_that_is_away_is_told() -> None:
    with store() as (_, url):
        pass
    with pytest.raises(marks.MarkError, match="does not answer"):
        marks.put("x", elasticsearch_url=url)


def test_the_command_prints_the_marks_id(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with store() as (kept, url):
        monkeypatch.setenv("ELASTICSEARCH_URL", url)
        assert marks.main(["deployed 1.4", "--kind", "deploy", "--action", "finished"]) == 0
    assert capsys.readouterr().out.strip() == kept.received[0][1]["event"]["id"]


def test_the_command_fails_when_the_mark_is_not_stored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with store(status=500) as (_, url):
        monkeypatch.setenv("ELASTICSEARCH_URL", url)
        assert marks.main(["x"]) == 1
    assert "answered 500" in capsys.readouterr().err
