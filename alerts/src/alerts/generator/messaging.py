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
    """Depth, consumers, acknowledgements and dead letters of every queue, labelled with the service that reads it."""
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
    """Alerts for everything that keeps an event from its consumer: broker, queues, consumers, outbox."""
    queues = sorted({queue for event in catalogue.events for queue in event.consumers.values()})
    rules = [
        describer.alert(
            "BrokerDown",
            f'up{{job="rabbitmq"}} == 0 and {LOOKED_FOR_A_MINUTE}',
            lasting="15s",
            layer="cause",
            severity="page",
            summary="The message broker is down",
            description="RabbitMQ doesn't respond: no message is published or consumed.",
            about=BROKER,
        ).kept(KEEP_OF_BACKENDS),
        describer.alert(
            "BrokerBlocksPublishers",
            'max by (job) ({__name__=~"rabbitmq_alarms_.*"}) > 0',
            lasting="15s",
            layer="cause",
            severity="page",
            summary="The message broker blocks publishers",
            description="RabbitMQ has raised a memory, disk or file descriptor alarm; "
            "publishers are blocked until it clears.",
            about=BROKER,
        ).kept(KEEP_OF_BACKENDS),
        describer.alert(
            "ConsumerGone",
            # Once the broker is up, consumers reconnect within seconds; they get a minute.
            f"""
            queue:consumers:sum{{{LIVE}}} == 0
            and on () sum_over_time(up{{job="rabbitmq-detailed"}}[1m]) > 9
            """,
            lasting="25s",
            layer="cause",
            severity="page",
            summary="A queue has no consumer",
            description="{{ $labels.queue }} has no consumer: {{ $labels.service }} is not connected to it.",
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
            summary="A consumer is connected but handles no messages",
            description="{{ $labels.service }} holds {{ $value }} messages of {{ $labels.queue }} "
            "and has acknowledged none for a minute.",
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
            summary="A queue grows faster than it is consumed",
            description="{{ $value }} messages wait in {{ $labels.queue }}, "
            "more than {{ $labels.service }} handles in half a minute.",
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
                summary="A queue is missing",
                description=f"RabbitMQ has no queue {queue}: events routed to it are lost or returned.",
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
            summary="A message was dead-lettered",
            description="{{ $labels.queue }}: {{ $value | humanize }} messages were dead-lettered "
            "in the last two minutes, reason: {{ $labels.reason }}.",
            about=CONSUMER,
        ),
        describer.alert(
            "DeadLettersMany",
            # When the consumer's database or another dependency fails, that is the cause, also of messages that were
            # dead-lettered meanwhile; the ticket reminds the owner to publish them again.
            f"""
            sum by (service, queue) (queue:dead_letters:increase2m) >= {t["dead_letters_for_page"]}
            {UNLESS_EXPLAINED}
            unless on (service) max_over_time(ALERTS{{alertstate="firing", severity="page", dependency!=""}}[2m])
            """,
            lasting="10s",
            layer="cause",
            severity="page",
            summary="Many messages are dead-lettered",
            description="{{ $labels.queue }}: {{ $value | humanize }} messages were dead-lettered "
            "in the last two minutes.",
            about=CONSUMER,
        ),
        describer.alert(
            "OutboxAge",
            f"max by (service) (outbox_oldest_age_seconds) > {t['outbox_age_seconds']}",
            lasting="10s",
            layer="cause",
            severity="page",
            summary="Events wait in the outbox",
            description="{{ $labels.service }}: the oldest event has waited {{ $value | humanizeDuration }} "
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
            summary="Orders are placed but no events are published",
            description="{{ $labels.service }}: {{ $value | humanize }} orders in the last minute, "
            "but the relay has published no events.",
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
            description="{{ $value | humanize }} messages in the last two minutes were routed to no queue: "
            "a binding or a queue is missing.",
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
                summary="Events are published but not consumed",
                description=f"{publisher} publishes, but {consumer} has handled no message of {queue} for a minute.",
                about=Subject("messaging", root=consumer, labels={"service": consumer, "queue": queue}),
            )
            for (publisher, consumer, queue), types in _subscriptions(catalogue).items()
        ),
    ]
    return Group("messaging", tuple(rules))


def _subscriptions(catalogue: Catalogue) -> dict[tuple[str, str, str], str]:
    """The event types, as a regular expression, by publisher, consumer and queue."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for event in catalogue.events:
        for consumer, queue in event.consumers.items():
            found.setdefault((event.publisher, consumer, queue), []).append(event.type.replace(".", "[.]"))
    return {key: "|".join(types) for key, types in found.items()}
