"""A simulated user who runs the journeys continuously, to measure the impact of a fault on users."""

from __future__ import annotations

import random
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from load import settings as load_settings

PAUSE_SECONDS = 0.4
# The timeout in seconds after which a user would give up.
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Attempt:
    """One attempt at a journey: start (Unix seconds), duration, and whether it succeeded."""

    journey: str
    at: float
    seconds: float
    ok: bool


@dataclass(frozen=True)
class Impact:
    """One journey before and during the fault: failure ratio, 95th percentile in seconds, attempts during it."""

    journey: str
    errors_before: float
    errors_during: float
    p95_before: float
    p95_during: float
    tries: int

    @property
    def is_felt(self) -> bool:
        """Whether users notice: 5 percentage points more failures, or 3 times the latency and at least 0.5 s more."""
        slower = self.p95_during > 3 * self.p95_before and self.p95_during - self.p95_before > 0.5
        return self.errors_during - self.errors_before > 0.05 or slower


class Prober:
    """Runs in a thread between `start` and `stop`."""

    def __init__(self) -> None:
        self._urls = load_settings.load().service_urls
        self._session = requests.Session()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._token = ""
        self._products: list[str] = []
        self._account = {"email": f"prober-{uuid.uuid4().hex[:12]}@example.org", "password": uuid.uuid4().hex}
        self.attempts: list[Attempt] = []

    def start(self) -> None:
        """Start the thread. If signing up fails, every journey fails too, which is what a user would see."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; may be called twice."""
        self._stop.set()
        self._thread.join(timeout=2 * TIMEOUT_SECONDS)

    def impact(self, injected: float, until: float) -> list[Impact]:
        """The impact on every journey: attempts before `injected` compared with those from then until `until`."""
        found = []
        for journey in sorted({attempt.journey for attempt in self.attempts}):
            tries = [attempt for attempt in self.attempts if attempt.journey == journey]
            before = [attempt for attempt in tries if attempt.at < injected]
            during = [attempt for attempt in tries if injected <= attempt.at <= until]
            found.append(Impact(journey, _errors(before), _errors(during), _p95(before), _p95(during), len(during)))
        return found

    def _run(self) -> None:
        signed_up = False
        while not self._stop.wait(PAUSE_SECONDS):
            if not signed_up:
                signed_up = self._try("sign-up", self._sign_up)
            elif not self._token or random.random() < 0.05:
                self._try("login", self._log_in)
            elif not self._products or random.random() < 0.5:
                self._try("browse", self._browse)
            else:
                self._try("place-order", self._order)

    def _try(self, journey: str, attempt: Callable[[], None]) -> bool:
        at, began = time.time(), time.monotonic()
        try:
            attempt()
        except (requests.RequestException, KeyError, ValueError):
            ok = False
        else:
            ok = True
        self.attempts.append(Attempt(journey, at, time.monotonic() - began, ok))
        return ok

    def _call(self, method: str, service: str, path: str, **options: Any) -> Any:
        response = self._session.request(method, f"{self._urls[service]}{path}", timeout=TIMEOUT_SECONDS, **options)
        if response.status_code == 401:
            self._token = ""
        response.raise_for_status()
        return response.json()

    def _sign_up(self) -> None:
        self._call("POST", "users", "/api/v1/users", json={**self._account, "name": "Drill prober"})

    def _log_in(self) -> None:
        self._token = self._call("POST", "users", "/api/v1/token", json=self._account)["access"]

    def _browse(self) -> None:
        results = self._call("GET", "inventory", "/api/v1/products")["results"]
        self._products = [product["id"] for product in results if product["available"] > 100]

    def _order(self) -> None:
        body = {
            "items": [{"product_id": random.choice(self._products), "quantity": 1}],
            "payment_token": "tok_ok",
        }
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": str(uuid.uuid4())}
        self._call("POST", "orders", "/api/v1/orders", json=body, headers=headers)


def _errors(attempts: Sequence[Attempt]) -> float:
    return sum(not attempt.ok for attempt in attempts) / len(attempts) if attempts else 0.0


def _p95(attempts: Sequence[Attempt]) -> float:
    seconds = sorted(attempt.seconds for attempt in attempts)
    if len(seconds) < 2:
        return seconds[0] if seconds else 0.0
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]
