"""Background work of the gRPC process: check the database, expire reservations, measure the stock."""

from __future__ import annotations

import logging
import threading

from django.db import DatabaseError, close_old_connections
from django_telemetry.context import unit_of_work
from django_telemetry.deadlines import Deadline

from stock import domain, metrics
from stock.rpc.health import HealthServicer, missing_dependencies

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 2.0
SWEEP_DEADLINE_SECONDS = 5.0


class Housekeeper(threading.Thread):
    """A thread that runs one round every two seconds until it is stopped. Several processes may each run one."""

    def __init__(self, health: HealthServicer, interval: float = INTERVAL_SECONDS) -> None:
        super().__init__(name="housekeeper")
        self._health = health
        self._interval = interval
        self._stopping = threading.Event()

    def run(self) -> None:
        """Run rounds until stop()."""
        while not self._stopping.is_set():
            self.round()
            self._stopping.wait(self._interval)

    def round(self) -> None:
        """Run one round. A failure is logged, and the next round tries again."""
        close_old_connections()
        try:
            missing = missing_dependencies()
            # While stopping, the server has already reported NOT_SERVING permanently.
            self._health.report(serving=not missing)
            if not missing:
                self._sweep()
                for level, count in domain.stock_levels().items():
                    metrics.stock_products.labels(level).set(count)
        except (DatabaseError, domain.StockBusy, domain.DeadlinePassed):
            logger.warning("Housekeeping was cut short; the next round goes on", exc_info=True)
        finally:
            close_old_connections()

    def stop(self, timeout: float) -> None:
        """Finish the current round and stop; waits at most `timeout` seconds."""
        self._stopping.set()
        if self.is_alive():
            self.join(timeout)

    def _sweep(self) -> None:
        if domain.has_overdue():
            with unit_of_work("expire reservations"):
                domain.expire_overdue(Deadline.after(SWEEP_DEADLINE_SECONDS))
