"""Elasticsearch: index templates, put in place before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import requests

from platformctl.errors import PlatformError

# Its first requests take long on a machine where everything else starts as well.
TIMEOUT_SECONDS = 30.0
# The data stream of every service's log lines.
LOGS = "logs-django-default"


def ensure_templates(url: str, folder: Path) -> None:
    """Put every index template of `folder` (file name = template name). Raises PlatformError."""
    for file in sorted(folder.glob("*.json")):
        address = f"{url}/_index_template/{file.stem}"
        try:
            answer = requests.put(address, json=json.loads(file.read_text()), timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise PlatformError(f"Elasticsearch does not answer a PUT of {address}", detail=[str(error)]) from error
        if answer.status_code != requests.codes.ok:
            raise PlatformError(f"Elasticsearch refuses the index template {file.name}", detail=[answer.text[:2000]])
