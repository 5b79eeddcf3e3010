"""AMQP: a publisher that waits for the broker's confirm, and a consumer that loses nothing."""

from __future__ import annotations

import itertools
import logging
import re
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter_ns
from types import FrameType
from typing import Any

import pika
from django.db import close_old_connections
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError, NackError, UnroutableError

from . import _taint, errors
from ._ids import accept_request_id, exemplar_of, hex_ids
from ._unit import Unit
from ._url import HIDDEN
from ._work import context_for
from .conf import get_config
from .context import span_context_of
from .deadlines import Deadline, current_deadline
from .edges import (
    OK,
    TIMEOUT,
    Call,
    DependencyError,
    DependencyRefused,
    DependencyRejected,
    DependencyTimeout,
    declare,
    observe_call,
    outcome_of,
)
from .logs import AccessLog
from .metrics import Family, messages_dead_lettered_total, messaging_process_duration_seconds
from .redaction import redact_failure, redact_text
from .retries import Backoff
from .tracing import get_tracing

__all__ = ["BROKER_FAILURES", "Backoff", "Consumer", "Message", "Publisher", "Reject", "broker_failure"]

logger = logging.getLogger(__name__)

_SYSTEM = "rabbitmq"
_CONNECT_TIMEOUT = 5.0
_RECONNECT = Backoff(first=0.75, most=12.0)
_HEARTBEAT = 30
_NAME = re.compile(r"[A-Za-z0-9._:#*/-]{0,255}\Z", re.ASCII)
REASON_HEADER = "x-error-reason"
DEAD_LETTER_EXCHANGE = "dead-letters"
MAX_DELIVERIES = 5
# The pauses between five deliveries span about 15 seconds.
REDELIVERY = Backoff(first=1.0, most=15.0)


# What pika raises when the broker is away. A broker that accepts the connection and says nothing makes it raise
# something that is no AMQPError.
BROKER_FAILURES = (AMQPError, AMQPConnectorException, OSError)


class _TimedOut(Exception):
    """Raised out of pika's event loop when a broker doesn't answer in time."""


def broker_failure(dependency: str, operation: str, exc: Exception) -> DependencyError:
    """What one of BROKER_FAILURES means: DependencyTimeout or DependencyRefused."""
    timed_out = "timeout" in type(exc).__name__.lower() or "timed out" in str(exc)
    return (DependencyTimeout if timed_out else DependencyRefused)(dependency, operation, type(exc).__name__)


def _connect(url: str, dependency: str, timeout: float) -> BlockingConnection:
    """Open a connection in ``timeout`` seconds. Raises DependencyTimeout or DependencyRefused."""
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = timeout
    parameters.stack_timeout = timeout
    parameters.blocked_connection_timeout = timeout
    parameters.heartbeat = _HEARTBEAT
    parameters.connection_attempts = 1
    parameters.client_properties = {"connection_name": get_config().instance_id}
    with _measured(dependency, "connect"):
        try:
            return BlockingConnection(parameters)
        except BROKER_FAILURES as exc:
            raise broker_failure(dependency, "connect", exc) from exc


@contextmanager
def _measured(dependency: str, operation: str) -> Iterator[None]:
    """Add a sample to the edge, without a span: connecting is not part of any one unit of work."""
    start = perf_counter_ns()
    outcome = OK
    try:
        yield
    except _TimedOut:
        outcome = TIMEOUT
        raise
    except BROKER_FAILURES as exc:
        outcome = broker_failure(dependency, operation, exc).outcome
        raise
    except Exception as exc:
        outcome = outcome_of(exc)
        raise
    finally:
        observe_call(dependency, "amqp", operation, outcome, (perf_counter_ns() - start) / 1e9)


@contextmanager
def _limit(connection: BlockingConnection, seconds: float) -> Iterator[None]:
    """Bound whatever blocking call is made inside.

    pika's blocking calls run its event loop until they are answered and take no timeout; a timer in that very loop
    that raises ends them. The connection is unusable afterwards.
    """

    def expire() -> None:
        raise _TimedOut

    loop = connection._impl.ioloop
    timer = loop.call_later(max(seconds, 0.001), expire)
    try:
        yield
    finally:
        loop.remove_timeout(timer)


def _drop(connection: BlockingConnection | None) -> None:
    """Close ``connection`` without waiting for the broker."""
    if connection is None:
        return
    try:
        transport = connection._impl._transport
        if transport is not None:
            transport.abort()
        connection._cleanup()
    except Exception:
        # It is being thrown away, in whatever state it is.
        logger.debug("A broken broker connection did not close cleanly.", exc_info=True)


def _close(connection: BlockingConnection | None, seconds: float = 2.0) -> None:
    """Close ``connection`` properly when the broker answers in time, else anyhow."""
    if connection is None or not connection.is_open:
        return
    try:
        with _limit(connection, seconds):
            connection.close()
    except Exception:
        _drop(connection)


class Publisher:
    """Publishes persistent messages and returns when the broker has confirmed them. Thread-safe, connects at need."""

    def __init__(
        self, url: str, dependency: str = "rabbitmq", *, setup: Callable[[BlockingChannel], None] | None = None
    ) -> None:
        """``setup`` is called with the channel of each new connection, to declare exchanges and queues.

        It is measured as the edge's operation ``setup``.
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

    def connect(self, timeout: float = _CONNECT_TIMEOUT) -> None:
        """Connect and run ``setup`` now, within ``timeout`` seconds, instead of at the first publish.

        Does nothing while there is a connection. Raises DependencyTimeout or DependencyRefused.
        """
        deadline = Deadline.after(timeout)
        with self._locked(deadline, "connect"):
            try:
                self._ready(deadline)
            except _TimedOut as exc:
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
        that stored it, not to the loop that publishes. ``mandatory`` makes a message that no queue takes an error.
        Raises DependencyTimeout, DependencyRefused, or DependencyRejected (deadline passed, nothing sent). After a
        timeout or a broken connection the message may have arrived: publish it again with the same ``message_id``.
        """
        stored = span_context_of(trace_context)
        operation = f"{exchange or 'default'} publish"
        attributes = {
            "messaging.system": _SYSTEM,
            "messaging.operation.type": "send",
            "messaging.operation.name": "publish",
            "messaging.destination.name": exchange,
            "messaging.rabbitmq.destination.routing_key": _shown(routing_key),
            "messaging.message.id": _shown(message_id),
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
        # An idle connection may have died unnoticed: the first failure on an old one is tried once more on a new one.
        for fresh in (False, True):
            reused = self._channel is not None and not fresh
            try:
                channel = self._ready(deadline)
                with _limit(channel.connection, deadline.remaining()):
                    channel.basic_publish(exchange, routing_key, body, properties, mandatory=mandatory)
                return
            except _TimedOut as exc:
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
        timeout = min(_CONNECT_TIMEOUT, max(deadline.remaining(), 0.01))
        connection = _connect(self._url, self._dependency, timeout)
        self._connection = connection
        with _limit(connection, deadline.remaining()):
            channel = connection.channel()
            if self._setup is not None:
                with _measured(self._dependency, "setup"):
                    self._setup(channel)
            channel.confirm_delivery()
        self._channel = channel
        return channel

    def _forget(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        _drop(connection)

    def keep_alive(self) -> None:
        """Answer the broker's heartbeats; call it every few seconds from a loop that publishes rarely. Never raises."""
        with self._lock:
            if self._connection is None:
                return
            try:
                with _limit(self._connection, 1.0):
                    self._connection.process_data_events(0)
            except (*BROKER_FAILURES, _TimedOut):
                self._forget()

    def close(self) -> None:
        """Close the connection, waiting at most 2 s for the broker."""
        with self._lock:
            connection, self._connection, self._channel = self._connection, None, None
            _close(connection)


@dataclass(frozen=True, slots=True)
class Message:
    """A delivered message. ``delivery_count`` is how often it was delivered before: 0 at the first time."""

    body: bytes
    message_id: str
    routing_key: str
    delivery_count: int
    headers: Mapping[str, Any] = field(default_factory=dict)


class Reject(Exception):
    """Raised by a handler for a message that no further try will help; it goes to the dead-letter queue."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Handler = Callable[[Message], None]


class Consumer:
    """Consumes one queue, one message at a time, until it is told to stop.

    The handler returns: acknowledged. It raises Reject: published, confirmed, to the dead-letter exchange with the
    queue's name as routing key and the reason in ``x-error-reason``, then acknowledged. Anything else: put back after
    a pause by ``backoff``, and at the fifth delivery dead-lettered with ``delivery_limit: <exception>``. The consumer
    takes no other message during the pause, and stop() ends it. The message's trace goes on in the handler.

    A lost connection is opened again with growing, jittered pauses; the broker delivers again what was not
    acknowledged, so handlers must be idempotent. ``reject_reasons`` are those that the handler is known to reject for:
    their counters start at 0.
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
        # Set by stop() and by the signals; a handler that waits may watch it.
        self.stopping = threading.Event()
        self.connected = threading.Event()
        self._durations = Family(messaging_process_duration_seconds)
        self._dead_lettered = Family(messages_dead_lettered_total)
        # A series that is born at 1 has no increase: an alert would miss the first dead letter of each kind.
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
        """Finish the message in hand, then leave run(). From any thread or a signal handler."""
        self.stopping.set()

    def run(self) -> None:
        """Consume until stop(), SIGTERM or SIGINT. In the main thread the signals are handled here."""
        previous: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():

            def on_signal(_number: int, _frame: FrameType | None) -> None:
                self.stopping.set()

            previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        failures = 0
        try:
            while not self.stopping.is_set():
                try:
                    self._consume_until_stopped()
                    failures = 0
                except (*BROKER_FAILURES, DependencyError, _TimedOut) as exc:
                    was_connected = self.connected.is_set()
                    self.connected.clear()
                    failures = 1 if was_connected else failures + 1
                    pause = _RECONNECT.pause(failures - 1)
                    logger.warning(
                        "The connection to %s for queue %s failed (%s); trying again in %.1f s.",
                        self._dependency,
                        self._queue,
                        type(exc).__name__,
                        pause,
                    )
                    self.stopping.wait(pause)
        finally:
            self.connected.clear()
            for stop_signal, handler in previous.items():
                signal.signal(stop_signal, handler)

    def _consume_until_stopped(self) -> None:
        connection = _connect(self._url, self._dependency, _CONNECT_TIMEOUT)
        clean = False
        try:
            with _limit(connection, 10.0):
                channel = connection.channel()
                publisher = connection.channel()
                publisher.confirm_delivery()
                if self._setup is not None:
                    self._setup(channel)
                channel.basic_qos(prefetch_count=self._prefetch)
            self.connected.set()
            # The short inactivity timeout is what lets a stop be noticed while the queue is quiet.
            for method, properties, body in channel.consume(self._queue, inactivity_timeout=0.5):
                if method is not None:
                    self._process(connection, channel, publisher, method, properties, body)
                if self.stopping.is_set():
                    break
            clean = True
        finally:
            self.connected.clear()
            if clean:
                _close(connection)
            else:
                _drop(connection)

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
                    _shown(message.message_id),
                    self._queue,
                    exc_info=error,
                )
                # The broker delivers again at once: a fault that lasts a second would use up all deliveries.
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
        with _measured(self._dependency, f"{self._queue} ack"), _limit(connection, _CONNECT_TIMEOUT):
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
        """Publish the message to the dead-letter exchange; acknowledge it only after the confirm."""
        operation = f"{self._dead_letter_exchange} publish"
        attributes = {
            "messaging.system": _SYSTEM,
            "messaging.operation.type": "send",
            "messaging.operation.name": "publish",
            "messaging.destination.name": self._dead_letter_exchange,
            "messaging.rabbitmq.destination.routing_key": self._queue,
            "messaging.message.id": _shown(message.message_id),
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
            with _limit(connection, _CONNECT_TIMEOUT):
                publisher.basic_publish(self._dead_letter_exchange, self._queue, message.body, dead, mandatory=True)
        self._dead_lettered[(self._queue, _reason_kind(safe_reason))].inc()
        logger.error(
            "Message %s of queue %s went to the dead letters: %s",
            _shown(message.message_id),
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
            # Clients that may publish to this queue have authenticated to the broker, so their context is trusted.
            span_context_of(stored),
            request_id=accept_request_id(stored.get("x-request-id")),
            deadline=Deadline.after(self._timeout),
        )
        unit.work.received = lambda: itertools.chain(
            _taint.of_body(message.body), _taint.of_pairs(message.headers.items())
        )
        return unit

    def _finish(self, unit: Unit, message: Message, outcome: str, error: BaseException | None) -> None:
        """End the span, and write the sample and the access line."""
        elapsed = unit.elapsed()
        if error is not None or elapsed > self._slow * 1e9:
            unit.work.keep()
        exemplar = exemplar_of(unit.context) if unit.sampled else None
        self._durations[(self._queue, outcome)].observe(elapsed / 1e9, exemplar)
        about: dict[str, Any] = {
            "request.id": unit.work.request_id,
            "messaging.destination.name": self._queue,
            "messaging.message.id": _shown(message.message_id),
            "messaging.rabbitmq.destination.routing_key": _shown(message.routing_key),
        }
        if error is not None:
            about["error.type"] = type(error).__qualname__
        if self._access.enabled():
            fields = {
                **about,
                "event.duration": elapsed,
                "event.outcome": "success" if error is None else "failure",
            }
            self._access.write(f"{self._queue} {outcome}", fields, hex_ids(unit.context), sampled=unit.sampled)
        attributes = {
            **about,
            "messaging.system": _SYSTEM,
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.message.body.size": len(message.body),
            "messaging.rabbitmq.delivery_count": message.delivery_count,
        }
        text = redact_failure(f"{type(error).__name__}: {error}", 256) if error is not None else None
        unit.end(elapsed, attributes, failed=error is not None, error=error, text=text)


def _shown(name: str) -> str:
    """A message id or routing key as telemetry shows it: hidden when it has characters that names don't have."""
    return redact_text(name) if _NAME.match(name) else HIDDEN


def _reason_kind(reason: str) -> str:
    """A reason as a label: its text up to the first colon, when that looks like a name, else ``other``."""
    kind = reason.partition(":")[0].strip().lower().replace(" ", "_")
    return kind if re.fullmatch(r"[a-z][a-z0-9_]{0,39}", kind) else "other"
