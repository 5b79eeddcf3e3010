"""`manage.py reconcile`: keeps incidents in step with Alertmanager, until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
from typing import Any

from django.core.management.base import BaseCommand
from django_telemetry.lifecycle import stop_event

from incidents.reconciler import Reconciler

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT, then finishes the current round."""

    help = "Apply what only Alertmanager's API has to the incidents: muted alerts, and ends without a notification."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        logger.info("Reconciler started")
        Reconciler(stop_event()).run()
        logger.info("Reconciler stopped")
