"""Annotations find the marks that drills and load runs store."""

from __future__ import annotations

import pytest
import requests
from dashboards.builder import annotations as annotation_queries
from platform_testing.polling import eventually
from platformctl.app import Platform

from load import marks


def test_the_annotation_finds_a_mark_by_its_dataset() -> None:
    document = marks.document("payments-hangs: injected", kind="drill", action="injected")
    annotation = annotation_queries.marks().build().to_json()
    assert annotation["query"] == f'event.dataset:"{document["event"]["dataset"]}"'
    assert document[str(annotation["textField"])] == "payments-hangs: injected"
    assert document[str(annotation["tagsField"])] == ["drill", "injected"]


@pytest.mark.live
def test_a_mark_is_found_by_its_fields_once_it_is_stored(platform: Platform) -> None:
    url = platform.url("ELASTICSEARCH_PORT")
    mark_id = marks.put("dashboard tests: a mark", labels={"run": "tests"}, elasticsearch_url=url)
    query = f'event.dataset:"{marks.DATASET}" AND event.action:noted AND labels.run:tests'
    search = f"{url}/logs-django-*/_search"
    eventually(
        lambda: requests.get(search, params={"q": query, "size": "100"}, timeout=10).json()["hits"]["hits"],
        f"mark {mark_id}",
        accept=lambda hits: mark_id in {hit["_id"] for hit in hits},
        look_at=f"{search}?q={query}",
    )
