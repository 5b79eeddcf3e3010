"""RabbitMQ as the relay uses it: the topology first, then publishing with confirms."""

from __future__ import annotations

import pika
from contracts.events import EVENT_EXCHANGE, declare_topology, encode
from django_telemetry import edges
from django_telemetry.amqp import BROKER_FAILURES, Publisher, broker_failure
from django_telemetry.edges import DependencyError

from ordering.models import OutboxEvent

DEPENDENCY = "rabbitmq"
PUBLISH = f"{EVENT_EXCHANGE} publish"
DECLARE = "declare topology"
# pika bounds connecting, but not what follows; a broker that falls silent then is noticed by two missed heartbeats.
_CONNECT_SECONDS = 5
_HEARTBEAT_SECONDS = 4


class Broker:
    """Connects when first needed and again after a failure. One for each process."""

    def __init__(self, url: str, publish_timeout: float) -> None:
        self._url = url
        self._publish_timeout = publish_timeout
        self._publisher = Publisher(url, DEPENDENCY)
        self._declared = False
        edges.declare(DEPENDENCY, "amqp", DECLARE, PUBLISH)

    def prepare(self) -> None:
        """Declare exchanges and queues, at the start and after each failure: it may be another, empty broker now.

        Raises DependencyError.
        """
        if not self._declared:
            _declare(self._url)
            self._declared = True

    def publish(self, event: OutboxEvent) -> None:
        """Returns when the broker has confirmed that the event is in its queues. Raises DependencyError.

        Trace and request id go along from the unit of work that this is called in.
        """
        try:
            self._publisher.publish(
                EVENT_EXCHANGE,
                event.type,
                encode(event.body),
                message_id=str(event.id),
                timeout=self._publish_timeout,
                mandatory=True,
            )
        except DependencyError:
            self._declared = False
            raise

    def keep_alive(self) -> None:
        """Answer heartbeats while there is nothing to publish."""
        self._publisher.keep_alive()

    def close(self) -> None:
        """Close the connection, in bounded time."""
        self._publisher.close()


def _declare(url: str) -> None:
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = parameters.stack_timeout = _CONNECT_SECONDS
    parameters.blocked_connection_timeout = _CONNECT_SECONDS
    parameters.heartbeat = _HEARTBEAT_SECONDS
    with edges.timed_call(DEPENDENCY, "amqp", DECLARE):
        try:
            connection = pika.BlockingConnection(parameters)
            try:
                declare_topology(connection.channel())
            finally:
                if connection.is_open:
                    connection.close()
        except BROKER_FAILURES as error:
            raise broker_failure(DEPENDENCY, DECLARE, error) from error
