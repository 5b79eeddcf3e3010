"""An event's way from the order's transaction to the mail: outbox, broker, queues, consumers, dead letters."""

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

ORDERS_LOGS = links.logs('process.name:"orders-relay"', "Lines of the relay")
CONSUMER_LOGS = links.logs('process.name:("notifications-consumer" or "payments-consumer")', "Lines of the consumers")
BROKER_LOGS = links.logs('process.name:"rabbitmq"', "Lines of the broker")
EDGES = links.board("platform-edges", "Edges")
SERVICE = links.board("platform-service", "Consumer", service="${__field.labels.service}")
OF_SERIES = [links.traces(), links.failed_traces(), links.logs_of_series(), SERVICE]


def board() -> Board:
    """The dashboard."""
    return Board(
        uid=UID,
        title="Platform / Messaging",
        description="From the order's event to its mail: outbox, broker, queues, consumers, dead letters.",
        variables=[
            variables.label_values(
                "queue", "Queue", "rabbitmq_detailed_queue_messages", "queue", "Which queues to show"
            )
        ],
        sections=[
            Section("Now", _now()),
            Section("Outbox and publishing", _publishing()),
            Section("Queues and consumers", _queues()),
            Section("Dead letters", _dead_letters()),
            Section("Broker", _broker()),
        ],
    )


def _now() -> list[AnyPanel]:
    return [
        number(
            "Is the broker there?",
            "Whether RabbitMQ answered at the last look.",
            [now('min by (service) (up{job="rabbitmq"})', "{{service}}")],
            unit="bool_on_off",
            links=[links.runbook("BrokerDown"), BROKER_LOGS],
            thresholds=UP,
            names={"0": "down", "1": "up"},
        ),
        number(
            "How old is the oldest event not yet published?",
            "Age of the oldest row of the outbox. Orders are safe meanwhile, mails are late.",
            [now("max by (service) (outbox_oldest_age_seconds)", "{{service}}")],
            unit="s",
            links=[links.runbook("OutboxAge"), ORDERS_LOGS],
            on_click=OF_SERIES,
            thresholds=above("outbox_age_seconds"),
        ),
        number(
            "How many messages wait?",
            "Messages ready to be delivered, over the chosen queues without dead letters.",
            [now(f"sum(queue:messages_ready:sum{{{LIVE}}})", "ready")],
            unit="short",
            links=[links.runbook("QueueBacklog"), CONSUMER_LOGS],
            thresholds=above("queue_backlog_messages"),
        ),
        number(
            "How many consumers are connected?",
            "Consumers of the queue that has fewest. Without one, events wait.",
            [now(f"min(queue:consumers:sum{{{LIVE}}})", "fewest")],
            unit="short",
            links=[links.runbook("ConsumerGone"), CONSUMER_LOGS],
            thresholds=UP,
        ),
        number(
            "How many messages are dead letters?",
            "Messages that lie in dead-letter queues now and wait for somebody to look.",
            [now('sum(rabbitmq_detailed_queue_messages{queue=~".*[.]dead"})', "dead letters")],
            unit="short",
            links=[links.runbook("DeadLetters"), CONSUMER_LOGS],
            thresholds=ANY,
        ),
        number(
            "How long from order to mail?",
            "95th percentile over the window, from the order's event to its mail handed over.",
            [now("histogram_quantile(0.95, sum by (le) (rate(order_mail_delay_seconds_bucket[$__range])))", "p95")],
            unit="s",
            links=[links.board("platform-overview", "SLO"), CONSUMER_LOGS],
        ),
    ]


def _publishing() -> list[AnyPanel]:
    return [
        series(
            "How old is the oldest event in the outbox?",
            "Seconds since the oldest unpublished event was committed. It climbs a second each second when the relay"
            " or the"
            " broker is gone; the dashed line is where the alert fires.",
            [promql("max by (service) (outbox_oldest_age_seconds)", "{{service}}")],
            unit="s",
            links=[links.runbook("OutboxAge"), ORDERS_LOGS],
            on_click=OF_SERIES,
            thresholds=above("outbox_age_seconds"),
            width=8,
        ),
        series(
            "How many events wait in the outbox?",
            "Rows not yet published. Growing while its age stays small is load, growing with its age is a relay that"
            " hangs.",
            [promql("sum by (service) (outbox_unpublished)", "{{service}}")],
            unit="short",
            links=[links.runbook("OutboxAge"), ORDERS_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Is every order's event published?",
            "Orders that were decided, and events published, in a second. They run together; events missing is the"
            " outbox,"
            " events above orders is a relay that catches up or repeats itself.",
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
            "Does the broker confirm what is published?",
            "Messages received, confirmed and not routed to any queue, in a second. Confirmed below received is a"
            " broker in"
            " trouble; not routed is an event nobody is bound to.",
            [
                promql(per_second("rabbitmq_global_messages_received_total"), "received"),
                promql(per_second("rabbitmq_global_messages_confirmed_total"), "confirmed"),
                promql(
                    per_second("rabbitmq_global_messages_unroutable_returned_total")
                    + " + "
                    + per_second("rabbitmq_global_messages_unroutable_dropped_total"),
                    "not routed",
                ),
            ],
            unit="ops",
            links=[links.runbook("EventsUnroutable"), BROKER_LOGS],
        ),
        series(
            "How long does a publish take until it is confirmed?",
            "As the publisher sees it. The dashed line is what the alert calls slow"
            f" ({limit('edge_slow_seconds_amqp'):g} s). Points open their trace.",
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
            "How deep is each queue?",
            "Messages ready to be delivered. A healthy queue is empty at nearly every look.",
            [promql(f"queue:messages_ready:sum{{{LIVE}}}", by_queue)],
            unit="short",
            links=[links.runbook("QueueBacklog"), CONSUMER_LOGS],
            on_click=OF_SERIES,
            thresholds=above("queue_backlog_messages"),
            width=8,
        ),
        series(
            "How many messages are in a consumer's hands?",
            "Delivered and not yet acknowledged. More than none while nothing is acknowledged is a consumer that"
            " hangs.",
            [promql(f"queue:messages_unacked:sum{{{LIVE}}}", by_queue)],
            unit="short",
            links=[links.runbook("ConsumerStalled"), CONSUMER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "How fast are messages acknowledged?",
            "Acknowledgements in a second. None while messages are unacknowledged is a consumer that hangs.",
            [promql(f"queue:acks:rate1m{{{LIVE}}}", by_queue)],
            unit="ops",
            links=[links.runbook("ConsumerStalled"), CONSUMER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "How long would the backlog take to clear?",
            "Ready messages by the present rate of acknowledgements: how late the last message in the queue will be."
            " The dashed line is where the alert fires.",
            [promql(f"queue:messages_ready:sum{{{LIVE}}} / (queue:acks:rate1m{{{LIVE}}} > 0)", by_queue)],
            unit="s",
            links=[links.runbook("QueueBacklog"), CONSUMER_LOGS],
            on_click=OF_SERIES,
            thresholds=above("queue_backlog_drain_seconds"),
            width=8,
        ),
        series(
            "How many consumers does each queue have?",
            "Connected consumers. None: events wait until one is back.",
            [promql(f"queue:consumers:sum{{{LIVE}}}", by_queue)],
            unit="short",
            links=[links.runbook("ConsumerGone"), CONSUMER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Could the consumers take more?",
            "Share of the time in which the queue could deliver at once. Well below 100 % the consumers are the"
            " bottleneck:"
            " too few, too slow, or too small a prefetch.",
            [promql(f"max by (queue) (rabbitmq_detailed_queue_consumer_capacity{{{LIVE}}})", by_queue)],
            unit="percentunit",
            links=[links.runbook("QueueBacklog"), CONSUMER_LOGS],
            maximum=1,
            width=8,
        ),
        series(
            "What becomes of messages?",
            "Messages handled in a second: ok, requeued (tried again), rejected (dead-lettered) or dropped.",
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
            "How long does a message take to handle?",
            "Percentiles by queue. Points open their trace.",
            quantiles("messaging_process_duration_seconds", HANDLED, ["service", "destination"], (0.5, 0.95)),
            unit="s",
            links=[CONSUMER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        distribution(
            "How are the times from order to mail spread?",
            "Mails in a second by the time from the order's event to the mail handed over. The objective is 99 % within"
            " 30 s. Points open their trace.",
            buckets(per_second("order_mail_delay_seconds_bucket", "", "le")),
            unit="s",
            links=[links.board("platform-overview", "SLO"), CONSUMER_LOGS],
            width=8,
        ),
        grid(
            "How does each queue stand?",
            "All queues, dead letters included: ready, unacknowledged, consumers and bytes.",
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
            "Which messages were given up, and why?",
            "Messages that went to the dead letters in the five minutes before each point, by queue and reason. One"
            " is a"
            " poison message for office hours; many mean that good messages die.",
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
            "How many lie in the dead-letter queues?",
            "Messages that wait for somebody to look at them, send them again or delete them.",
            [promql('sum by (queue) (rabbitmq_detailed_queue_messages{queue=~".*[.]dead"})', "{{queue}}")],
            unit="short",
            links=[links.runbook("DeadLetters"), CONSUMER_LOGS],
        ),
        lines(
            "What did the consumers say about them?",
            "Warnings and errors of consumers and relay, newest first.",
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
            "Does the broker hold publishers back?",
            "Its alarms: 1 while memory, disk or file descriptors have run out. Publishers block until it is over.",
            [promql('max by (__name__) ({__name__=~"rabbitmq_alarms_.*"})', "{{__name__}}")],
            unit="bool_on_off",
            links=[links.runbook("BrokerBlocksPublishers"), BROKER_LOGS],
            thresholds=ANY,
            maximum=1,
            width=8,
        ),
        series(
            "How near is the broker to its limits?",
            "Share of memory and file descriptors in use. At 100 % the alarm comes.",
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
            "Who is connected?",
            "Connections and channels. A count that only climbs is a client that opens one for each message.",
            [promql("max(rabbitmq_connections)", "connections"), promql("max(rabbitmq_channels)", "channels")],
            unit="short",
            links=[BROKER_LOGS],
            width=8,
        ),
    ]
