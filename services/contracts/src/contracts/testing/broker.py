"""The broker as seen from outside: publish, count, and read the dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pika

from contracts.events import EVENT_EXCHANGE, Queue, declare_topology, encode


@dataclass(frozen=True)
class DeadLetter:
    """A message of a dead-letter queue."""

    body: bytes
    headers: Mapping[str, Any]

    @property
    def reason(self) -> str:
        """Return why it was dead-lettered."""
        return str(self.headers.get("x-error-reason", ""))


class Broker:
    """The test's own connection. Not thread-safe."""

    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()

    def prepare(self, queue: Queue) -> None:
        """Declare the queue with its dependent objects, and purge it."""
        declare_topology(self._channel, (queue,))
        self._channel.queue_purge(queue.name)
        self._channel.queue_purge(queue.dead_letter_queue)

    def publish(
        self, message: Mapping[str, Any] | bytes, routing_key: str, headers: Mapping[str, Any] | None = None
    ) -> None:
        """Publish an event, or any body, to the event exchange; returns once the broker has confirmed it."""
        body = message if isinstance(message, bytes) else encode(dict(message))
        message_id = str(message["id"]) if isinstance(message, Mapping) else "no-event"
        properties = pika.BasicProperties(message_id=message_id, headers=dict(headers or {}), delivery_mode=2)
        self._channel.basic_publish(EVENT_EXCHANGE, routing_key, body, properties, mandatory=True)

    def ready(self, queue: Queue) -> int:
        """Return the number of messages that wait for delivery, without unacknowledged ones."""
        return int(self._channel.queue_declare(queue.name, passive=True).method.message_count)

    def consumers(self, queue: Queue) -> int:
        """Return the number of the queue's consumers."""
        return int(self._channel.queue_declare(queue.name, passive=True).method.consumer_count)

    def dead_letter(self, queue: Queue) -> DeadLetter | None:
        """Remove and return the oldest message of the dead-letter queue; None when it is empty."""
        method, properties, body = self._channel.basic_get(queue.dead_letter_queue, auto_ack=True)
        if method is None:
            return None
        return DeadLetter(body, properties.headers or {})

    def close(self) -> None:
        self._connection.close()
