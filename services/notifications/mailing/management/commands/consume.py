"""`manage.py consume`: sends the mails about orders, until SIGTERM or SIGINT."""

from __future__ import annotations

from typing import Any

from contracts.events import declare_topology
from django.conf import settings
from django.core.mail import get_connection
from django.core.management.base import BaseCommand
from django_telemetry.amqp import Consumer

from mailing.consumer import QUEUE, REJECT_REASONS, OrderEventHandler


class Command(BaseCommand):
    """Consumes notifications.orders."""

    help = "Sends the mails about orders, until SIGTERM or SIGINT; finishes the current message."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        # A mail folder that isn't writable stops the start, rather than failing the first mail.
        get_connection()
        consumer = Consumer(
            settings.RABBITMQ_URL,
            QUEUE.name,
            OrderEventHandler(),
            # The broker counts a delivery for messages that a dead consumer had only prefetched: prefetch none.
            prefetch=1,
            setup=lambda channel: declare_topology(channel, (QUEUE,)),
            reject_reasons=REJECT_REASONS,
        )
        consumer.run()
