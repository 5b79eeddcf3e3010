"""`manage.py consume`: records confirmed orders, until SIGTERM or SIGINT."""

from __future__ import annotations

from typing import Any

from contracts.events import declare_topology
from django.conf import settings
from django.core.management.base import BaseCommand
from django_telemetry.amqp import Consumer

from newapp.consumer import QUEUE, REJECT_REASONS, handle


class Command(BaseCommand):
    """Consumes newservice.orders."""

    help = "Records confirmed orders, until SIGTERM or SIGINT; finishes the message that it works on."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        consumer = Consumer(
            settings.RABBITMQ_URL,
            QUEUE.name,
            handle,
            # The broker counts a delivery when a consumer dies with messages it had only prefetched: have none.
            prefetch=1,
            setup=lambda channel: declare_topology(channel, (QUEUE,)),
            reject_reasons=REJECT_REASONS,
        )
        consumer.run()
