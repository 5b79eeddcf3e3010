"""`manage.py consume`: voids the charges of cancelled orders, until SIGTERM or SIGINT."""

from __future__ import annotations

from typing import Any

from contracts.events import declare_topology
from django.conf import settings
from django.core.management.base import BaseCommand
from django_telemetry.amqp import Consumer

from charging.clients import card_provider
from charging.consumer import QUEUE, REJECT_REASONS, OrderCancelledHandler


class Command(BaseCommand):
    """Consumes payments.order-cancelled."""

    help = "Voids the charges of cancelled orders, until SIGTERM or SIGINT; finishes the current message."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        consumer = Consumer(
            settings.RABBITMQ_URL,
            QUEUE.name,
            OrderCancelledHandler(card_provider()),
            # The broker counts a delivery for messages that a dead consumer had only prefetched: prefetch none.
            prefetch=1,
            setup=lambda channel: declare_topology(channel, (QUEUE,)),
            reject_reasons=REJECT_REASONS,
        )
        consumer.run()
