"""Finds outdated indices by date and deletes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import requests

TIMEOUT_SECONDS = 20.0
# The data stream of all services' log lines.
LOGS = "logs-django-default"
# The data stream of all services' errors.
ERRORS = "logs-errors-default"
# Whole days are deleted, so an index holds at most one day; also limited by size, to keep it manageable.
ROLLOVER = {"max_age": "1d", "max_primary_shard_size": "1gb"}
DAILY = re.compile(r"^(?:.*-)?jaeger-(?:span|service|dependencies|sampling)-(\d{4}-\d{2}-\d{2})$")


@dataclass(frozen=True)
class Policy:
    """The number of days to keep, by kind of data."""

    logs_days: int
    traces_days: int
    errors_days: int


def outdated_indices(created: Mapping[str, datetime], now: datetime, days: int) -> list[str]:
    """A data stream's indices whose last document is older than `days`; `created` maps each to its creation time.

    An index was written to until its successor was created. The newest is still being written to and is always kept.
    """
    ordered = sorted(created, key=lambda index: (created[index], index))
    limit = now - timedelta(days=days)
    return [index for index, successor in pairwise(ordered) if created[successor] < limit]


def outdated_traces(indices: list[str], today: date, days: int) -> list[str]:
    """Jaeger's daily indices for days that ended more than `days` ago."""
    limit = today - timedelta(days=days)
    found = []
    for index in indices:
        match = DAILY.match(index)
        if match and date.fromisoformat(match.group(1)) < limit:
            found.append(index)
    return sorted(found)


class Retention:
    """Applies a policy to one Elasticsearch."""

    def __init__(self, url: str, policy: Policy, logs: str = LOGS, errors: str = ERRORS) -> None:
        self._url = url.rstrip("/")
        self._policy = policy
        self._days = {logs: policy.logs_days, errors: policy.errors_days}
        self._session = requests.Session()

    def apply(self, now: datetime) -> list[str]:
        """Roll over and delete; returns the names of the deleted indices."""
        outdated = []
        for stream, days in self._days.items():
            self._roll_over(stream)
            outdated += outdated_indices(self._creation_dates(f".ds-{stream}-*"), now, days)
        traces = [index for index in self._creation_dates("*jaeger-*") if DAILY.match(index)]
        outdated += outdated_traces(traces, now.date(), self._policy.traces_days)
        for index in outdated:
            self._request("DELETE", f"/{index}")
        return outdated

    def _roll_over(self, stream: str) -> None:
        # Before the first document there is no stream: Elasticsearch creates it with that document.
        if self._creation_dates(f".ds-{stream}-*"):
            self._request("POST", f"/{stream}/_rollover", {"conditions": ROLLOVER})

    def _creation_dates(self, pattern: str) -> dict[str, datetime]:
        target = f"/{pattern}/_settings/index.creation_date?expand_wildcards=all&allow_no_indices=true"
        answer = self._request("GET", target)
        return {
            index: datetime.fromtimestamp(int(body["settings"]["index"]["creation_date"]) / 1000, UTC)
            for index, body in answer.items()
        }

    def _request(self, method: str, target: str, body: Any = None) -> dict[str, Any]:
        answer = self._session.request(method, f"{self._url}{target}", json=body, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document
