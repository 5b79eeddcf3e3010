"""An index for the tests on the running Elasticsearch, with the fields of the log store."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from backends import elasticsearch
from backends.elasticsearch import Elasticsearch

URL = os.environ.get("TEST_ELASTICSEARCH_URL", "http://127.0.0.1:9200")
REPOSITORY = Path(__file__).resolve().parents[4]
TEMPLATE = REPOSITORY / "observability" / "elasticsearch" / "index-templates" / "logs-django.json"
# The default time of the lines: the tests' URLs show the hour around it.
MOMENT = datetime(2026, 6, 30, 12, 0, tzinfo=UTC)
_MOMENT_MS, _HALF_HOUR_MS = int(MOMENT.timestamp() * 1000), 1_800_000
WINDOW = f"from={_MOMENT_MS - _HALF_HOUR_MS}&to={_MOMENT_MS + _HALF_HOUR_MS}"


@dataclass
class Store:
    """Log lines of one test."""

    name: str
    written: int = field(default=0)

    def write(self, *lines: dict[str, Any]) -> list[str]:
        """Store lines, a millisecond apart, with defaults for missing fields. Returns their ids."""
        body, ids = [], []
        for line in lines:
            self.written += 1
            full = {
                "@timestamp": (MOMENT + timedelta(milliseconds=self.written)).isoformat(),
                "event.id": f"line-{self.written:05d}",
                "log.level": "info",
                "service.name": "orders",
                "service.node.name": "orders-1",
                "message": "Something happened",
                **line,
            }
            ids.append(str(full["event.id"]))
            body += [json.dumps({"create": {"_id": full["event.id"]}}), json.dumps(full)]
        answer = requests.post(
            f"{URL}/{self.name}/_bulk?refresh=true",
            data="\n".join(body) + "\n",
            headers={"Content-Type": "application/x-ndjson"},
            timeout=30,
        )
        assert answer.ok, answer.text[:500]
        assert not answer.json()["errors"], answer.text[:500]
        return ids


@pytest.fixture(scope="package")
def index() -> Iterator[str]:
    """The name of an index that this run creates and deletes."""
    name = f"console-tests-{uuid.uuid4().hex[:8]}"
    template = json.loads(TEMPLATE.read_text())["template"]
    made = requests.put(f"{URL}/{name}", json={"mappings": template["mappings"]}, timeout=30)
    assert made.ok, f"no index at {URL} (is the platform up?): {made.text[:300]}"
    yield name
    requests.delete(f"{URL}/{name}", timeout=30)


@pytest.fixture
def store(index: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store, which the console's client searches."""
    client = Elasticsearch(URL, 10.0, index=index)
    monkeypatch.setattr(elasticsearch, "client", lambda: client)
    yield Store(index)
    # Without delete-by-query: each document is deleted separately.
    found = requests.post(f"{URL}/{index}/_search", json={"size": 10_000, "_source": False}, timeout=30).json()
    body = "".join(json.dumps({"delete": {"_id": hit["_id"]}}) + "\n" for hit in found["hits"]["hits"])
    if body:
        requests.post(
            f"{URL}/{index}/_bulk?refresh=true",
            data=body,
            headers={"Content-Type": "application/x-ndjson"},
            timeout=30,
        )
