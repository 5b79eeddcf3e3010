"""The gRPC server: threads, limits, interceptors, health, start and stop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent import futures

import grpc
from contracts.inventory.v1 import inventory_pb2_grpc
from django_telemetry.grpc import server_interceptors
from grpc_health.v1 import health_pb2_grpc

from stock.rpc.authentication import ServiceTokenInterceptor
from stock.rpc.health import HealthServicer
from stock.rpc.housekeeping import Housekeeper
from stock.rpc.servicer import InventoryServicer

logger = logging.getLogger(__name__)

MAX_WORKERS = 8
# Further calls are rejected at once with RESOURCE_EXHAUSTED, because they would wait longer than any caller does.
MAX_CONCURRENT_RPCS = 64
MAX_MESSAGE_BYTES = 64 * 1024
STOP_GRACE_SECONDS = 20.0

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", 16 * 1024),
    # A second server on the same port is a mistake to report, not a way to share the port.
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


class Server:
    """inventory.v1.Inventory and grpc.health.v1 on one port, and the housekeeping thread."""

    def __init__(self, host: str, port: int, tokens: Mapping[str, str]) -> None:
        self.health = HealthServicer()
        self._housekeeper = Housekeeper(self.health)
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=MAX_WORKERS, thread_name_prefix="grpc"),
            interceptors=[*server_interceptors(tokens), ServiceTokenInterceptor(tokens)],
            options=OPTIONS,
            maximum_concurrent_rpcs=MAX_CONCURRENT_RPCS,
        )
        inventory_pb2_grpc.add_InventoryServicer_to_server(InventoryServicer(), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        # RuntimeError when the port is in use.
        self.port: int = self._server.add_insecure_port(f"{host}:{port}")

    def start(self) -> None:
        """Start serving. Reports NOT_SERVING until the first round of housekeeping has reached the database."""
        self._server.start()
        self._housekeeper.start()
        logger.info("gRPC server started", extra={"server.port": self.port})

    def stop(self, grace: float = STOP_GRACE_SECONDS) -> None:
        """Report NOT_SERVING, reject new calls, let calls in flight finish within `grace` seconds, then cancel them."""
        self.health.enter_graceful_shutdown()
        logger.info("gRPC server stopping")
        self._server.stop(grace).wait()
        self._housekeeper.stop(timeout=5)
        logger.info("gRPC server stopped")
