"""Elasticsearch's one-shot set-up: users, roles, lifecycle and index templates. Idempotent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from platformctl.secret_store import SecretStore

from platform_compose.api import Api
from platform_compose.search_users import BUILT_IN, SUPERUSER, USERS, roles, secret_name

# Index templates, and their lifecycles of the same name.
LOGS = "logs-django"
ERRORS = "logs-errors"
DEAD_LETTERS = "logs-dead_letters"


def run(url: str, store: SecretStore, templates: Path, *, logs_days: int, errors_days: int) -> None:
    """Apply everything. Raises SetupError if Elasticsearch refuses a part."""
    api = Api(url, SUPERUSER, store.get(secret_name(SUPERUSER)))
    for policy, days in ((LOGS, logs_days), (ERRORS, errors_days)):
        api.call("PUT", f"/_ilm/policy/{policy}", json=lifecycle(days))
    for name, template in index_templates(templates).items():
        api.call("PUT", f"/_index_template/{name}", json=template)
    for name, privileges in roles().items():
        api.call("PUT", f"/_security/role/{name}", json=privileges)
    for user in BUILT_IN:
        api.call("POST", f"/_security/user/{user}/_password", json={"password": store.get(secret_name(user))})
    for user, granted in USERS.items():
        body = {"password": store.get(secret_name(user)), "roles": list(granted)}
        api.call("PUT", f"/_security/user/{user}", json=body)


def lifecycle(days: int) -> dict[str, Any]:
    """A new index each day or gigabyte, deleted `days` days after its successor. Same as platform_retention."""
    return {
        "policy": {
            "phases": {
                "hot": {"actions": {"rollover": {"max_age": "1d", "max_primary_shard_size": "1gb"}}},
                "delete": {"min_age": f"{days}d", "actions": {"delete": {}}},
            }
        }
    }


def index_templates(folder: Path) -> dict[str, Any]:
    """The native index templates, each with its lifecycle, and one for refused documents."""
    made = {}
    for path in sorted(folder.glob("*.json")):
        template = json.loads(path.read_text())
        template["template"]["settings"]["index.lifecycle.name"] = path.stem
        made[path.stem] = template
    made[DEAD_LETTERS] = {
        "index_patterns": [f"{DEAD_LETTERS}-*"],
        "data_stream": {},
        "priority": 500,
        "template": {
            "settings": {"number_of_shards": 1, "number_of_replicas": 0, "index.lifecycle.name": LOGS},
            "mappings": {
                "dynamic": False,
                "properties": {
                    "@timestamp": {"type": "date"},
                    "message": {"type": "text"},
                    "service": {"properties": {"name": {"type": "keyword"}}},
                    "event": {
                        "properties": {
                            "dataset": {"type": "keyword"},
                            "reason": {"type": "text"},
                            "original": {"type": "text", "index": False},
                        }
                    },
                },
            },
        },
    }
    return made
