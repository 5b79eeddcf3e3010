"""Marks are stored once, at their time, and a store that is unavailable is reported soon."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from platform_testing.http import StubServer
from werkzeug import Response

from load import marks


def store(status: int = 201) -> StubServer:
    """An Elasticsearch that returns this status for each mark."""
    return StubServer(lambda _: Response(status=status))


def received(elasticsearch: StubServer) -> list[dict[str, Any]]:
    return [request.get_json() for request, _ in elasticsearch.log]


def test_a_mark_is_a_document_under_its_own_id() -> None:
    with store() as elasticsearch:
        mark_id = marks.put(
            "payments-hangs: injected", kind="drill", action="injected", elasticsearch_url=elasticsearch.url
        )
    assert elasticsearch.paths() == [f"/{marks.INDEX}/_create/{mark_id}"]
    (document,) = received(elasticsearch)
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
    with store() as elasticsearch:
        marks.put("x", at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), elasticsearch_url=elasticsearch.url)
        marks.put("y", at=datetime(2026, 1, 2, 3, 4, 5), elasticsearch_url=elasticsearch.url)
    assert [document["@timestamp"] for document in received(elasticsearch)] == ["2026-01-02T03:04:05.000Z"] * 2


@pytest.mark.parametrize("wrong", [{"kind": "drills"}, {"action": "broken"}])
def test_an_unknown_kind_or_action_is_refused_with_what_is_allowed(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="allowed: "):
        marks.put("x", **wrong)  # type: ignore[arg-type]


def test_a_refusal_is_reported_with_the_stores_answer() -> None:
    with store(status=503) as elasticsearch, pytest.raises(marks.MarkError, match="answered 503"):
        marks.put("x", elasticsearch_url=elasticsearch.url)


def test_an_unavailable_store_is_reported() -> None:
    with store() as elasticsearch:
        pass
    with pytest.raises(marks.MarkError, match="does not answer"):
        marks.put("x", elasticsearch_url=elasticsearch.url)


def test_the_command_prints_the_marks_id(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with store() as elasticsearch:
        monkeypatch.setenv("ELASTICSEARCH_URL", elasticsearch.url)
        assert marks.main(["deployed 1.4", "--kind", "deploy", "--action", "finished"]) == 0
    assert capsys.readouterr().out.strip() == received(elasticsearch)[0]["event"]["id"]


def test_the_command_fails_when_the_mark_is_not_stored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with store(status=500) as elasticsearch:
        monkeypatch.setenv("ELASTICSEARCH_URL", elasticsearch.url)
        assert marks.main(["x"]) == 1
    assert "answered 500" in capsys.readouterr().err
