"""`python -m load.traffic`: steady background traffic, so that dashboards, traces and error budgets have data.

TRAFFIC_USERS users (default 2) browse and order until SIGTERM, each with 1 to 2 requests a second. They call every
service, are declined now and then, keep their accounts while the process runs, and back off while the platform is down.
One JSON line a minute.
"""

from __future__ import annotations

# First: it makes blocking calls cooperative, which must happen before anything else is imported.
import locust  # noqa: F401

# isort: split
import json
import logging
import random
import signal
import sys
import uuid
from datetime import UTC, datetime

import gevent
from gevent.event import Event
from locust import task
from locust.env import Environment

from load import settings as load_settings
from load.engine import environment_for
from load.pacing import backoff
from load.shopper import OUT_OF_STOCK_SKU, Product, Shopper

WAIT_SECONDS = (0.3, 0.9)
STATUS_EVERY_SECONDS = 60.0


class Resident(Shopper):
    """A user of the background traffic. TRAFFIC_USERS of them run, 1 to 50."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._silent = 0
        self._sold_out: Product | None = None

    def answered(self, status: int) -> None:
        """Count requests without a response. An error is a response: slowing down would hide it."""
        super().answered(status)
        self._silent = 0 if status else self._silent + 1

    def wait_time(self) -> float:
        """Seconds until the next task."""
        return backoff(self._silent) if self._silent else random.uniform(*WAIT_SECONDS)

    @task(40)
    def browse(self) -> None:
        """List the products, the most common request."""
        self.list_products()

    @task(20)
    def look_closer(self) -> None:
        """Read one product."""
        self.look_at_product(random.choice(self.known_products()))

    @task(24)
    def buy(self) -> None:
        """Place an order that succeeds, and read it."""
        self.look_at_order(self.place_order(self.fill_cart()).body["id"])

    @task(1)
    def be_declined(self) -> None:
        """Expect 402 card_declined."""
        self.place_order(self.fill_cart(), card="tok_declined", expect=402, code="card_declined")

    @task(1)
    def lack_funds(self) -> None:
        """Expect 402 insufficient_funds."""
        self.place_order(self.fill_cart(), card="tok_insufficient_funds", expect=402, code="insufficient_funds")

    @task(1)
    def want_what_is_sold_out(self) -> None:
        """Expect 409 out_of_stock."""
        self._sold_out = self._sold_out or self.find_product(OUT_OF_STOCK_SKU)
        lines = [{"product_id": self._sold_out["id"], "quantity": 1}]
        self.place_order(lines, expect=409, code="out_of_stock")

    @task(5)
    def read_mail(self) -> None:
        """Read the mails that notifications sent."""
        self.list_notifications()

    @task(4)
    def look_back(self) -> None:
        """List the user's orders."""
        self.list_orders()

    @task(4)
    def come_back(self) -> None:
        """Log in again, so that logins have samples as well."""
        self.log_in()


def status_line(environment: Environment) -> str:
    """The figures since the last reset of the statistics, as one JSON line with ECS names."""
    total = environment.stats.total
    p95 = total.get_response_time_percentile(0.95) or 0
    failures = {
        f"{error.method} {error.name}: {error.error}"[:200]: error.occurrences
        for error in list(environment.stats.errors.values())[:10]
    }
    return json.dumps(
        {
            "@timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "log.level": "warning" if failures else "info",
            "message": f"{total.num_requests} requests, {total.num_failures} failed, "
            f"{total.num_requests / STATUS_EVERY_SECONDS:.1f}/s, p95 {p95:.0f} ms",
            "service.name": "traffic",
            "event.id": str(uuid.uuid4()),
            "labels": {"failures": json.dumps(failures)} if failures else {},
        }
    )


def main() -> int:
    """Run until SIGTERM or SIGINT. Returns 2 when the settings are wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = load_settings.load()
        load_settings.refuse_remote(settings)
    except load_settings.SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopped.set)
    environment = environment_for([Resident], settings)
    runner = environment.runner
    assert runner is not None  # noqa: S101  (environment_for makes one; for the type checker)
    runner.start(settings.traffic_users, spawn_rate=1)
    while not stopped.wait(timeout=STATUS_EVERY_SECONDS):
        print(status_line(environment), flush=True)
        # Locust counts by second; without this its memory use grows for as long as the process runs.
        environment.stats.clear_all()
    runner.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
