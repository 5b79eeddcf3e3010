"""Fixtures for the running platform and its backends. Settings, ports and secrets are platformctl's."""

from __future__ import annotations

import pytest
from platformctl.app import Platform
from platformctl.run.broker import ADMIN
from platformctl.run.environment import VIRTUAL_HOST
from platformctl.run.runner import Runner

from tests.support.elasticsearch import Elasticsearch
from tests.support.jaeger import Jaeger
from tests.support.mail import Mailbox
from tests.support.prometheus import Prometheus
from tests.support.rabbitmq import RabbitMq
from tests.support.shop import Customer, Shop, Urls


@pytest.fixture(scope="session")
def platform() -> Platform:
    """This checkout's platform; it must be running."""
    here = Platform()
    if not here.runner.is_up():
        pytest.exit("The platform isn't running. Start it by `make up`, or run these tests by `make test-e2e`.", 2)
    return here


@pytest.fixture(scope="session")
def runner(platform: Platform) -> Runner:
    """Starts, stops and signals single processes."""
    return platform.runner


@pytest.fixture(scope="session")
def shop(platform: Platform) -> Shop:
    """Client of the public API."""
    return Shop(Urls.of(platform.settings))


@pytest.fixture
def customer(shop: Shop) -> Customer:
    """A new customer, logged in."""
    return shop.new_customer()


@pytest.fixture(scope="session")
def jaeger(platform: Platform) -> Jaeger:
    """Client of the trace backend."""
    return Jaeger(platform.url("JAEGER_QUERY_PORT"))


@pytest.fixture(scope="session")
def elasticsearch(platform: Platform) -> Elasticsearch:
    """Client of the log backend."""
    return Elasticsearch(platform.url("ELASTICSEARCH_PORT"))


@pytest.fixture(scope="session")
def prometheus(platform: Platform) -> Prometheus:
    """Client of the metrics backend."""
    return Prometheus(platform.url("PROMETHEUS_PORT"))


@pytest.fixture(scope="session")
def rabbitmq(platform: Platform) -> RabbitMq:
    """Client of the broker's queues and messages."""
    password = platform.secrets.get(f"rabbitmq_{ADMIN}")
    amqp_url = platform.environment.rabbitmq_url(ADMIN)
    return RabbitMq(platform.url("RABBITMQ_MANAGEMENT_PORT"), ADMIN, password, VIRTUAL_HOST, amqp_url)


@pytest.fixture(scope="session")
def mailbox(platform: Platform) -> Mailbox:
    """The mails that were sent."""
    return Mailbox(platform.paths.mail)
