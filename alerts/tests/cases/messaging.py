"""Broker, queues, outbox."""

from __future__ import annotations

import catalogue
from series import Case, counter, gap, gauge, together

from cases.edges import pending

QUEUES = catalogue.load().queues
QUEUE = "notifications.orders"
OWN = {"service": "notifications", "queue": QUEUE, "root_service": "notifications", "team": "engagement"}


def depth(kind: str, values: str, queue: str = QUEUE) -> dict[str, str]:
    """A queue's messages_ready, messages_unacked or consumers."""
    return {f'rabbitmq_detailed_queue_{kind}{{vhost="platform", queue="{queue}"}}': values}


def acks(values: str, queue: str = QUEUE) -> dict[str, str]:
    """Acknowledged messages of a queue's channel."""
    return {f'rabbitmq_detailed_channel_messages_acked_total{{vhost="platform", queue="{queue}", channel="c"}}': values}


# An alert that fires until 100 s.
OVER = gauge((100, 1), (300, "stale"))


def dead(
    values: str, reason: str = "invalid_event", queue: str = QUEUE, service: str = "notifications"
) -> dict[str, str]:
    """Messages that a consumer gave up."""
    return {f'messages_dead_lettered_total{{service="{service}", queue="{queue}", reason="{reason}"}}': values}


def published(values: str, kind: str = "order.confirmed.v1", service: str = "orders") -> dict[str, str]:
    """Events that the relay published."""
    return {f'outbox_published_total{{service="{service}", type="{kind}"}}': values}


def handled(values: str, queue: str = QUEUE, outcome: str = "ok") -> dict[str, str]:
    """Messages that a consumer handled."""
    return {
        f'messaging_process_duration_seconds_count{{service="x", destination="{queue}", outcome="{outcome}"}}': values
    }


def all_handle(values: str, *, but: str = "") -> dict[str, str]:
    """Messages that the consumers of all queues handled, but those of one."""
    return together(*(handled(values, queue) for queue in QUEUES if queue != but))


_BROKER = [
    Case(
        "BrokerDown",
        "15 s after the first failed scrape",
        {
            'up{job="rabbitmq", instance="r"}': gauge((60, 1), (240, 0)),
            'up{job="jaeger", instance="j"}': gauge((300, 1)),
        },
        {60: 0, 70: 0, 75: 1},
        {"service": "rabbitmq", "root_service": "rabbitmq", "team": "platform", "severity": "page"},
    ),
    Case(
        "BrokerDown",
        "a scrape or two that fail",
        {'up{job="rabbitmq", instance="r"}': gauge((60, 1), (10, 0), (200, 1))},
        {65: 0, 75: 0},
    ),
    Case(
        "BrokerDown",
        "the platform comes up: judged after a minute of looks",
        {'up{job="rabbitmq", instance="r"}': gauge((300, 0))},
        {40: 0, 55: 0, 60: 1},
    ),
    Case("BrokerDown", "something else is down", {'up{job="jaeger", instance="r"}': gauge((300, 0))}, {290: 0}),
    Case(
        "BrokerDown",
        "the target vanishes",
        {'up{job="rabbitmq", instance="r"}': gauge((60, 1), (200, "stale"))},
        {200: 0},
    ),
    *(
        Case(
            "BrokerBlocksPublishers",
            alarm,
            {f'rabbitmq_alarms_{alarm}{{job="rabbitmq"}}': gauge((60, 0), (240, 1))},
            {60: 0, 70: 0, 75: 1},
            {"service": "rabbitmq", "root_service": "rabbitmq"},
        )
        for alarm in ("memory_used_watermark", "free_disk_space_watermark", "file_descriptor_limit")
    ),
    Case(
        "BrokerBlocksPublishers",
        "no alarm, whatever else is counted",
        {
            'rabbitmq_alarms_memory_used_watermark{job="rabbitmq"}': gauge((300, 0)),
            'rabbitmq_connections{job="rabbitmq"}': gauge((300, 9)),
        },
        {290: 0},
    ),
]

BROKER_UP = {'up{job="rabbitmq-detailed", instance="r"}': gauge((600, 1))}

_CONSUMERS = [
    Case(
        "ConsumerGone",
        "25 s after the last one has disconnected",
        together(
            BROKER_UP,
            depth("consumers", gauge((60, 1), (240, 0))),
            depth("consumers", gauge((300, 1)), "payments.order-cancelled"),
        ),
        {60: 0, 80: 0, 85: 1},
        OWN,
    ),
    Case(
        "ConsumerGone",
        "the broker comes back, and its consumers have a minute",
        together(
            {
                'up{job="rabbitmq-detailed", instance="r"}': gauge((60, 0), (300, 1)),
                'up{job="rabbitmq", instance="r"}': gauge((360, 1)),
            },
            depth("consumers", gauge((360, 0))),
        ),
        {50: 0, 100: 0, 125: 0, 130: 1},
    ),
    Case(
        "ConsumerGone",
        "a restart of 20 s",
        together(
            BROKER_UP,
            depth("consumers", gauge((60, 1), (20, 0), (100, 1))),
        ),
        {80: 0, 90: 0},
    ),
    Case(
        "ConsumerGone",
        "dead letters have no consumer",
        together(
            BROKER_UP,
            depth("consumers", gauge((300, 0)), QUEUE + ".dead"),
        ),
        {290: 0},
    ),
    Case(
        "ConsumerGone",
        "one of two is left",
        together(
            BROKER_UP,
            depth("consumers", gauge((60, 2), (240, 1))),
        ),
        {290: 0},
    ),
    Case(
        "ConsumerGone",
        "no figures, no conclusion",
        together(
            BROKER_UP,
            depth("consumers", gauge((60, 1), (200, "stale"))),
        ),
        {200: 0},
    ),
    Case(
        "ConsumerStalled",
        "it takes messages and acknowledges none for a minute",
        together(
            depth("messages_unacked", gauge((60, 0), (300, 4))),
            acks(counter((60, 1), (300, 0))),
            acks(counter((360, 1)), "payments.order-cancelled"),
        ),
        # The last acknowledgement leaves the window at 120 s.
        {60: 0, 125: 0, 145: 1},
        OWN,
    ),
    Case(
        "ConsumerStalled",
        "one that never acknowledged anything",
        depth("messages_unacked", gauge((60, 0), (300, 4))),
        {60: 0, 75: 0, 80: 1},
    ),
    Case(
        "ConsumerStalled",
        "a busy consumer",
        together(depth("messages_unacked", gauge((300, 8))), acks(counter((300, 0.1)))),
        {290: 0},
    ),
    Case(
        "ConsumerStalled",
        "an idle consumer",
        together(depth("messages_unacked", gauge((300, 0))), acks(counter((300, 0)))),
        {290: 0},
    ),
    Case("ConsumerStalled", "dead letters", depth("messages_unacked", gauge((300, 3)), QUEUE + ".dead"), {290: 0}),
    Case(
        "ConsumerStalled",
        "a channel that starts again",
        together(depth("messages_unacked", gauge((300, 3))), acks(counter((100, 1), (200, -1)))),
        {110: 0, 290: 0},
    ),
    Case(
        "QueueBacklog",
        "more waits than is handled in half a minute",
        together(depth("messages_ready", gauge((60, 0), (240, 90))), acks(counter((300, 1)))),
        {85: 0, 90: 1},
        OWN,
    ),
    Case(
        "QueueBacklog",
        "it is worked off in time",
        together(depth("messages_ready", gauge((300, 90))), acks(counter((300, 12)))),
        {290: 0},
    ),
    Case(
        "QueueBacklog",
        "a burst",
        together(depth("messages_ready", gauge((60, 0), (25, 90), (100, 0))), acks(counter((300, 1)))),
        {85: 0, 95: 0},
    ),
    Case(
        "QueueBacklog",
        "a handful",
        together(depth("messages_ready", gauge((300, 15))), acks(counter((300, 0)))),
        {290: 0},
    ),
    Case(
        "QueueBacklog",
        "twenty-five",
        together(depth("messages_ready", gauge((300, 25))), acks(counter((300, 0.5)))),
        {290: 1},
    ),
    Case(
        "QueueBacklog",
        "dead letters wait for people",
        together(depth("messages_ready", gauge((300, 90)), QUEUE + ".dead"), acks(counter((300, 0)), QUEUE + ".dead")),
        {290: 0},
    ),
]

DETAILED = {'up{job="rabbitmq-detailed", instance="r"}': gauge((300, 1))}
BOTH = together(
    depth("consumers", gauge((60, 1), (240, "stale"))),
    depth("consumers", gauge((300, 1)), "payments.order-cancelled"),
)
_MISSING = [
    Case("QueueMissing", "a queue is deleted", together(DETAILED, BOTH), {85: 0, 90: 1}, OWN),
    Case(
        "QueueMissing",
        "the other queue",
        together(DETAILED, depth("consumers", gauge((300, 1)))),
        {25: 0, 30: 1},
        {"service": "payments", "queue": "payments.order-cancelled", "team": "checkout"},
    ),
    Case(
        "QueueMissing",
        "the broker's figures are missing: nothing is known",
        {
            'up{job="rabbitmq-detailed", instance="r"}': gauge((300, 0)),
            'up{job="rabbitmq", instance="r"}': gauge((300, 1)),
        },
        {290: 0},
    ),
    Case(
        "QueueMissing",
        "all are there",
        together(DETAILED, *(depth("consumers", gauge((300, 0)), queue) for queue in QUEUES)),
        {290: 0},
    ),
]

_DEAD = [
    Case(
        "DeadLetters",
        "one message",
        together(dead(counter((60, 0), (5, 0.2), (500, 0))), dead(counter((565, 0)), "recipient_refused")),
        {60: 0, 70: 1, 400: 0},
        {**OWN, "reason": "invalid_event", "severity": "ticket"},
    ),
    Case("DeadLetters", "none", dead(counter((300, 0))), {290: 0}),
    Case("DeadLetters", "a counter that starts again", dead(counter((60, 0), (100, -0.0), start=9)), {70: 0, 150: 0}),
    Case(
        "DeadLettersMany",
        "eight in a minute",
        dead(counter((60, 0), (40, 0.2), (500, 0))),
        {60: 0, 75: 0, 100: 1, 420: 0},
        OWN,
    ),
    Case(
        "DeadLettersMany",
        "for several reasons",
        together(
            dead(counter((60, 0), (20, 0.2), (300, 0))), dead(counter((60, 0), (20, 0.2), (300, 0)), "delivery_limit")
        ),
        {100: 1},
    ),
    Case(
        "DeadLettersMany",
        "six at once: notified ten seconds later",
        dead(counter((60, 0), (5, 1.2), (300, 0))),
        {65: 0, 70: 0, 75: 1},
    ),
    *(
        Case("DeadLettersMany", story, together(dead(counter((60, 0), (40, 0.2), (200, 0))), series), {110: count})
        for story, series, count in (
            ("an alert on its database is pending", pending("notifications", "postgresql"), 0),
            ("another service's is", pending("users", "postgresql"), 1),
            ("a ticket explains nothing", pending("notifications", "postgresql", severity="ticket"), 1),
            ("nor does the service itself", pending("notifications", ""), 1),
        )
    ),
    *(
        Case(
            "DeadLettersMany",
            f"given up before another alert's end at 100 s: {story}",
            together(dead(counter((60, 0), (40, 0.2), (200, 0))), series),
            {130: count, 150: count},
        )
        for story, series, count in (
            ("its database's", pending("notifications", "postgresql", state="firing", values=OVER), 0),
            ("one that never fired", pending("notifications", "postgresql", values=OVER), 1),
            ("another service's", pending("users", "postgresql", state="firing", values=OVER), 1),
            ("a ticket", pending("notifications", "postgresql", severity="ticket", state="firing", values=OVER), 1),
            ("the service's own", pending("notifications", "", state="firing", values=OVER), 1),
        )
    ),
    Case("DeadLettersMany", "two", dead(counter((60, 0), (10, 0.2), (300, 0))), {100: 0}),
    Case(
        "DeadLettersMany",
        "one each on two queues",
        together(
            dead(counter((60, 0), (15, 0.2), (300, 0))),
            dead(counter((60, 0), (15, 0.2), (300, 0)), queue="payments.order-cancelled"),
        ),
        {100: 0},
    ),
]


def age(values: str, service: str = "orders") -> dict[str, str]:
    """The oldest unpublished event's age."""
    return {f'outbox_oldest_age_seconds{{service="{service}", process="{service}-relay"}}': values}


def placed(values: str) -> dict[str, str]:
    """Orders placed."""
    return {'orders_placed_total{service="orders", process="orders"}': values}


_OUTBOX = [
    Case(
        "OutboxAge",
        "20 s",
        age(gauge((60, 0), (240, 20))),
        {65: 0, 70: 1},
        {"service": "orders", "root_service": "orders", "team": "checkout"},
    ),
    Case("OutboxAge", "5 s", age(gauge((300, 5))), {290: 0}),
    Case("OutboxAge", "a moment", age(gauge((60, 0), (5, 20), (200, 0))), {65: 0, 75: 0}),
    Case("OutboxAge", "no figures", age(gauge((60, 20), (200, "stale"))), {50: 1, 200: 0}),
    Case(
        "EventsNotPublished",
        "orders are placed, the relay publishes nothing",
        together(placed(counter((300, 0.5))), published(counter((60, 0.5), (240, 0)))),
        {60: 0, 125: 0, 145: 1},
        {"service": "orders", "root_service": "orders"},
    ),
    Case("EventsNotPublished", "the relay's series are missing", placed(counter((300, 0.5))), {15: 0, 60: 1}),
    Case(
        "EventsNotPublished",
        "a single order",
        together(placed(counter((60, 0), (5, 0.2), (200, 0))), published(counter((265, 0)))),
        {70: 0, 100: 0},
    ),
    Case(
        "EventsNotPublished",
        "all is well",
        together(placed(counter((300, 0.5))), published(counter((300, 0.4)))),
        {290: 0},
    ),
    Case(
        "EventsNotPublished",
        "no orders are placed",
        together(placed(counter((300, 0))), published(counter((300, 0)))),
        {290: 0},
    ),
    Case(
        "EventsNotPublished",
        "both start again",
        together(placed(counter((100, 0.5), (200, -0.5))), published(counter((100, 0.5), (200, -0.5)))),
        {110: 0, 290: 0},
    ),
]


def unroutable(returned: str, dropped: str) -> dict[str, str]:
    """Messages without a queue."""
    return {
        'rabbitmq_global_messages_unroutable_returned_total{job="rabbitmq", protocol="amqp091"}': returned,
        'rabbitmq_global_messages_unroutable_dropped_total{job="rabbitmq", protocol="amqp091"}': dropped,
    }


_CONSUMED = [
    Case(
        "EventsUnroutable",
        "returned",
        unroutable(counter((60, 0), (10, 1), (400, 0)), counter((470, 0))),
        {60: 0, 70: 1, 460: 0},
        {"service": "rabbitmq"},
    ),
    Case(
        "EventsUnroutable",
        "dropped",
        unroutable(counter((470, 0)), counter((60, 0), (10, 1), (400, 0))),
        {60: 0, 70: 1},
    ),
    Case(
        "EventsUnroutable", "three", unroutable(counter((60, 0), (5, 0.6), (400, 0)), counter((465, 0))), {70: 0, 90: 0}
    ),
    Case("EventsUnroutable", "none", unroutable(counter((300, 0)), counter((300, 0))), {290: 0}),
    Case(
        "EventsUnroutable",
        "the broker starts again",
        unroutable(counter((60, 0), (100, -0.0), start=5), counter((160, 0))),
        {100: 0},
    ),
    Case(
        "EventsNeverConsumed",
        "published for a minute and a half, nothing handled",
        together(
            published(counter((400, 0.5))),
            handled(counter((60, 0.5), (340, 0))),
            all_handle(counter((400, 1)), but=QUEUE),
        ),
        {100: 0, 140: 0, 160: 1},
        OWN,
    ),
    Case(
        "EventsNeverConsumed",
        "cancelled orders, payments handles none",
        together(
            published(counter((400, 0.5)), "order.cancelled.v1"),
            all_handle(counter((400, 1)), but="payments.order-cancelled"),
        ),
        {20: 0, 30: 0, 70: 1},
        {"service": "payments", "queue": "payments.order-cancelled", "root_service": "payments", "team": "checkout"},
    ),
    *(
        Case("EventsNeverConsumed", story, series, {390: count})
        for kind, queue in (("order.confirmed.v1", QUEUE), ("order.cancelled.v1", "payments.order-cancelled"))
        for story, series, count in (
            (
                f"{queue}: a few in a minute, none handled",
                together(published(counter((400, 0.2)), kind), all_handle(counter((400, 1)), but=queue)),
                1,
            ),
            (
                f"{queue}: one in a minute",
                together(published(counter((400, 0.017)), kind), all_handle(counter((400, 1)), but=queue)),
                0,
            ),
            (
                f"{queue}: all are handled",
                together(
                    published(counter((400, 0.5)), kind),
                    handled(counter((400, 0.5)), queue),
                    all_handle(counter((400, 1)), but=queue),
                ),
                0,
            ),
            (f"{queue}: events of another kind", published(counter((400, 0.5)), "order.shipped.v1"), 0),
            (f"{queue}: another publisher's", published(counter((400, 0.5)), kind, service="elsewhere"), 0),
        )
    ),
    Case(
        "EventsNeverConsumed",
        "only confirmed orders: payments has nothing to do",
        together(
            published(counter((400, 0.5))),
            all_handle(counter((400, 0.5)), but="payments.order-cancelled"),
        ),
        {390: 0},
    ),
    Case(
        "EventsNeverConsumed",
        "one event",
        together(published(counter((60, 0), (5, 0.2), (300, 0))), handled(counter((365, 0)))),
        {150: 0},
    ),
    Case(
        "EventsNeverConsumed",
        "another publisher's events",
        published(counter((400, 0.5)), service="elsewhere"),
        {390: 0},
    ),
    Case(
        "EventsNeverConsumed",
        "both start again",
        together(published(counter((100, 0.5), (200, -0.5))), all_handle(counter((100, 0.5), (200, -0.5)))),
        {110: 0, 290: 0},
    ),
    Case(
        "EventsNeverConsumed",
        "a gap in the consumer's figures",
        together(published(counter((300, 0.5))), all_handle(gap(counter((300, 0.5)), 100, 50))),
        {150: 0, 290: 0},
    ),
]

CASES = [*_BROKER, *_CONSUMERS, *_MISSING, *_DEAD, *_OUTBOX, *_CONSUMED]
