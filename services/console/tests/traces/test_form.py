"""Search parameters in a URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.http import QueryDict
from traces.form import Search, duration_from_text, tags_from_text, tags_to_text
from traces.reach import JAEGER_SEARCH_DAYS

NOW = 1_780_000_000.0


def search(address: str) -> Search:
    """Return the search for a query string."""
    return Search.from_params(QueryDict(address), now=NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("1.5s", 1.5), ("2m", 120.0), ("800us", 0.0008), ("800µs", 0.0008), ("", None)],
)
def test_durations_have_a_unit(text: str, seconds: float | None) -> None:
    assert duration_from_text(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["250", "ms", "-1s", "1 hour", "1e3ms"])
def test_an_invalid_duration_is_reported_at_its_input(text: str) -> None:
    found = search(f"min={text}")
    assert "needs a number and a unit" in found.errors["min"]
    assert found.min_text == text


def test_a_minimum_above_the_maximum_is_reported() -> None:
    assert "below the shortest" in search("min=2s&max=1s").errors["max"]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("a=1 b=2", {"a": "1", "b": "2"}),
        ('order.id="x y" z=a=b', {"order.id": "x y", "z": "a=b"}),
        ('{"http.route": "/x", "n": 5, "yes": true}', {"http.route": "/x", "n": "5", "yes": "true"}),
        ("", {}),
    ],
)
def test_tags_are_pairs_or_a_json_object(text: str, tags: dict[str, str]) -> None:
    assert tags_from_text(text) == tags
    assert tags_from_text(tags_to_text(tags)) == tags


@pytest.mark.parametrize("text", ["a", "a=", "=b", 'a="b', "{not json", "{}x"])
def test_invalid_tags_are_reported_at_their_input(text: str) -> None:
    found = search(f"tags={text}")
    assert found.errors["tags"]
    assert found.tags == {}


def test_the_link_of_an_alert_is_understood() -> None:
    found = search("service=orders")
    assert (found.service, found.errors_only, found.errors) == ("orders", False, {})
    assert (found.timerange.start, found.timerange.end) == (NOW - 3600, NOW)


def test_jaegers_own_parameters_are_understood() -> None:
    start, end = int((NOW - 600) * 1e6), int(NOW * 1e6)
    found = search(
        f'service=orders&operation=all&start={start}&end={end}&lookback=custom&limit=50&minDuration=100ms&tags={{"error":"true"}}'
    )
    assert (found.timerange.start, found.timerange.end) == (NOW - 600, NOW)
    assert (found.operation, found.errors_only, found.tags, found.min_duration) == ("", True, {}, 0.1)
    assert found.tags_text == ""


def test_repeated_tags_add_up() -> None:
    assert search("tags=a=1&tags=b=2").tags == {"a": "1", "b": "2"}


def test_a_range_beyond_the_retention_is_reported(settings: Any) -> None:
    settings.TRACES_RETENTION_DAYS = 7
    assert "only those are searched" in search("from=now-30d&to=now").note
    assert "none left" in search("from=now-30d&to=now-20d").note
    assert search("from=now-7d&to=now").note == ""


@pytest.mark.parametrize(
    ("kept", "note"),
    [
        (1, "Traces are kept 1 day: only those are searched."),
        (3, "Traces are kept 3 days: only those are searched."),
        (30, "Jaeger searches 7 days back: only those are searched."),
    ],
)
def test_a_search_reaches_back_as_far_as_the_retention(kept: int, note: str, settings: Any) -> None:
    settings.TRACES_RETENTION_DAYS = kept
    assert search("from=now-40d&to=now").note == note
    assert search(f"from=now-{min(kept, 7)}d&to=now").note == ""


def test_the_limit_of_searches_matches_jaeger() -> None:
    config = yaml.safe_load((Path(__file__).parents[4] / "observability" / "jaeger" / "config.yaml").read_text())
    assert f"max_span_age: {JAEGER_SEARCH_DAYS * 24}h" in yaml.safe_dump(config)


@pytest.mark.parametrize(("limit", "expected"), [("9999", 200), ("0", 1), ("x", 50), ("-5", 50), ("20", 20)])
def test_the_limit_stays_within_the_maximum_for_jaeger(limit: str, expected: int) -> None:
    assert search(f"limit={limit}").limit == expected
