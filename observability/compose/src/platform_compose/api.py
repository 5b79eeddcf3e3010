"""The set-up jobs' client for Elasticsearch's and Kibana's HTTP APIs."""

from __future__ import annotations

import time
from typing import Any

import requests

TIMEOUT_SECONDS = 30.0


class SetupError(RuntimeError):
    """A set-up job failed; the message names the refused request."""


class Api:
    """One server, accessed as one user. Waits up to `patience` seconds for the first response."""

    def __init__(self, url: str, user: str, password: str, patience: float = 60.0) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.auth = (user, password)
        self._patience = patience

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send a request and return its JSON response. Raises SetupError if it is refused or times out."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                response = self._session.request(method, f"{self._url}{path}", timeout=TIMEOUT_SECONDS, **options)
            except requests.ConnectionError as error:
                if time.monotonic() > deadline:
                    raise SetupError(f"{method} {path}: no answer: {error}") from error
            else:
                if response.status_code != requests.codes.service_unavailable or time.monotonic() > deadline:
                    break
            time.sleep(1)
        if not response.ok:
            raise SetupError(f"{method} {path} is answered {response.status_code}: {response.text[:1000]}")
        return response.json() if response.content else {}
