"""RabbitMQ for the relay: exchanges and queues are declared on each new connection, publishes are confirmed."""

from __future__ import annotations

from contracts.events import EVENT_EXCHANGE, declare_topology, encode
from django_telemetry import edges
from django_telemetry.amqp import Publisher
from django_telemetry.edges import DependencyError

from ordering.models import OutboxEvent

DEPENDENCY = "rabbitmq"
PUBLISH = f"{EVENT_EXCHANGE} publish"


class Broker:
    """Connects on first use and reconnects after a failure. One per process. ``timeout`` is in seconds."""

    def __init__(self, url: str, timeout: float) -> None:
        self._timeout = timeout
        self._publisher = Publisher(url, DEPENDENCY, setup=declare_topology)
        edges.declare(DEPENDENCY, "amqp", PUBLISH)

    def prepare(self) -> None:
        """Connect and declare the topology, unless already done. Raises DependencyError."""
        self._publisher.connect(self._timeout)

    def publish(self, event: OutboxEvent) -> None:
        """Publish an event; returns once the broker has confirmed it. Raises DependencyError.

        The message carries the trace and request id of the current unit of work.
        """
        try:
            self._publisher.publish(
                EVENT_EXCHANGE,
                event.type,
                encode(event.body),
                message_id=str(event.id),
                timeout=self._timeout,
                mandatory=True,
            )
        except DependencyError:
            # Queues may be missing. A new connection declares them again.
            self._publisher.close()
            raise

    def keep_alive(self) -> None:
        """Answer heartbeats while there is nothing to publish."""
        self._publisher.keep_alive()

    def close(self) -> None:
        """Close the connection within a bounded time."""
        self._publisher.close()
