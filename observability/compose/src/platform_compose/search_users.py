"""Elasticsearch's roles and users: each program has only the privileges that it needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from platformctl.paths import repository_root

SUPERUSER = "elastic"
BUILT_IN = ("kibana_system",)
# User → roles. The user `reader` is Grafana's and the console's.
USERS: Mapping[str, tuple[str, ...]] = {
    "shipper": ("platform_shipper",),
    "errors": ("platform_errors",),
    "reader": ("platform_reader",),
    "jaeger": ("platform_jaeger",),
    "monitor": ("platform_reader", "platform_monitor"),
    "retention": ("platform_retention",),
    "dependencies": ("platform_jaeger",),
    "drills": ("platform_drills",),
}


def secret_name(user: str) -> str:
    """The name of the secret with a user's password."""
    return f"elasticsearch_{user}"


def roles() -> dict[str, Any]:
    """Role → privileges, in the format of the security API and of roles.yml."""
    path = repository_root() / "observability" / "compose" / "elasticsearch" / "roles.json"
    document: dict[str, Any] = json.loads(path.read_text())
    return document
