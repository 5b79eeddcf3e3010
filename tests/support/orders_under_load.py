"""A continuous stream of orders during a fault, with an exact record of the acknowledged ones."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from http import HTTPStatus
from types import TracebackType
from typing import Self

import requests

from tests.support.shop import Customer, Shop

PAUSE_SECONDS = 0.2
# An order whose process was killed is in progress until the reconciler cancels it after 60 s; then it can be retried.
ANSWERED_WITHIN_SECONDS = 120.0
# Not final: 409 means that the order is still being placed, 429 that the platform limits requests.
NOT_FINAL = {HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}


class OrdersUnderLoad:
    """Customers who place one order after the other. Context manager: orders are placed inside the block only.

    Orders without a final response (a broken connection, a timeout, 409 in progress, 5xx) are retried later with their
    idempotency key, as a well-behaved client does, between new orders and after the last one.
    """

    def __init__(self, shop: Shop, customers: int = 2) -> None:
        self.customers = [shop.new_customer() for _ in range(customers)]
        self._items = shop.items()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._shop, args=[customer]) for customer in self.customers]
        # order id → customer
        self.acknowledged: dict[str, Customer] = {}
        self.refused: list[str] = []
        self.unanswered: list[str] = []
        self.repeated = 0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Stop placing new orders; those in progress are completed. May be called twice."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def of(self, customer: Customer) -> set[str]:
        """The ids of a customer's acknowledged orders."""
        with self._lock:
            return {order_id for order_id, owner in self.acknowledged.items() if owner is customer}

    def count(self) -> int:
        """The number of orders acknowledged so far."""
        with self._lock:
            return len(self.acknowledged)

    def _shop(self, customer: Customer) -> None:
        """Place one new order at a time, and retry the oldest open one in between."""
        still_open: deque[str] = deque()
        while not self._stop.wait(PAUSE_SECONDS):
            for key in (str(uuid.uuid4()), *([still_open.popleft()] if still_open else [])):
                if not self._is_answered(customer, key):
                    still_open.append(key)
        deadline = time.monotonic() + ANSWERED_WITHIN_SECONDS
        while still_open and time.monotonic() < deadline:
            time.sleep(PAUSE_SECONDS)
            key = still_open.popleft()
            if not self._is_answered(customer, key):
                still_open.append(key)
        with self._lock:
            self.unanswered += still_open

    def _is_answered(self, customer: Customer, key: str) -> bool:
        """Send the order once. Returns whether the response is final."""
        try:
            response = customer.try_to_order(self._items, key=key)
        except requests.RequestException:
            response = None
        with self._lock:
            if response is None or response.status_code >= 500 or response.status_code in NOT_FINAL:
                self.repeated += 1
                return False
            if response.status_code == HTTPStatus.CREATED:
                self.acknowledged[response.json()["id"]] = customer
            else:
                self.refused.append(f"{response.status_code} {response.text[:200]}")
            return True
