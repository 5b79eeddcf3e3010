"""A receiver for each test, on a free port, with an index of its own in the real Elasticsearch."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from platform_errors.receiver import Receiver
from platform_errors.settings import Settings
from platform_testing.polling import eventually
from prometheus_client.parser import text_string_to_metric_families

KEY = "0123456789abcdef"
AUTH = {"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={KEY}, sentry_client=test"}
TEMPLATE = Path(__file__).parents[2] / "elasticsearch" / "index-templates" / "logs-errors.json"


@dataclass
class Search:
    """The index of one test."""

    url: str
    stream: str

    def documents(self) -> list[dict[str, Any]]:
        """Everything in the index, oldest first."""
        requests.post(f"{self.url}/{self.stream}/_refresh?ignore_unavailable=true", timeout=10).raise_for_status()
        query = {"size": 500, "sort": ["@timestamp", "event.id"]}
        answer = requests.post(f"{self.url}/{self.stream}/_search?ignore_unavailable=true", json=query, timeout=10)
        answer.raise_for_status()
        hits: list[dict[str, Any]] = answer.json()["hits"]["hits"]
        return hits

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Its documents, once there are so many."""
        # Just after its creation an index has no shard that answers: 503.
        return eventually(
            self.documents,
            f"{count} documents",
            accept=lambda found: len(found) == count,
            retry_on=requests.HTTPError,
        )


@dataclass
class Running:
    """A receiver and its address."""

    receiver: Receiver
    url: str

    @property
    def dsn(self) -> str:
        return f"{self.url.replace('http://', f'http://{KEY}@')}/1"

    def post(
        self, body: bytes, headers: Mapping[str, str] | None = None, path: str = "/api/1/envelope/"
    ) -> requests.Response:
        return requests.post(f"{self.url}{path}", data=body, headers={**AUTH, **(headers or {})}, timeout=10)

    def metrics(self) -> dict[str, float]:
        """Every sample by its name, with the value of its label behind a slash."""
        text = requests.get(f"{self.url}/metrics", timeout=10).text
        return {
            "/".join((sample.name, *sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture(scope="session")
def elasticsearch() -> Iterator[str]:
    """The address of the real Elasticsearch, with this checkout's template for the indices of tests."""
    url = os.environ["TEST_ELASTICSEARCH_URL"]
    template = json.loads(TEMPLATE.read_text()) | {"index_patterns": ["logs-errortests-*"]}
    # A plain index: the native server has no API that deletes a data stream.
    del template["data_stream"]
    requests.put(f"{url}/_index_template/logs-errortests", json=template, timeout=30).raise_for_status()
    yield url
    requests.delete(f"{url}/_index_template/logs-errortests", timeout=30).raise_for_status()


@pytest.fixture
def search(elasticsearch: str) -> Iterator[Search]:
    found = Search(elasticsearch, f"logs-errortests-{uuid.uuid4().hex[:12]}")
    yield found
    url = f"{elasticsearch}/{found.stream}?ignore_unavailable=true"
    requests.delete(url, timeout=30).raise_for_status()


@pytest.fixture
def run(search: Search) -> Iterator[Callable[..., Running]]:
    """Starts a receiver; settings are those of platform_errors.settings.Settings."""
    with ExitStack() as stack:

        def start(*, stop_seconds: float = 2.0, **settings: Any) -> Running:
            chosen = {"elasticsearch_url": search.url, **settings}
            receiver = stack.enter_context(Receiver(Settings(key=KEY, port=0, **chosen), search.stream, stop_seconds))
            return Running(receiver, f"http://127.0.0.1:{receiver.port}")

        yield start


@pytest.fixture
def running(run: Callable[..., Running]) -> Running:
    return run()
