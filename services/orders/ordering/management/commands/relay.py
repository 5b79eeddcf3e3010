"""`manage.py relay`: publishes the outbox, and completes interrupted orders."""

from __future__ import annotations

import logging
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django_telemetry.lifecycle import stop_event

from ordering.broker import Broker
from ordering.reconciler import Reconciler
from ordering.relay import Relay

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT, then finishes the current batch."""

    help = "Publish the outbox's events to the broker, and reconcile interrupted orders."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run relay and reconciler in parallel: waiting for inventory must not delay events."""
        stop = stop_event()
        broker = Broker(settings.RABBITMQ_URL, settings.TIMING.publish)
        reconciler = _ReconcilerThread(stop)
        reconciler.start()
        logger.info("Relay started")
        try:
            Relay(broker, settings.TIMING, stop).run()
        finally:
            stop.set()
            reconciler.join(timeout=10)
            broker.close()
        if reconciler.error is not None:
            raise reconciler.error
        logger.info("Relay stopped")


class _ReconcilerThread(threading.Thread):
    """Runs the reconciler beside the relay. An unexpected error stops the whole process, which is then restarted."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(name="reconciler", daemon=True)
        self.error: Exception | None = None
        self._stop_all = stop

    def run(self) -> None:
        try:
            Reconciler(settings.TIMING, self._stop_all).run()
        except Exception as error:
            self.error = error
            self._stop_all.set()
