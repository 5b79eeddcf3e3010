"""The path of an event from the order's transaction to the e-mail: outbox, broker, queues, consumers, dead letters."""

from __future__ import annotations

from dashboards.builder import links, variables
from dashboards.builder.board import Board, Section
from dashboards.builder.panels import AnyPanel, Column, distribution, grid, lines, number, series
from dashboards.builder.queries import LogLines, buckets, now, per_second, promql, quantiles, rows
from dashboards.builder.thresholds import ANY, UP, above, limit

UID = "platform-messaging"

CHOSEN = 'queue=~"$queue"'
LIVE = 'queue=~"$queue", queue!~".*[.]dead"'
HANDLED = 'job="django", destination=~"$queue"'

ORDERS_LOGS = links.logs('process.name:"orders-relay"', "Logs of the relay")
CONSUMER_LOGS = links.logs('process.name:("notifications-consumer" or "payments-consumer")', "Logs of the consumers")
BROKER_LOGS = links.logs('process.name:"rabbitmq"', "Logs of the broker")
EDGES = links.board("platform-edges", "Edges")
SERVICE = links.board("platform-service", "Consumer", service="${__field.labels.service}")
OF_SERIES = [links.traces(), links.failed_traces(), links.logs_of_series(), SERVICE]


def board() -> Board:
    return Board(
        uid=UID,
        title="Platform / Messaging",
        description="From an order's event to its e-mail: outbox, broker, queues, consumers and dead letters.",
        variables=[
            variables.label_values(
                "queue", "Queue", "rabbitmq_detailed_queue_messages", "queue", "Which queues to show"
            )
        ],
        sections=[
            Section("Current state", _now()),
            Section("Outbox and publishing", _publishing()),
            Section("Queues and consumers", _queues()),
            Section("Dead letters", _dead_letters()),
            Section("Broker", _broker()),
        ],
    )


def _now() -> list[AnyPanel]:
    return [
        number(
            "Broker status",
            "Whether RabbitMQ responded to the last scrape.",
            [now('min by (service) (up{job="rabbitmq"})', "{{service}}")],
            unit="bool_on_off",
            links=[links.runbook("BrokerDown"), BROKER_LOGS],
            thresholds=UP,
            names={"0": "down", "1": "up"},
        ),
        number(
            "Outbox age",
            "Age of the oldest unpublished event. While it grows, orders are safe but e-mails are late.",
            [now("max by (service) (outbox_oldest_age_seconds)", "{{service}}")],
            unit="s",
            links=[links.runbook("OutboxAge"), ORDERS_LOGS],
            on_click=OF_SERIES,
            thresholds=above("outbox_age_seconds"),
        ),
        number(
            "Messages ready",
            "Messages waiting for delivery in the selected queues, without dead-letter queues.",
            [now(f"sum(queue:messages_ready:sum{{{LIVE}}})", "ready")],
            unit="short",
            links=[links.runbook("QueueBacklog"), CONSUMER_LOGS],
            thresholds=above("queue_backlog_messages"),
        ),
        number(
            "Consumers connected",
            "Consumers of the queue that has the fewest. Without a consumer, events wait.",
            [now(f"min(queue:consumers:sum{{{LIVE}}})", "fewest")],
            unit="short",
            links=[links.runbook("ConsumerGone"), CONSUMER_LOGS],
            thresholds=UP,
        ),
        number(
            "Dead-lettered messages",
            "Messages in dead-letter queues that wait for an operator to inspect them.",
            [now('sum(rabbitmq_detailed_queue_messages{queue=~".*[.]dead"})', "dead letters")],
            unit="short",
            links=[links.runbook("DeadLetters"), CONSUMER_LOGS],
            thresholds=ANY,
        ),
        number(
            "Order-to-mail delay p95",
            "95th percentile over the time range, from the order's event until its e-mail is handed over.",
            [now("histogram_quantile(0.95, sum by (le) (rate(order_mail_delay_seconds_bucket[$__range])))", "p95")],
            unit="s",
            links=[links.board("platform-overview", "SLO"), CONSUMER_LOGS],
        ),
    ]


def _publishing() -> list[AnyPanel]:
    return [
        series(
            "Outbox age over time",
            "Age of the oldest unpublished event. It rises one second per second while the relay or the broker is "
            "down. The dashed line is the alert's threshold.",
            [promql("max by (service) (outbox_oldest_age_seconds)", "{{service}}")],
            unit="s",
            links=[links.runbook("OutboxAge"), ORDERS_LOGS],
            on_click=OF_SERIES,
            thresholds=above("outbox_age_seconds"),
            width=8,
        ),
        series(
            "Outbox size",
            "Events not yet published. If the size grows but the age stays low, load is high; "
            "if both grow, the relay hangs.",
            [promql("sum by (service) (outbox_unpublished)", "{{service}}")],
            unit="short",
            links=[links.runbook("OutboxAge"), ORDERS_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Orders and published events",
            "Orders decided and events published per second; both should be equal. "
            "Missing events are still in the outbox, surplus events mean that the relay catches up or publishes "
            "twice.",
            [
                promql(
                    per_second("orders_placed_total", by="service")
                    + " + "
                    + per_second("orders_failed_total", by="service"),
                    "{{service}} orders decided",
                ),
                promql(
                    per_second("outbox_published_total", "", "service, type"),
                    "{{service}} {{type}} published",
                ),
            ],
            unit="ops",
            links=[links.runbook("EventsNotPublished"), ORDERS_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Publisher confirms",
            "Messages received, confirmed and unroutable per second. "
            "Fewer confirmed than received is a broker problem; unroutable means that no queue is bound to the event.",
            [
                promql(per_second("rabbitmq_global_messages_received_total"), "received"),
                promql(per_second("rabbitmq_global_messages_confirmed_total"), "confirmed"),
                promql(
                    per_second("rabbitmq_global_messages_unroutable_returned_total")
                    + " + "
                    + per_second("rabbitmq_global_messages_unroutable_dropped_total"),
                    "unroutable",
                ),
            ],
            unit="ops",
            links=[links.runbook("EventsUnroutable"), BROKER_LOGS],
        ),
        series(
            "Publish latency",
            "Percentiles of the time until the broker confirms a message, as measured by the publisher. "
            f"The dashed line is the alert's limit ({limit('edge_slow_seconds_amqp'):g} s). "
            "Points are exemplars: click one to open its trace.",
            quantiles(
                "dependency_call_duration_seconds",
                'job="django", protocol="amqp", operation!="connect"',
                ["service"],
                (0.5, 0.95, 0.99),
            ),
            unit="s",
            links=[EDGES, links.runbook("EdgeSlow")],
            on_click=OF_SERIES,
            thresholds=above("edge_slow_seconds_amqp"),
        ),
    ]


def _queues() -> list[AnyPanel]:
    by_queue = "{{queue}}"
    return [
        series(
            "Queue depth",
            "Messages waiting for delivery. A healthy queue is empty almost all the time.",
            [promql(f"queue:messages_ready:sum{{{LIVE}}}", by_queue)],
            unit="short",
            links=[links.runbook("QueueBacklog"), CONSUMER_LOGS],
            on_click=OF_SERIES,
            thresholds=above("queue_backlog_messages"),
            width=8,
        ),
        series(
            "Unacknowledged messages",
            "Messages delivered but not yet acknowledged. If the number stays above zero without acknowledgements, "
            "the consumer hangs.",
            [promql(f"queue:messages_unacked:sum{{{LIVE}}}", by_queue)],
            unit="short",
            links=[links.runbook("ConsumerStalled"), CONSUMER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Acknowledgement rate",
            "Acknowledgements per second. Zero while messages are unacknowledged means that the consumer hangs.",
            [promql(f"queue:acks:rate1m{{{LIVE}}}", by_queue)],
            unit="ops",
            links=[links.runbook("ConsumerStalled"), CONSUMER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Consumer lag",
            "Time to drain the queue at the current acknowledgement rate: how late its last message will be. "
            "The dashed line is the alert's threshold.",
            [promql(f"queue:messages_ready:sum{{{LIVE}}} / (queue:acks:rate1m{{{LIVE}}} > 0)", by_queue)],
            unit="s",
            links=[links.runbook("QueueBacklog"), CONSUMER_LOGS],
            on_click=OF_SERIES,
            thresholds=above("queue_backlog_drain_seconds"),
            width=8,
        ),
        series(
            "Consumers per queue",
            "Connected consumers. Without a consumer, events wait until one reconnects.",
            [promql(f"queue:consumers:sum{{{LIVE}}}", by_queue)],
            unit="short",
            links=[links.runbook("ConsumerGone"), CONSUMER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Consumer capacity",
            "Share of time in which the queue could deliver immediately. "
            "Well below 100 % the consumers are the bottleneck: too few, too slow, or too small a prefetch.",
            [promql(f"max by (queue) (rabbitmq_detailed_queue_consumer_capacity{{{LIVE}}})", by_queue)],
            unit="percentunit",
            links=[links.runbook("QueueBacklog"), CONSUMER_LOGS],
            maximum=1,
            width=8,
        ),
        series(
            "Messages handled by outcome",
            "Messages handled per second: ok, requeued (retried), rejected (dead-lettered) or dropped.",
            [
                promql(
                    per_second("messaging_process_duration_seconds_count", HANDLED, "service, destination, outcome"),
                    "{{destination}} {{outcome}}",
                )
            ],
            unit="ops",
            links=[CONSUMER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Processing time",
            "Percentiles of the time to handle a message, by queue. Points are exemplars: click one to open its trace.",
            quantiles("messaging_process_duration_seconds", HANDLED, ["service", "destination"], (0.5, 0.95)),
            unit="s",
            links=[CONSUMER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        distribution(
            "Order-to-mail delay distribution",
            "E-mails per second by the time from the order's event until the e-mail is handed over. "
            "The objective is 99 % within 30 s. Points are exemplars: click one to open its trace.",
            buckets(per_second("order_mail_delay_seconds_bucket", "", "le")),
            unit="s",
            links=[links.board("platform-overview", "SLO"), CONSUMER_LOGS],
            width=8,
        ),
        grid(
            "Queues",
            "Ready and unacknowledged messages, consumers and size of every queue, including dead-letter queues.",
            [
                rows(f"sum by (queue) (rabbitmq_detailed_queue_messages_ready{{{CHOSEN}}})"),
                rows(f"sum by (queue) (rabbitmq_detailed_queue_messages_unacked{{{CHOSEN}}})"),
                rows(f"sum by (queue) (rabbitmq_detailed_queue_consumers{{{CHOSEN}}})"),
                rows(f"sum by (queue) (rabbitmq_detailed_queue_messages_bytes{{{CHOSEN}}})"),
            ],
            [
                Column("queue", "Queue"),
                Column("Value #A", "Ready"),
                Column("Value #B", "Unacknowledged"),
                Column("Value #C", "Consumers"),
                Column("Value #D", "Size", unit="bytes"),
            ],
            links=[BROKER_LOGS],
            sort_by="Ready",
            height=6,
        ),
    ]


def _dead_letters() -> list[AnyPanel]:
    return [
        series(
            "Dead-lettered messages by reason",
            "Messages dead-lettered in the last five minutes, by queue and reason. "
            "A single one is a poison message for working hours; many mean that valid messages fail too.",
            [
                promql(
                    f"sum by (service, queue, reason) (queue:dead_letters:increase5m{{{CHOSEN}}})",
                    "{{queue}} {{reason}}",
                )
            ],
            unit="short",
            links=[links.runbook("DeadLetters"), links.runbook("DeadLettersMany"), CONSUMER_LOGS],
            on_click=OF_SERIES,
            thresholds=above("dead_letters_for_page"),
        ),
        series(
            "Dead-letter queue depth",
            "Messages that wait for an operator to inspect, republish or delete them.",
            [promql('sum by (queue) (rabbitmq_detailed_queue_messages{queue=~".*[.]dead"})', "{{queue}}")],
            unit="short",
            links=[links.runbook("DeadLetters"), CONSUMER_LOGS],
        ),
        lines(
            "Consumer and relay logs",
            "Warnings and errors of the consumers and the relay, newest first.",
            LogLines(
                'process.name:("notifications-consumer" OR "payments-consumer" OR "orders-relay") AND'
                " log.level:(warning OR error)"
            ),
            links=[CONSUMER_LOGS, ORDERS_LOGS],
            height=8,
        ),
    ]


def _broker() -> list[AnyPanel]:
    return [
        series(
            "Broker alarms",
            "1 while memory, disk or file descriptors are exhausted. Publishers are blocked until the alarm clears.",
            [promql('max by (__name__) ({__name__=~"rabbitmq_alarms_.*"})', "{{__name__}}")],
            unit="bool_on_off",
            links=[links.runbook("BrokerBlocksPublishers"), BROKER_LOGS],
            thresholds=ANY,
            maximum=1,
            width=8,
        ),
        series(
            "Broker saturation",
            "Memory and file descriptors in use, as a share of their limits. At 100 % the broker raises its alarm.",
            [
                promql(
                    "max(rabbitmq_process_resident_memory_bytes) / max(rabbitmq_resident_memory_limit_bytes)", "memory"
                ),
                promql("max(rabbitmq_process_open_fds) / max(rabbitmq_process_max_fds)", "file descriptors"),
            ],
            unit="percentunit",
            links=[links.runbook("BrokerBlocksPublishers"), BROKER_LOGS],
            width=8,
        ),
        series(
            "Connections and channels",
            "Open connections and channels. A number that only rises is a client that opens one per message.",
            [promql("max(rabbitmq_connections)", "connections"), promql("max(rabbitmq_channels)", "channels")],
            unit="short",
            links=[BROKER_LOGS],
            width=8,
        ),
    ]
