"""Broker, queues, consumers and the outbox."""

from __future__ import annotations

from catalogue import Catalogue

from alerts.generator.describe import KEEP_OF_BACKENDS, Describer, Subject
from alerts.generator.edges import UNLESS_EXPLAINED
from alerts.generator.model import Group, Record
from alerts.generator.services import LOOKED_FOR_A_MINUTE
from alerts.generator.thresholds import Thresholds

BROKER = Subject.backend("messaging", "rabbitmq")
CONSUMER = Subject("messaging", logs='service.name:"{{ $labels.service }}" and log.level:error')

# A queue's name begins with the service that reads it: `notifications.orders`.
BY_SERVICE = '"service", "$1", "queue", "([^.]+)[.].*"'
LIVE = 'queue!~".*[.]dead"'


def recorded() -> Group:
    """Depth, consumers and acknowledgements of every queue, with the service that reads it."""
    rules = (
        *(
            Record(
                f"queue:{name}",
                f"label_replace(sum by (queue) ({metric}), {BY_SERVICE})",
            )
            for name, metric in (
                ("messages_ready:sum", "rabbitmq_detailed_queue_messages_ready"),
                ("messages_unacked:sum", "rabbitmq_detailed_queue_messages_unacked"),
                ("consumers:sum", "rabbitmq_detailed_queue_consumers"),
                ("acks:rate1m", "rate(rabbitmq_detailed_channel_messages_acked_total[1m])"),
            )
        ),
        Record(
            "queue:messages_handled:rate1m",
            "label_replace(sum by (queue, outcome) (label_replace("
            'rate(messaging_process_duration_seconds_count[1m]), "queue", "$1", "destination", "(.*)")), '
            f"{BY_SERVICE})",
        ),
        *(
            Record(
                f"queue:dead_letters:increase{window}",
                "label_replace(sum by (queue, reason) "
                f"(increase(messages_dead_lettered_total[{window}])), {BY_SERVICE})",
            )
            for window in ("2m", "5m")
        ),
    )
    return Group("messaging-recorded", rules)


def alerts(catalogue: Catalogue, describer: Describer, t: Thresholds) -> Group:
    """What keeps an event from its consumer, from the broker to the dead letters."""
    queues = sorted({queue for event in catalogue.events for queue in event.consumers.values()})
    rules = [
        describer.alert(
            "BrokerDown",
            f'up{{job="rabbitmq"}} == 0 and {LOOKED_FOR_A_MINUTE}',
            lasting="15s",
            layer="cause",
            severity="page",
            summary="The message broker is down",
            description="RabbitMQ doesn't answer: nothing is published, nothing is consumed.",
            about=BROKER,
        ).kept(KEEP_OF_BACKENDS),
        describer.alert(
            "BrokerBlocksPublishers",
            'max by (job) ({__name__=~"rabbitmq_alarms_.*"}) > 0',
            lasting="15s",
            layer="cause",
            severity="page",
            summary="The message broker holds publishers back",
            description="RabbitMQ has raised its memory, disk or file descriptor alarm; publishers block until "
            "it is over.",
            about=BROKER,
        ).kept(KEEP_OF_BACKENDS),
        describer.alert(
            "ConsumerGone",
            # Once the broker is there, consumers come back within seconds; they get a minute.
            f"""
            queue:consumers:sum{{{LIVE}}} == 0
            and on () sum_over_time(up{{job="rabbitmq-detailed"}}[1m]) > 9
            """,
            lasting="25s",
            layer="cause",
            severity="page",
            summary="A queue has no consumer",
            description="Nobody reads {{ $labels.queue }}: {{ $labels.service }}'s consumer is not connected.",
            about=Subject("messaging"),
        ),
        describer.alert(
            "ConsumerStalled",
            f"""
            queue:messages_unacked:sum{{{LIVE}}} > 0
            unless on (queue) queue:acks:rate1m > 0
            """,
            lasting="20s",
            layer="cause",
            severity="page",
            summary="A consumer is connected and handles nothing",
            description="{{ $labels.service }} holds {{ $value }} messages of {{ $labels.queue }} and has "
            "acknowledged none for a "
            "minute.",
            about=Subject("messaging"),
        ),
        describer.alert(
            "QueueBacklog",
            f"""
            queue:messages_ready:sum{{{LIVE}}} > {t["queue_backlog_messages"]}
            unless queue:acks:rate1m * {t["queue_backlog_drain_seconds"]} >= queue:messages_ready:sum
            """,
            lasting="30s",
            layer="cause",
            severity="page",
            summary="A queue grows faster than it is read",
            description="{{ $value }} messages wait in {{ $labels.queue }}, more than {{ $labels.service }} "
            "handles in half a minute.",
            about=Subject("messaging"),
        ),
        *(
            describer.alert(
                "QueueMissing",
                f"""
                absent(rabbitmq_detailed_queue_consumers{{queue="{queue}"}})
                and on () up{{job="rabbitmq-detailed"}} == 1
                """,
                lasting="30s",
                layer="cause",
                severity="page",
                summary="A queue is gone",
                description=f"RabbitMQ has no queue {queue}: events meant for it are lost or returned.",
                about=Subject(
                    "messaging", root=queue.split(".")[0], labels={"service": queue.split(".")[0], "queue": queue}
                ),
            )
            for queue in queues
        ),
        describer.alert(
            "DeadLetters",
            "sum by (service, queue, reason) (queue:dead_letters:increase2m) > 0",
            lasting="0s",
            layer="cause",
            severity="ticket",
            summary="A message was given up",
            description="{{ $labels.queue }}: {{ $value | humanize }} messages went to the dead letters in two "
            "minutes, reason: "
            "{{ $labels.reason }}.",
            about=CONSUMER,
        ),
        describer.alert(
            "DeadLettersMany",
            # Where its database or another dependency fails a consumer, that is the cause, of all that was given up
            # meanwhile too; the ticket says that they are there to be published again.
            f"""
            sum by (service, queue) (queue:dead_letters:increase2m) >= {t["dead_letters_for_page"]}
            {UNLESS_EXPLAINED}
            unless on (service) max_over_time(ALERTS{{alertstate="firing", severity="page", dependency!=""}}[2m])
            """,
            lasting="10s",
            layer="cause",
            severity="page",
            summary="Messages are given up one after the other",
            description="{{ $labels.queue }}: {{ $value | humanize }} messages went to the dead letters in two "
            "minutes.",
            about=CONSUMER,
        ),
        describer.alert(
            "OutboxAge",
            f"max by (service) (outbox_oldest_age_seconds) > {t['outbox_age_seconds']}",
            lasting="10s",
            layer="cause",
            severity="page",
            summary="Events wait in the outbox",
            description="{{ $labels.service }}: the oldest event has waited for {{ $value | humanizeDuration }} "
            "to be published.",
            about=Subject("messaging"),
        ),
        describer.alert(
            "EventsNotPublished",
            f"""
            sum by (service) (increase(orders_placed_total[1m])) >= {t["events_placed_per_minute"]}
            unless sum by (service) (increase(outbox_published_total[1m])) > 0
            """,
            lasting="15s",
            layer="cause",
            severity="page",
            summary="Orders are placed and no event is published",
            description="{{ $labels.service }}: {{ $value | humanize }} orders in a minute, and the relay has "
            "published nothing.",
            about=Subject("messaging"),
        ),
        describer.alert(
            "EventsUnroutable",
            f"""
            sum by (job) (increase(rabbitmq_global_messages_unroutable_returned_total[2m])
              + increase(rabbitmq_global_messages_unroutable_dropped_total[2m])) >= {t["events_unroutable"]}
            """,
            lasting="0s",
            layer="cause",
            severity="page",
            summary="Published events reach no queue",
            description="{{ $value | humanize }} messages in two minutes had no queue to go to: a binding or "
            "queue is missing.",
            about=BROKER,
        ),
        *(
            describer.alert(
                "EventsNeverConsumed",
                f"""
                sum(increase(outbox_published_total{{service="{publisher}", type=~"{types}"}}[1m]))
                  >= {t["events_placed_per_minute"]}
                unless on () sum(increase(messaging_process_duration_seconds_count{{destination="{queue}"}}[1m])) > 0
                """,
                lasting="30s",
                layer="cause",
                severity="page",
                summary="Events are published and never consumed",
                description=f"{publisher} publishes, and {consumer} has handled nothing of {queue} for a minute.",
                about=Subject("messaging", root=consumer, labels={"service": consumer, "queue": queue}),
            )
            for (publisher, consumer, queue), types in _subscriptions(catalogue).items()
        ),
    ]
    return Group("messaging", tuple(rules))


def _subscriptions(catalogue: Catalogue) -> dict[tuple[str, str, str], str]:
    """(publisher, consumer, queue) → the event types as a regular expression."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for event in catalogue.events:
        for consumer, queue in event.consumers.items():
            found.setdefault((event.publisher, consumer, queue), []).append(event.type.replace(".", "[.]"))
    return {key: "|".join(types) for key, types in found.items()}
