"""Queues and messages, through RabbitMQ's management API."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pika
import requests

TIMEOUT_SECONDS = 10.0
# Far above the number of messages in a dead-letter queue of a healthy platform.
MESSAGES_READ = 500


@dataclass(frozen=True)
class Message:
    """A message in a queue."""

    message_id: str
    headers: dict[str, Any]
    body: bytes


class RabbitMq:
    """The broker's management API, as the administrator."""

    def __init__(self, url: str, user: str, password: str, virtual_host: str, amqp_url: str) -> None:
        self.url = url
        self._amqp_url = amqp_url
        self._auth = (user, password)
        self._virtual_host = virtual_host

    def queue_url(self, queue: str) -> str:
        """A link to the page of a queue."""
        return f"{self.url}/#/queues/{quote(self._virtual_host, safe='')}/{quote(queue, safe='')}"

    def publish(
        self, exchange: str, routing_key: str, body: bytes, *, message_id: str, headers: dict[str, Any] | None = None
    ) -> None:
        """Publish a persistent message; fails if it can't be routed to a queue."""
        answer = self.call(
            "POST",
            f"exchanges/{self._scope}/{exchange}/publish",
            {
                "properties": {"message_id": message_id, "headers": headers or {}, "delivery_mode": 2},
                "routing_key": routing_key,
                "payload": base64.b64encode(body).decode(),
                "payload_encoding": "base64",
            },
        )
        if not answer["routed"]:
            raise AssertionError(f"no queue takes {routing_key} from {exchange}; see {self.url}/#/exchanges")

    def messages(self, queue: str) -> list[Message]:
        """Read the messages in a queue without removing them."""
        raw = self.call(
            "POST",
            f"queues/{self._scope}/{queue}/get",
            {"count": MESSAGES_READ, "ackmode": "reject_requeue_true", "encoding": "base64"},
        )
        return [
            Message(
                message["properties"].get("message_id", ""),
                message["properties"].get("headers", {}),
                base64.b64decode(message["payload"]),
            )
            for message in raw
        ]

    def remove(self, queue: str, message_id: str) -> None:
        """Remove the messages with that id from a queue; all others are requeued."""
        connection = pika.BlockingConnection(pika.URLParameters(self._amqp_url))
        channel = connection.channel()
        while True:
            method, properties, _ = channel.basic_get(queue)
            if method is None:
                break
            if properties.message_id == message_id:
                channel.basic_ack(method.delivery_tag)
        # Unacknowledged messages are requeued when the connection closes.
        connection.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API; returns the decoded response. Raises requests.HTTPError."""
        response = requests.request(
            method, f"{self.url}/api/{path}", json=body, auth=self._auth, timeout=TIMEOUT_SECONDS
        )
        response.raise_for_status()
        return response.json() if response.content else None

    @property
    def _scope(self) -> str:
        return quote(self._virtual_host, safe="")
