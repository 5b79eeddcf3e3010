"""Connections to the broker; every call has a timeout and is measured."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns

import pika
from pika.adapters.blocking_connection import BlockingConnection
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

from django_telemetry._url import HIDDEN
from django_telemetry.conf import get_config
from django_telemetry.edges import (
    OK,
    TIMEOUT,
    DependencyError,
    DependencyRefused,
    DependencyTimeout,
    observe_call,
    outcome_of,
)
from django_telemetry.redaction import redact_text

logger = logging.getLogger(__name__)

SYSTEM = "rabbitmq"
CONNECT_TIMEOUT = 5.0
_HEARTBEAT = 30
_NAME = re.compile(r"[A-Za-z0-9._:#*/-]{0,255}\Z", re.ASCII)

# What pika raises when the broker is unavailable. A broker that accepts the connection but never answers makes it
# raise exceptions that are not AMQPError.
BROKER_FAILURES = (AMQPError, AMQPConnectorException, OSError)


class TimedOut(Exception):
    """Raised inside pika's event loop when the broker doesn't answer in time."""


def broker_failure(dependency: str, operation: str, exc: Exception) -> DependencyError:
    """The DependencyTimeout or DependencyRefused for one of BROKER_FAILURES."""
    timed_out = "timeout" in type(exc).__name__.lower() or "timed out" in str(exc)
    return (DependencyTimeout if timed_out else DependencyRefused)(dependency, operation, type(exc).__name__)


def connect(url: str, dependency: str, timeout: float) -> BlockingConnection:
    """Open a connection within ``timeout`` seconds. Raises DependencyTimeout or DependencyRefused."""
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = timeout
    parameters.stack_timeout = timeout
    parameters.blocked_connection_timeout = timeout
    parameters.heartbeat = _HEARTBEAT
    parameters.connection_attempts = 1
    parameters.client_properties = {"connection_name": get_config().instance_id}
    with measured(dependency, "connect"):
        try:
            return BlockingConnection(parameters)
        except BROKER_FAILURES as exc:
            raise broker_failure(dependency, "connect", exc) from exc


@contextmanager
def measured(dependency: str, operation: str) -> Iterator[None]:
    """Add a sample to the edge metric, without a span: connecting is not part of one unit of work."""
    start = perf_counter_ns()
    outcome = OK
    try:
        yield
    except TimedOut:
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
def limited(connection: BlockingConnection, seconds: float) -> Iterator[None]:
    """Limit the blocking calls inside the block to ``seconds``. Raises TimedOut.

    pika's blocking calls take no timeout and run its event loop until the broker answers. A timer in the same loop
    raises to end them. The connection is unusable afterwards.
    """

    def expire() -> None:
        raise TimedOut

    loop = connection._impl.ioloop
    timer = loop.call_later(max(seconds, 0.001), expire)
    try:
        yield
    finally:
        loop.remove_timeout(timer)


def drop(connection: BlockingConnection | None) -> None:
    """Close ``connection`` without waiting for the broker."""
    if connection is None:
        return
    try:
        transport = connection._impl._transport
        if transport is not None:
            transport.abort()
        connection._cleanup()
    except Exception:
        # The connection is discarded, whatever its state.
        logger.debug("A broken broker connection did not close cleanly.", exc_info=True)


def close(connection: BlockingConnection | None, seconds: float = 2.0) -> None:
    """Close ``connection`` cleanly; without an answer from the broker in ``seconds``, drop it."""
    if connection is None or not connection.is_open:
        return
    try:
        with limited(connection, seconds):
            connection.close()
    except Exception:
        drop(connection)


def shown(name: str) -> str:
    """A message id or routing key as telemetry shows it: masked when it has characters that names don't have."""
    return redact_text(name) if _NAME.match(name) else HIDDEN
