"""Orders that keep coming while something is broken, and an exact account of what was acknowledged."""

from __future__ import annotations

import threading
import time
import uuid
from types import TracebackType
from typing import Self

import requests

from tests.support.shop import Customer, Shop

PAUSE_SECONDS = 0.1
REPEAT_AFTER_SECONDS = 0.5
# An order whose process was killed is in progress until the reconciler cancels it after 60 s; then it can be repeated.
ANSWERED_WITHIN_SECONDS = 120.0


class OrdersUnderLoad:
    """Customers who order one after the other. Context manager: orders come inside the block and end with it.

    A customer repeats an order with its idempotency key until it is answered for good (201, 402 or 409); a broken
    connection, a timeout and 5xx are tried again, as a well-behaved client does.
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
        """No new orders; those that were begun get their answer. May be called twice."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def of(self, customer: Customer) -> set[str]:
        """The ids of the acknowledged orders of a customer."""
        with self._lock:
            return {order_id for order_id, owner in self.acknowledged.items() if owner is customer}

    def count(self) -> int:
        """How many orders were acknowledged so far."""
        with self._lock:
            return len(self.acknowledged)

    def _shop(self, customer: Customer) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            self._order(customer)

    def _order(self, customer: Customer) -> None:
        key = str(uuid.uuid4())
        deadline = time.monotonic() + ANSWERED_WITHIN_SECONDS
        while time.monotonic() < deadline:
            try:
                response = customer.try_to_order(self._items, key=key)
            except requests.RequestException:
                response = None
            if response is not None and response.status_code == 201:
                with self._lock:
                    self.acknowledged[response.json()["id"]] = customer
                return
            # 409 is also "the first attempt is still in progress", which isn't final.
            if response is not None and response.status_code < 500 and response.status_code not in (409, 429):
                with self._lock:
                    self.refused.append(f"{response.status_code} {response.text[:200]}")
                return
            with self._lock:
                self.repeated += 1
            # Goes on also after the end: an order that was begun gets its answer.
            time.sleep(REPEAT_AFTER_SECONDS)
        with self._lock:
            self.unanswered.append(key)
