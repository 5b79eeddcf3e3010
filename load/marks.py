"""Marks on the dashboards' time line, such as "payments-hangs injected" or "load run started".

A mark is a document beside the log lines, so every dashboard shows it as an annotation and log searches find it.
`python -m load.marks "deployed 1.4" --kind deploy --action finished` stores one from a shell.
"""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import requests

DATASET = "platform.marks"
INDEX = "logs-django-default"
KINDS = ("drill", "load", "deploy", "note")
ACTIONS = ("started", "finished", "injected", "detected", "paged", "restored", "resolved", "noted")
TIMEOUT_SECONDS = 5.0


class MarkError(RuntimeError):
    """The mark was not stored; the message says why."""


def put(
    message: str,
    *,
    kind: str = "note",
    action: str = "noted",
    labels: Mapping[str, str] | None = None,
    at: datetime | None = None,
    elasticsearch_url: str | None = None,
) -> str:
    """Store a mark and return its id. `at` is the time of the event, by default now; naive times are UTC.

    Searches find it about a second later.

    Raises ValueError for an unknown kind or action, MarkError when Elasticsearch doesn't store it within 5 s.
    """
    body = document(message, kind=kind, action=action, labels=labels, at=at)
    mark_id: str = body["event"]["id"]
    base = elasticsearch_url or os.environ.get("ELASTICSEARCH_URL") or "http://127.0.0.1:9200"
    try:
        answer = requests.put(f"{base}/{INDEX}/_create/{mark_id}", json=body, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise MarkError(f"{base} does not answer: {error}") from error
    if answer.status_code != requests.codes.created:
        raise MarkError(f"{base} answered {answer.status_code}: {answer.text[:300]}")
    return mark_id


def document(
    message: str,
    *,
    kind: str = "note",
    action: str = "noted",
    labels: Mapping[str, str] | None = None,
    at: datetime | None = None,
) -> dict[str, Any]:
    """A mark as an Elasticsearch document, with a new id. Raises ValueError as `put` does."""
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r}; allowed: {', '.join(KINDS)}")
    if action not in ACTIONS:
        raise ValueError(f"action {action!r}; allowed: {', '.join(ACTIONS)}")
    when = at or datetime.now(UTC)
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return {
        "@timestamp": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ecs": {"version": "8.11.0"},
        "message": message,
        "log": {"level": "info"},
        "event": {"id": str(uuid.uuid4()), "kind": "event", "dataset": DATASET, "category": kind, "action": action},
        "service": {"name": "platform"},
        "labels": dict(labels or {}),
        "tags": [kind, action],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 when the mark was stored."""
    parser = argparse.ArgumentParser(prog="python -m load.marks", description="Put a mark on every dashboard.")
    parser.add_argument("message")
    parser.add_argument("--kind", choices=KINDS, default="note")
    parser.add_argument("--action", choices=ACTIONS, default="noted")
    options = parser.parse_args(arguments)
    try:
        mark_id = put(options.message, kind=options.kind, action=options.action)
    except MarkError as error:
        print(error, file=sys.stderr)
        return 1
    print(mark_id)
    return 0


if __name__ == "__main__":
    sys.exit(main())
