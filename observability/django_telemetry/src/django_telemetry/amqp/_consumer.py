"""A consumer of one queue, with acknowledgement, redelivery pauses and dead-lettering."""

from __future__ import annotations

import itertools
import logging
import re
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import pika
from django.db import close_old_connections
from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

from django_telemetry import _client_values, errors
from django_telemetry._guard import internal_error
from django_telemetry._ids import accept_request_id, exemplar_of, hex_ids
from django_telemetry._plain import exception_text, name_of
from django_telemetry._unit import Unit
from django_telemetry._work import context_for
from django_telemetry.conf import get_config
from django_telemetry.context import span_context_of
from django_telemetry.deadlines import Deadline
from django_telemetry.edges import Call, DependencyError, declare
from django_telemetry.logs import AccessLog
from django_telemetry.metrics import Family, messages_dead_lettered_total, messaging_process_duration_seconds
from django_telemetry.redaction import MAX_MESSAGE, redact_failure
from django_telemetry.retries import Backoff
from django_telemetry.tracing import get_tracing

from ._connection import (
    BROKER_FAILURES,
    CONNECT_TIMEOUT,
    SYSTEM,
    TimedOut,
    close,
    connect,
    drop,
    limited,
    measured,
    shown,
)

logger = logging.getLogger(__name__)

_RECONNECT = Backoff(first=0.75, most=12.0)
REASON_HEADER = "x-error-reason"
DEAD_LETTER_EXCHANGE = "dead-letters"
MAX_DELIVERIES = 5
# The pauses between five deliveries span about 15 seconds.
REDELIVERY = Backoff(first=1.0, most=15.0)


@dataclass(frozen=True, slots=True)
class Message:
    """A delivered message. ``delivery_count`` is the number of earlier deliveries: 0 for the first."""

    body: bytes
    message_id: str
    routing_key: str
    delivery_count: int
    headers: Mapping[str, Any] = field(default_factory=dict)


class Reject(Exception):
    """Raised by a handler for a message that a retry can't fix; the message goes to the dead-letter queue."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Handler = Callable[[Message], None]


class Consumer:
    """Consumes one queue, one message at a time, until stop().

    When the handler returns, the message is acknowledged. When it raises Reject, the message is published with confirm
    to the dead-letter exchange, with the queue's name as routing key and the reason in ``x-error-reason``, and then
    acknowledged. After any other exception it is requeued after a pause by ``backoff``; the fifth delivery is
    dead-lettered with ``delivery_limit: <exception>``. The consumer takes no other message during the pause, and stop()
    ends the pause. The handler continues the message's trace.

    A lost connection is reopened with growing, jittered pauses. The broker redelivers what was not acknowledged, so
    handlers must be idempotent. ``reject_reasons`` lists the handler's known reasons; their counters start at 0.
    """

    def __init__(  # noqa: PLR0913 - public, and all but the first three are keyword-only with defaults
        self,
        url: str,
        queue: str,
        handler: Handler,
        *,
        prefetch: int = 8,
        max_deliveries: int = MAX_DELIVERIES,
        backoff: Backoff = REDELIVERY,
        dead_letter_exchange: str = DEAD_LETTER_EXCHANGE,
        on_dead_letter: Callable[[Message, str], None] | None = None,
        dependency: str = "rabbitmq",
        setup: Callable[[BlockingChannel], None] | None = None,
        reject_reasons: Iterable[str] = (),
    ) -> None:
        self._url = url
        self._queue = queue
        self._handler = handler
        self._prefetch = prefetch
        self._max_deliveries = max_deliveries
        self._backoff = backoff
        self._dead_letter_exchange = dead_letter_exchange
        self._on_dead_letter = on_dead_letter
        self._dependency = dependency
        self._setup = setup
        # Set by stop() and by the signal handlers; a handler that waits may check it.
        self.stopping = threading.Event()
        self.connected = threading.Event()
        # Consecutive failures since the last connection.
        self._failures = 0
        self._durations = Family(messaging_process_duration_seconds)
        self._dead_lettered = Family(messages_dead_lettered_total)
        # A series that starts at 1 has no increase: an alert would miss the first dead letter of each kind.
        for reason in ("delivery_limit", *reject_reasons):
            self._dead_lettered.ensure(queue, reason)
        for outcome in ("ok", "requeued", "rejected"):
            self._durations.ensure(queue, outcome)
        declare(dependency, "amqp", "connect", f"{queue} ack", f"{dead_letter_exchange} publish")
        config = get_config()
        self._tracing = get_tracing()
        self._timeout = config.request_timeout
        self._slow = config.slow_routes.get(queue, config.slow_request)
        self._access = AccessLog(config)

    def stop(self) -> None:
        """Finish the current message, then return from run(). May be called from any thread or a signal handler."""
        self.stopping.set()

    def run(self) -> None:
        """Consume until stop(), SIGTERM or SIGINT. Installs the signal handlers only in the main thread."""
        previous: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():

            def on_signal(_number: int, _frame: FrameType | None) -> None:
                self.stopping.set()

            previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            while not self.stopping.is_set():
                try:
                    self._consume_until_stopped()
                except (*BROKER_FAILURES, DependencyError, TimedOut) as exc:
                    pause = _RECONNECT.pause(self._failures)
                    self._failures += 1
                    logger.warning(
                        "The connection to %s for queue %s failed (%s); trying again in %.1f s.",
                        self._dependency,
                        self._queue,
                        type(exc).__name__,
                        pause,
                    )
                    self.stopping.wait(pause)
        finally:
            for stop_signal, handler in previous.items():
                signal.signal(stop_signal, handler)

    def _consume_until_stopped(self) -> None:
        connection = connect(self._url, self._dependency, CONNECT_TIMEOUT)
        clean = False
        try:
            with limited(connection, 10.0):
                channel = connection.channel()
                publisher = connection.channel()
                publisher.confirm_delivery()
                if self._setup is not None:
                    self._setup(channel)
                channel.basic_qos(prefetch_count=self._prefetch)
            self.connected.set()
            self._failures = 0
            # The short inactivity timeout makes stop() effective while the queue is empty.
            for method, properties, body in channel.consume(self._queue, inactivity_timeout=0.5):
                if method is not None:
                    self._process(connection, channel, publisher, method, properties, body)
                if self.stopping.is_set():
                    break
            clean = True
        finally:
            self.connected.clear()
            if clean:
                close(connection)
            else:
                drop(connection)

    def _process(
        self,
        connection: BlockingConnection,
        channel: BlockingChannel,
        publisher: BlockingChannel,
        method: Any,
        properties: Any,
        body: bytes,
    ) -> None:
        headers: dict[str, Any] = dict(properties.headers or {})
        count = headers.get("x-delivery-count")
        message = Message(
            body,
            str(properties.message_id or ""),
            str(method.routing_key or ""),
            count if isinstance(count, int) else int(bool(method.redelivered)),
            headers,
        )
        unit = self._begin(message)
        token = otel_context.attach(context_for(unit.work))
        outcome, reason = "ok", ""
        error: Exception | None = None
        try:
            with errors.isolated_scope():
                close_old_connections()
                try:
                    self._handler(message)
                except Reject as exc:
                    outcome, error, reason = "rejected", exc, exc.reason
                except Exception as exc:
                    error = exc
                    errors.capture_exception(exc)
                    outcome = "requeued"
                    if message.delivery_count + 1 >= self._max_deliveries:
                        outcome, reason = "rejected", f"delivery_limit: {type(exc).__name__}"
                finally:
                    close_old_connections()
            if outcome == "requeued":
                logger.warning(
                    "Message %s of queue %s failed and is put back.",
                    shown(message.message_id),
                    self._queue,
                    exc_info=error,
                )
                # The broker redelivers at once: without a pause, a one-second fault would use up all deliveries.
                self._pause(connection, self._backoff.pause(message.delivery_count))
                self._settle(connection, lambda: channel.basic_nack(method.delivery_tag, requeue=True))
            else:
                if outcome == "rejected":
                    self._dead_letter(connection, publisher, properties, message, reason, error)
                self._settle(connection, lambda: channel.basic_ack(method.delivery_tag))
        finally:
            self._finish(unit, message, outcome, error)
            otel_context.detach(token)

    def _pause(self, connection: BlockingConnection, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stopping.is_set() and (left := end - time.monotonic()) > 0:
            connection.sleep(min(left, 0.2))

    def _settle(self, connection: BlockingConnection, acknowledge: Callable[[], None]) -> None:
        with measured(self._dependency, f"{self._queue} ack"), limited(connection, CONNECT_TIMEOUT):
            acknowledge()

    def _dead_letter(
        self,
        connection: BlockingConnection,
        publisher: BlockingChannel,
        properties: Any,
        message: Message,
        reason: str,
        error: BaseException | None,
    ) -> None:
        """Publish the message to the dead-letter exchange and acknowledge it only after the confirm."""
        operation = f"{self._dead_letter_exchange} publish"
        attributes = {
            "messaging.system": SYSTEM,
            "messaging.operation.type": "send",
            "messaging.operation.name": "publish",
            "messaging.destination.name": self._dead_letter_exchange,
            "messaging.rabbitmq.destination.routing_key": self._queue,
            "messaging.message.id": shown(message.message_id),
        }
        safe_reason = redact_failure(reason, 512)
        with Call(self._dependency, "amqp", operation, kind=SpanKind.PRODUCER, attributes=attributes) as call:
            kept = {key: value for key, value in message.headers.items() if key != "x-delivery-count"}
            kept.update({key.lower(): value for key, value in call.propagation().items()})
            kept[REASON_HEADER] = safe_reason
            kept["x-original-routing-key"] = message.routing_key
            dead = pika.BasicProperties(
                content_type=properties.content_type,
                delivery_mode=2,
                message_id=properties.message_id,
                headers=kept,
                timestamp=properties.timestamp,
            )
            with limited(connection, CONNECT_TIMEOUT):
                publisher.basic_publish(self._dead_letter_exchange, self._queue, message.body, dead, mandatory=True)
        self._dead_lettered[(self._queue, _reason_kind(safe_reason))].inc()
        logger.error(
            "Message %s of queue %s went to the dead letters: %s",
            shown(message.message_id),
            self._queue,
            safe_reason,
            exc_info=error if not isinstance(error, Reject) else None,
        )
        if self._on_dead_letter is not None:
            self._on_dead_letter(message, safe_reason)

    def _begin(self, message: Message) -> Unit:
        """Start the consumer span and the unit of work around the handler."""
        stored = {key.lower(): value for key, value in message.headers.items() if isinstance(value, str)}
        unit = Unit(
            self._tracing,
            f"{self._queue} process",
            SpanKind.CONSUMER,
            # Publishers have authenticated to the broker, so their trace context is trusted.
            span_context_of(stored),
            request_id=accept_request_id(stored.get("x-request-id")),
            deadline=Deadline.after(self._timeout),
        )
        unit.work.received = lambda: (
            None,
            itertools.chain(_client_values.of_body(message.body), _client_values.of_pairs(message.headers.items())),
        )
        return unit

    def _finish(self, unit: Unit, message: Message, outcome: str, error: BaseException | None) -> None:
        """End the span, and write the sample and the access line. Never raises."""
        elapsed = unit.elapsed()
        try:
            self._emit(unit, message, outcome, error, elapsed)
        except Exception:
            internal_error("traces", "the end of a message")
            unit.end(elapsed, {}, failed=error is not None)

    def _emit(self, unit: Unit, message: Message, outcome: str, error: BaseException | None, elapsed: int) -> None:
        if error is not None or elapsed > self._slow * 1e9:
            unit.work.keep()
        exemplar = exemplar_of(unit.context) if unit.sampled else None
        self._durations[(self._queue, outcome)].observe(elapsed / 1e9, exemplar)
        about: dict[str, Any] = {
            "request.id": unit.work.request_id,
            "messaging.destination.name": self._queue,
            "messaging.message.id": shown(message.message_id),
            "messaging.rabbitmq.destination.routing_key": shown(message.routing_key),
        }
        if error is not None:
            about["error.type"] = name_of(type(error))
        if self._access.enabled():
            fields = {
                **about,
                "event.duration": elapsed,
                "event.outcome": "success" if error is None else "failure",
            }
            self._access.write(f"{self._queue} {outcome}", fields, hex_ids(unit.context), sampled=unit.sampled)
        attributes = {
            **about,
            "messaging.system": SYSTEM,
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.message.body.size": len(message.body),
            "messaging.rabbitmq.delivery_count": message.delivery_count,
        }
        text = None
        if error is not None:
            text = redact_failure(f"{name_of(type(error))}: {exception_text(error, 2 * MAX_MESSAGE)}", 256)
        unit.end(elapsed, attributes, failed=error is not None, error=error, text=text)


def _reason_kind(reason: str) -> str:
    """A reason as a label value: its text up to the first colon if that is a valid name, else ``other``."""
    kind = reason.partition(":")[0].strip().lower().replace(" ", "_")
    return kind if re.fullmatch(r"[a-z][a-z0-9_]{0,39}", kind) else "other"
