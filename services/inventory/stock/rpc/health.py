"""grpc.health.v1: SERVING while the database is available and the server isn't stopping."""

from __future__ import annotations

import logging
from typing import Any

import grpc
from contracts.inventory.v1 import inventory_pb2
from django.conf import settings
from django.utils.module_loading import import_string
from grpc_health.v1 import health, health_pb2

logger = logging.getLogger(__name__)

SERVICE = inventory_pb2.DESCRIPTOR.services_by_name["Inventory"].full_name


class HealthServicer(health.HealthServicer):
    """Check only. A Watch would occupy one of the few worker threads for as long as the client wants."""

    def __init__(self) -> None:
        super().__init__()
        self.report(serving=False)

    def Watch(self, request: Any, context: Any, send_response_callback: Any = None) -> Any:  # noqa: N802
        """UNIMPLEMENTED, which the health protocol allows; clients use Check instead."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "Ask by Check.")

    def report(self, *, serving: bool) -> None:
        """Set the status of the server and of its service."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in (health.OVERALL_HEALTH, SERVICE):
            self.set(name, status)


def missing_dependencies() -> list[str]:
    """Return the names of the settings.READINESS_CHECKS that fail; logs the reasons."""
    missing = []
    for dependency, path in settings.READINESS_CHECKS.items():
        try:
            import_string(path)()
        except Exception as error:
            missing.append(dependency)
            logger.warning("Not ready: %s", dependency, exc_info=error)
    return missing
