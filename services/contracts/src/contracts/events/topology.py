"""Exchanges, and the catalogue's queues. Each side declares what it needs at start; declaring is idempotent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import catalogue

EVENT_EXCHANGE = "events"
DEAD_LETTER_EXCHANGE = "dead-letters"
# A message that failed five times won't succeed by itself: dead-letter it with its reason and continue.
DELIVERY_LIMIT = 5


@dataclass(frozen=True)
class Queue:
    """A consumer's queue, bound to the event exchange; messages it can't handle are sent to `dead_letter_queue`."""

    name: str
    bindings: tuple[str, ...]

    @property
    def dead_letter_queue(self) -> str:
        return f"{self.name}.dead"


QUEUES = tuple(Queue(queue.name, queue.bindings) for queue in catalogue.load().queues.values())


def queue_named(name: str) -> Queue:
    """Return a queue of the catalogue. Raises KeyError for an unknown name."""
    try:
        return next(queue for queue in QUEUES if queue.name == name)
    except StopIteration:
        raise KeyError(f"{name}: no service of the catalogue consumes such a queue") from None


class Channel(Protocol):
    """The subset of pika's BlockingChannel used here."""

    def exchange_declare(self, exchange: str, exchange_type: str, *, durable: bool) -> Any: ...
    def queue_declare(self, queue: str, *, durable: bool, arguments: dict[str, Any]) -> Any: ...
    def queue_bind(self, queue: str, exchange: str, routing_key: str) -> Any: ...


def declare_topology(channel: Channel, queues: tuple[Queue, ...] = QUEUES) -> None:
    """Declare the exchanges, and for each queue the queue, its bindings and its dead-letter queue.

    Publishers declare everything too: an event published before its consumer's first start must wait, not be dropped.
    """
    channel.exchange_declare(EVENT_EXCHANGE, "topic", durable=True)
    channel.exchange_declare(DEAD_LETTER_EXCHANGE, "direct", durable=True)
    for queue in queues:
        channel.queue_declare(queue.dead_letter_queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind(queue.dead_letter_queue, DEAD_LETTER_EXCHANGE, queue.name)
        channel.queue_declare(
            queue.name,
            durable=True,
            arguments={
                "x-queue-type": "quorum",
                # The broker's own limit backs up the consumer's: it catches messages that kill the consumer itself.
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
                "x-dead-letter-routing-key": queue.name,
                # At-least-once dead lettering needs reject-publish (RabbitMQ's documentation on quorum queues).
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        )
        for binding in queue.bindings:
            channel.queue_bind(queue.name, EVENT_EXCHANGE, binding)
