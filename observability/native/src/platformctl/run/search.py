"""Elasticsearch: index templates, put in place before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import requests

from platformctl.errors import PlatformError

TIMEOUT_SECONDS = 10.0
# The data stream of every service's log lines.
LOGS = "logs-django-default"


def ensure_templates(url: str, folder: Path) -> None:
    """Put every index template of `folder` (file name = template name). Raises PlatformError when one is refused."""
    for file in sorted(folder.glob("*.json")):
        answer = requests.put(
            f"{url}/_index_template/{file.stem}", json=json.loads(file.read_text()), timeout=TIMEOUT_SECONDS
        )
        if answer.status_code != requests.codes.ok:
            raise PlatformError(f"Elasticsearch refuses the index template {file.name}", detail=[answer.text[:2000]])
