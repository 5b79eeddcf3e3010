"""A thread-safe publisher with confirms, deadlines and trace propagation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pika
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import NackError, UnroutableError

from django_telemetry._ids import accept_request_id
from django_telemetry.context import span_context_of
from django_telemetry.deadlines import Deadline, current_deadline
from django_telemetry.edges import (
    Call,
    DependencyError,
    DependencyRefused,
    DependencyRejected,
    DependencyTimeout,
    declare,
)

from ._connection import (
    BROKER_FAILURES,
    CONNECT_TIMEOUT,
    SYSTEM,
    TimedOut,
    broker_failure,
    close,
    connect,
    drop,
    limited,
    measured,
    shown,
)


class Publisher:
    """Publishes persistent messages and returns when the broker has confirmed them. Thread-safe; connects on demand."""

    def __init__(
        self, url: str, dependency: str = "rabbitmq", *, setup: Callable[[BlockingChannel], None] | None = None
    ) -> None:
        """``setup`` is called with the channel of each new connection, to declare exchanges and queues.

        The edge metric records it as operation ``setup``.
        """
        self._url = url
        self._setup = setup
        self._dependency = dependency
        self._lock = threading.Lock()
        self._connection: BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        parameters = pika.URLParameters(url)
        self._address = {"server.address": parameters.host, "server.port": parameters.port}
        declare(dependency, "amqp", "connect", *(["setup"] if setup is not None else []))

    def connect(self, timeout: float = CONNECT_TIMEOUT) -> None:
        """Connect and run ``setup`` now, within ``timeout`` seconds, instead of at the first publish.

        Does nothing while there is a connection. Raises DependencyTimeout or DependencyRefused.
        """
        deadline = Deadline.after(timeout)
        with self._locked(deadline, "connect"):
            try:
                self._ready(deadline)
            except TimedOut as exc:
                self._forget()
                raise DependencyTimeout(self._dependency, "connect", "no answer in time") from exc
            except BROKER_FAILURES as exc:
                self._forget()
                raise broker_failure(self._dependency, "connect", exc) from exc

    def publish(  # noqa: PLR0913 - public: what AMQP's own publish takes, and a deadline and a carrier
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        message_id: str,
        headers: Mapping[str, Any] | None = None,
        timeout: float = 5.0,
        trace_context: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        mandatory: bool = False,
    ) -> None:
        """Publish one message; return once the broker has taken responsibility for it.

        ``trace_context`` is a stored carrier (``traceparent``, ``x-request-id``): the span then belongs to the work
        that stored it, not to the publishing loop. With ``mandatory``, a message that can't be routed to a queue is an
        error. Raises DependencyTimeout, DependencyRefused, or DependencyRejected (deadline passed, nothing sent). After
        a timeout or a broken connection the message may have arrived: publish it again with the same ``message_id``.
        """
        stored = span_context_of(trace_context)
        operation = f"{exchange or 'default'} publish"
        attributes = {
            "messaging.system": SYSTEM,
            "messaging.operation.type": "send",
            "messaging.operation.name": "publish",
            "messaging.destination.name": exchange,
            "messaging.rabbitmq.destination.routing_key": shown(routing_key),
            "messaging.message.id": shown(message_id),
            "messaging.message.body.size": len(body),
            **self._address,
        }
        with Call(
            self._dependency,
            "amqp",
            operation,
            kind=SpanKind.PRODUCER,
            attributes=attributes,
            parent=trace.NonRecordingSpan(stored) if stored is not None else None,
        ) as call:
            deadline = Deadline.after(timeout).earliest(current_deadline())
            if deadline.expired:
                raise DependencyRejected(self._dependency, operation, "the deadline has passed")
            carried = {key.lower(): value for key, value in call.propagation().items()}
            if trace_context and trace_context.get("x-request-id"):
                carried["x-request-id"] = accept_request_id(trace_context["x-request-id"])
            properties = pika.BasicProperties(
                content_type=content_type,
                delivery_mode=2,
                message_id=message_id,
                headers={**(headers or {}), **carried},
                timestamp=int(time.time()),
            )
            with self._locked(deadline, operation):
                self._publish(exchange, routing_key, body, properties, mandatory, deadline, operation)

    @contextmanager
    def _locked(self, deadline: Deadline, operation: str) -> Iterator[None]:
        if not self._lock.acquire(timeout=max(deadline.remaining(), 0.001)):
            raise DependencyTimeout(self._dependency, operation, "other publishes took too long")
        try:
            yield
        finally:
            self._lock.release()

    def _publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: Any,
        mandatory: bool,
        deadline: Deadline,
        operation: str,
    ) -> None:
        # An idle connection may be broken without notice, so a failure on an old one is retried once on a new one.
        for fresh in (False, True):
            reused = self._channel is not None and not fresh
            try:
                channel = self._ready(deadline)
                with limited(channel.connection, deadline.remaining()):
                    channel.basic_publish(exchange, routing_key, body, properties, mandatory=mandatory)
                return
            except TimedOut as exc:
                self._forget()
                raise DependencyTimeout(self._dependency, operation, "no confirm in time") from exc
            except UnroutableError as exc:
                raise DependencyError(self._dependency, operation, "no queue takes this message") from exc
            except NackError as exc:
                raise DependencyError(self._dependency, operation, "the broker refused the message") from exc
            except DependencyError:
                self._forget()
                raise
            except BROKER_FAILURES as exc:
                self._forget()
                if reused and not deadline.expired:
                    continue
                raise DependencyRefused(self._dependency, operation, type(exc).__name__) from exc

    def _ready(self, deadline: Deadline) -> BlockingChannel:
        if self._channel is not None and self._channel.is_open:
            return self._channel
        self._forget()
        timeout = min(CONNECT_TIMEOUT, max(deadline.remaining(), 0.01))
        connection = connect(self._url, self._dependency, timeout)
        self._connection = connection
        with limited(connection, deadline.remaining()):
            channel = connection.channel()
            if self._setup is not None:
                with measured(self._dependency, "setup"):
                    self._setup(channel)
            channel.confirm_delivery()
        self._channel = channel
        return channel

    def _forget(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        drop(connection)

    def keep_alive(self) -> None:
        """Answer the broker's heartbeats; call it every few seconds from a loop that publishes rarely. Never raises."""
        with self._lock:
            if self._connection is None:
                return
            try:
                with limited(self._connection, 1.0):
                    self._connection.process_data_events(0)
            except (*BROKER_FAILURES, TimedOut):
                self._forget()

    def close(self) -> None:
        """Close the connection, waiting at most 2 s for the broker."""
        with self._lock:
            connection, self._connection, self._channel = self._connection, None, None
            close(connection)
