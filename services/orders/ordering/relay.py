"""The relay: publishes events from the outbox to the broker, at least once and in order."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import psycopg
from contracts.events import ORDER_CANCELLED, ORDER_CONFIRMED
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone
from django_telemetry.context import unit_of_work
from django_telemetry.edges import DependencyError
from django_telemetry.metrics import counter, start_at_zero
from django_telemetry.retries import Backoff

from ordering.broker import Broker
from ordering.health import Health
from ordering.models import OutboxEvent
from ordering.outbox import CHANNEL
from ordering.timing import Timing

logger = logging.getLogger(__name__)

BATCH_SIZE = 50
# A batch ends after this long even when the broker is slow: its rows are locked and its transaction is open.
BATCH_SECONDS = 5.0
BACKOFF = Backoff(first=0.2, most=5.0)

outbox_published_total = counter("outbox_published_total", "Events that the broker has confirmed, by type.", ["type"])
start_at_zero(outbox_published_total, [ORDER_CONFIRMED, ORDER_CANCELLED])


def publish_batch(broker: Broker) -> int:
    """Publish the oldest unpublished events, each confirmed by the broker before it is marked; returns their number.

    Raises DependencyError when the broker rejects one; those confirmed before it are marked.

    The rows are locked meanwhile: other relays skip them, and if this process dies the database unlocks them at once.
    A crash between confirm and commit causes a second publish: consumers deduplicate by event id.
    """
    confirmed: list[OutboxEvent] = []
    failure: DependencyError | None = None
    with transaction.atomic():
        batch = (
            OutboxEvent.objects.select_for_update(skip_locked=True)
            .filter(published_at__isnull=True)
            .order_by("created_at", "id")[:BATCH_SIZE]
        )
        until = time.monotonic() + BATCH_SECONDS
        for event in batch:
            # Publishing continues the trace of the request that wrote the event.
            with unit_of_work("relay event", parent=event.carrier):
                failure = _publish(broker, event)
            if failure is not None:
                OutboxEvent.objects.filter(pk=event.pk).update(attempts=F("attempts") + 1)
                break
            confirmed.append(event)
            if time.monotonic() > until:
                break
        if confirmed:
            OutboxEvent.objects.filter(pk__in=[event.pk for event in confirmed]).update(
                published_at=timezone.now(), attempts=F("attempts") + 1
            )
    for event in confirmed:
        outbox_published_total.labels(event.type).inc()
    if failure is not None:
        raise failure
    return len(confirmed)


def _publish(broker: Broker, event: OutboxEvent) -> DependencyError | None:
    try:
        broker.publish(event)
    except DependencyError as error:
        return error
    logger.info(
        "Event published",
        extra={
            "order.id": event.body["subject"],
            "cloudevents.event_id": str(event.id),
            "cloudevents.event_type": event.type,
        },
    )
    return None


class Relay:
    """Publishes whenever the outbox has events, until `stop` is set."""

    def __init__(self, broker: Broker, timing: Timing, stop: threading.Event) -> None:
        self._broker = broker
        self._timing = timing
        self._stop = stop
        self._broker_health = Health("rabbitmq")
        self._database_health = Health("postgresql")
        self._listener = Listener(stop)

    def run(self) -> None:
        """Run until `stop`; the current batch is finished first."""
        failures = 0
        try:
            while not self._stop.is_set():
                if self._publish():
                    failures = 0
                    self._listener.wait(self._timing.poll_every)
                else:
                    self._stop.wait(BACKOFF.pause(failures))
                    failures += 1
        finally:
            self._listener.close()

    def _publish(self) -> bool:
        """Publish until the outbox is empty. Returns False when the broker or the database is down."""
        try:
            while not self._stop.is_set():
                self._broker.prepare()
                self._broker_health.up()
                published = publish_batch(self._broker)
                self._database_health.up()
                if not published:
                    self._broker.keep_alive()
                    return True
        except DependencyError as error:
            self._broker_health.down(error)
            return False
        except OperationalError as error:
            self._database_health.down(error)
            return False
        finally:
            connection.close()  # return the connection to the pool until there is something to publish
        return True


class Listener:
    """Waits for database notifications about new events in the outbox, on a connection of its own."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._connection: psycopg.Connection[Any] | None = None

    def wait(self, timeout: float) -> None:
        """Wait for a notification, at most `timeout` seconds. While the database is down: the full timeout."""
        try:
            if self._connection is None:
                # Events written before LISTEN are found by the caller, which queries the outbox right after this.
                self._connection = _listen()
                return
            for _ in self._connection.notifies(timeout=timeout, stop_after=1):
                pass
        except psycopg.Error:
            self.close()
            self._stop.wait(timeout)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _listen() -> psycopg.Connection[Any]:
    """Connect outside of Django's pool: the connection lives as long as the process, and has no statements to trace."""
    params = connection.get_connection_params()
    wanted = ("host", "port", "user", "password", "dbname", "connect_timeout")
    listener = psycopg.connect(**{name: params[name] for name in wanted if name in params}, autocommit=True)
    listener.execute(f"LISTEN {CHANNEL}")
    return listener
