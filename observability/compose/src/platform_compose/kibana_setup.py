"""Kibana's one-shot set-up: imports data view, saved searches and a dashboard from the committed file."""

from __future__ import annotations

from pathlib import Path

from platformctl.secret_store import SecretStore

from platform_compose.api import Api, SetupError
from platform_compose.search_users import SUPERUSER, secret_name

DATA_VIEW = "logs-django"


def run(url: str, store: SecretStore, objects: Path) -> int:
    """Import `objects`, replacing existing ones; returns their number. Raises SetupError if one is refused."""
    api = Api(url, SUPERUSER, store.get(secret_name(SUPERUSER)), patience=180)
    headers = {"kbn-xsrf": "set-up"}
    with objects.open("rb") as file:
        answer = api.call(
            "POST",
            "/api/saved_objects/_import?overwrite=true",
            headers=headers,
            files={"file": (objects.name, file, "application/ndjson")},
        )
    if not answer.get("success"):
        raise SetupError(f"Kibana refuses {objects.name}: {answer.get('errors')}")
    view = {"data_view_id": DATA_VIEW, "force": True}
    api.call("POST", "/api/data_views/default", headers=headers, json=view)
    return int(answer["successCount"])
