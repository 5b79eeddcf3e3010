"""The reconciler: a process that regularly compares the incidents with Alertmanager's current alerts.

Notifications open and resolve incidents. Which alerts are muted, and that an alert ended without a notification, is
only in Alertmanager's API. No page does this: reading must not change anything, and incidents must advance while no
page is open.
"""

from __future__ import annotations

import logging
import threading

from backends import alertmanager
from backends.errors import BackendDown
from django.db import OperationalError, connection

from incidents import ingest, metrics

logger = logging.getLogger(__name__)

EVERY_SECONDS = 5.0


class Reconciler:
    """Runs a round every `every` seconds until `stop` is set. Several instances may run at the same time."""

    def __init__(self, stop: threading.Event, every: float = EVERY_SECONDS) -> None:
        self._stop = stop
        self._every = every
        self._is_working = True

    def run(self) -> None:
        """Run until `stop`; the current round is finished first."""
        while not self._stop.is_set():
            try:
                self.round()
            finally:
                connection.close()  # return the connection to the pool until the next round
            self._stop.wait(self._every)

    def round(self) -> None:
        """Reconcile once. A failed round changes nothing; the next one does the same again."""
        try:
            changed = ingest.reconcile(alertmanager.client().alerts())
        except (BackendDown, OperationalError) as error:
            metrics.alert_reconciliations_total.labels(metrics.FAILED).inc()
            if self._is_working:
                logger.warning("Incidents can't be reconciled; trying again until they can", exc_info=error)
            self._is_working = False
            return
        metrics.alert_reconciliations_total.labels(metrics.DONE).inc()
        if changed:
            logger.info("Reconciled %d incidents", len(changed))
        if not self._is_working:
            logger.info("Incidents can be reconciled again")
        self._is_working = True
