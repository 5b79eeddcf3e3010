"""Elasticsearch's index templates, stored before any document is written."""

from __future__ import annotations

import json
from pathlib import Path

import requests

from platformctl.errors import PlatformError

# The first requests take long while everything else is starting as well.
TIMEOUT_SECONDS = 30.0
# The data stream of all services' log lines.
LOGS = "logs-django-default"
# The data stream of all services' errors.
ERRORS = "logs-errors-default"


def ensure_templates(url: str, folder: Path) -> None:
    """Store every index template of `folder` (file name = template name). Raises PlatformError."""
    for file in sorted(folder.glob("*.json")):
        address = f"{url}/_index_template/{file.stem}"
        try:
            answer = requests.put(address, json=json.loads(file.read_text()), timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise PlatformError(f"Elasticsearch does not answer a PUT of {address}", detail=[str(error)]) from error
        if answer.status_code != requests.codes.ok:
            raise PlatformError(f"Elasticsearch refuses the index template {file.name}", detail=[answer.text[:2000]])
