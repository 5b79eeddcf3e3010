"""Requests to Elasticsearch."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3

_TIMEOUT = urllib3.Timeout(connect=2.0, read=10.0)
_LARGEST_ANSWER_BYTES = 2 * 1024 * 1024


class Connection:
    """Elasticsearch at a URL, which includes user and password if its security is on. Thread-safe."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self._base = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
        self._headers = {}
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers = urllib3.make_headers(basic_auth=login)
        self._http = urllib3.PoolManager(num_pools=1, maxsize=2, retries=False, timeout=_TIMEOUT)

    def post(self, path: str, body: bytes, content_type: str = "application/json") -> Any:
        """The answer's JSON. Raises urllib3's HTTPError without an answer, ValueError for one other than 200."""
        answer = self._http.request(
            "POST",
            f"{self._base}{path}",
            body=body,
            headers={**self._headers, "Content-Type": content_type},
            preload_content=False,
        )
        try:
            content = answer.read(_LARGEST_ANSWER_BYTES)
        finally:
            answer.release_conn()
        if answer.status != 200:
            raise ValueError(f"HTTP {answer.status}: {content[:300].decode(errors='replace')}")
        return json.loads(content)
