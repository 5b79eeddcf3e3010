"""`manage.py grpcserver`: serves inventory.v1.Inventory until SIGTERM or SIGINT."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django_telemetry.lifecycle import stop_event

from stock.rpc.server import Server

SIGNAL_CHECK_SECONDS = 1.0


class Command(BaseCommand):
    """Runs the gRPC server on GRPC_HOST:GRPC_PORT."""

    help = "Serves inventory.v1.Inventory over gRPC until SIGTERM."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until a stop signal, then let calls in flight finish."""
        stop = stop_event()
        try:
            server = Server(settings.GRPC_HOST, settings.GRPC_PORT, settings.SERVICE_TOKENS)
        except RuntimeError as error:
            raise CommandError(
                f"GRPC_PORT {settings.GRPC_PORT} on {settings.GRPC_HOST} can't be had: {error}"
            ) from None
        server.start()
        # Not one endless wait: a gRPC thread may receive the signal, and its handler runs when this thread wakes.
        while not stop.wait(SIGNAL_CHECK_SECONDS):
            pass
        server.stop()
