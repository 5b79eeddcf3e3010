"""kill -9 of Elasticsearch while orders are placed: after its restart, spans and log lines are stored again."""

from __future__ import annotations

import signal
from functools import partial

import pytest
from platform_testing.polling import eventually
from platformctl.run.runner import Runner

from tests.support.elasticsearch import Elasticsearch
from tests.support.expect import expect
from tests.support.jaeger import Jaeger
from tests.support.shop import Customer, Shop

# It starts in 10 to 20 s on an idle machine.
BACK_WITHIN_SECONDS = 180.0
STORES = "elasticsearch"

pytestmark = pytest.mark.timeout(400)


def test_traces_and_logs_are_stored_again_after_elasticsearch_was_killed(
    runner: Runner, shop: Shop, customer: Customer, jaeger: Jaeger, elasticsearch: Elasticsearch
) -> None:
    before = runner.status(STORES)
    reached = runner.signal(STORES, signal.SIGKILL)
    expect(before.pid in reached, f"pid {before.pid} of {STORES} killed", reached, "make status")
    # Jaeger has a refused write: from then on its writer waits until it considers the store healthy.
    missed = customer.order(shop.items())
    eventually(
        lambda: runner.status(STORES),
        f"{STORES} back with another pid",
        accept=lambda status: status.pid not in (0, before.pid) and status.health == "ready",
        look_at=f"make logs s={STORES}",
        timeout=BACK_WITHIN_SECONDS,
        longest_pause=1,
    )
    eventually(
        elasticsearch.health,
        "all indices can be searched again",
        accept=lambda status: status in ("green", "yellow"),
        look_at=f"{elasticsearch.url}/_cluster/health",
        timeout=60,
    )
    order = customer.order(shop.items())
    # Not through Jaeger's API: each query would revive the connection that its writer waits for.
    eventually(
        partial(elasticsearch.services_with_spans, order.trace_id),
        "spans of the order after the outage",
        accept=lambda services: {"orders", "notifications"} <= services,
        look_at=f"{jaeger.trace_url(order.trace_id)} and make logs s=jaeger",
        timeout=60,
    )
    for trace_id, when in ((missed.trace_id, "during"), (order.trace_id, "after")):
        eventually(
            partial(elasticsearch.logs, trace__id=trace_id),
            f"log lines of the order {when} the outage",
            accept=lambda lines: {"orders", "notifications"} <= {line["service.name"] for line in lines},
            look_at=f"{elasticsearch.search_url(f'trace.id:{trace_id}')} and make logs s=rsyslog",
            timeout=60,
        )
