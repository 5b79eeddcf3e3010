"""A Jaeger and an Elasticsearch that give the answers a test sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from backends import elasticsearch, jaeger
from backends.errors import BackendDown, BackendRejected


@dataclass
class Backends:
    """Answers by path, and the received requests."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    is_down: bool = False

    def jaeger(self, backend: str, base_url: str, path: str, *, params: Mapping[str, Any], **more: Any) -> Any:
        """Return Jaeger's answer for a path (filled in)."""
        filled = path.format(**(more.get("path_params") or {}))
        self.asked.append((filled, dict(params)))
        if self.is_down:
            raise BackendDown(backend, "no connection (refused)")
        if filled.startswith("/api/traces/") and filled not in self.answers:
            raise BackendRejected(backend, "trace not found", 404)
        answer = self.answers.get(filled, [])
        return {"data": answer(params) if callable(answer) else answer}

    def elasticsearch(self, backend: str, base_url: str, path: str, *, json: Mapping[str, Any], **more: Any) -> Any:
        """Return Elasticsearch's answer to any search."""
        self.asked.append((path, dict(json)))
        if self.is_down:
            raise BackendDown(backend, "no answer within 5 s")
        hits = [{"_id": line["event.id"], "_source": line, "sort": [0, line["event.id"]]} for line in self.lines]
        return {"hits": {"hits": hits, "total": {"value": len(hits)}}}


@pytest.fixture
def backends(monkeypatch: pytest.MonkeyPatch) -> Backends:
    """Both backends, in place of HTTP."""
    made = Backends()
    monkeypatch.setattr(jaeger, "get_json", made.jaeger)
    monkeypatch.setattr(elasticsearch, "post_json", made.elasticsearch)
    return made
