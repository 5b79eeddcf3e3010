"""A separate watchdog for each test, on a free port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from platform_watchdog.server import Server, Watchdog
from platform_watchdog.settings import Settings


@dataclass
class Running:
    """A watchdog and its address."""

    watchdog: Watchdog
    url: str

    def post(self, path: str, body: Any) -> requests.Response:
        return requests.post(f"{self.url}{path}", json=body, timeout=5)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=5)

    def notifications(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/notifications").json()["notifications"]
        return found


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    watchdog = Watchdog(Settings(port=0, silence=0.3, record=tmp_path / "record.jsonl"))
    listening = Server(watchdog)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield Running(watchdog, f"http://127.0.0.1:{listening.server_port}")
    listening.shutdown()
    thread.join()
    listening.server_close()
