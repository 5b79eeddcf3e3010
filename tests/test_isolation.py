"""No service has access to another's data, and nothing listens on an address other than loopback."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import catalogue
import pika
import psutil
import psycopg
import pytest
import requests
from contracts.events import EVENT_EXCHANGE, QUEUES
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ConnectionClosedByBroker
from platform_testing.polling import eventually
from platformctl.app import Platform

from tests.support.databases import connect
from tests.support.expect import expect, fail
from tests.support.rabbitmq import RabbitMq

SERVICES = catalogue.load().services
DATABASES = {service.name: service.database for service in SERVICES.values()}
# Every role, and the other databases that it may connect to.
PAIRS = [(role, database) for role in DATABASES for database in (*DATABASES.values(), "postgres", "template1")]
BROKER_USERS = sorted({edge.caller for edge in catalogue.load().edges() if edge.protocol == "amqp"})


@pytest.mark.parametrize("service", DATABASES)
def test_a_role_connects_to_its_own_database_and_is_no_administrator(platform: Platform, service: str) -> None:
    with connect(platform, service, DATABASES[service]) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication"
            " FROM pg_roles WHERE rolname = user"
        ).fetchone()
    expect(row == (False,) * 5, f"a role {service} without special rights", row, "pg_roles")


@pytest.mark.parametrize(("role", "database"), [pair for pair in PAIRS if DATABASES[pair[0]] != pair[1]])
def test_a_role_cannot_connect_to_any_other_database(platform: Platform, role: str, database: str) -> None:
    try:
        connect(platform, role, database).close()
    except psycopg.OperationalError as refusal:
        # Refused for lack of the right to connect, not for a wrong password or a missing database.
        expect("permission denied for database" in str(refusal), "permission denied", refusal, "pg_database.datacl")
    else:
        fail(f"{role} can't connect to {database}", "a connection", "platformctl.run.database")


@pytest.fixture
def foreign_virtual_host(rabbitmq: RabbitMq) -> Iterator[str]:
    """A virtual host that belongs to none of the services."""
    name = f"e2e-{uuid.uuid4().hex}"
    rabbitmq.call("PUT", f"vhosts/{name}")
    yield name
    rabbitmq.call("DELETE", f"vhosts/{name}")


@pytest.mark.parametrize("user", BROKER_USERS)
def test_a_broker_user_cannot_enter_another_virtual_host(
    platform: Platform, rabbitmq: RabbitMq, foreign_virtual_host: str, user: str
) -> None:
    own = platform.environment.rabbitmq_url(user)
    pika.BlockingConnection(pika.URLParameters(own)).close()
    parts = urlsplit(own)
    parameters = pika.URLParameters(urlunsplit((parts.scheme, parts.netloc, f"/{foreign_virtual_host}", "", "")))
    try:
        pika.BlockingConnection(parameters).close()
    except (ConnectionClosedByBroker, AMQPConnectionError) as refusal:
        expect("refused for user" in repr(refusal), "access refused for the user", repr(refusal), rabbitmq.url)
    else:
        fail(f"{user} can't enter {foreign_virtual_host}", "a connection", f"{rabbitmq.url}/#/users/{user}")


@pytest.mark.parametrize("user", BROKER_USERS)
def test_a_broker_user_can_create_nothing_outside_the_topology(
    platform: Platform, rabbitmq: RabbitMq, user: str
) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(platform.environment.rabbitmq_url(user)))
    try:
        connection.channel().queue_declare(f"e2e-{uuid.uuid4().hex}", exclusive=True)
    except ChannelClosedByBroker as refusal:
        expect(refusal.reply_code == 403, "403 ACCESS_REFUSED", refusal, f"{rabbitmq.url}/#/users/{user}")
    else:
        fail(f"{user} may make no queue of another name", "a queue", f"{rabbitmq.url}/#/users/{user}")
    finally:
        with suppress(Exception):
            connection.close()


@pytest.mark.parametrize("user", BROKER_USERS)
def test_a_broker_user_has_no_access_to_the_management_api(platform: Platform, rabbitmq: RabbitMq, user: str) -> None:
    password = platform.secrets.get(f"rabbitmq_{user}")
    response = requests.get(f"{rabbitmq.url}/api/overview", auth=(user, password), timeout=10)
    expect(response.status_code == 401, "401", response.status_code, f"{rabbitmq.url}/#/users/{user}")


def test_the_default_broker_user_does_not_exist(rabbitmq: RabbitMq) -> None:
    users = {user["name"] for user in rabbitmq.call("GET", "users")}
    expect("guest" not in users, "no user guest", sorted(users), f"{rabbitmq.url}/#/users")


def test_the_topology_is_that_of_the_contracts(rabbitmq: RabbitMq) -> None:
    queues = {queue["name"]: queue for queue in rabbitmq.call("GET", "queues/platform")}
    wanted = {name for queue in QUEUES for name in (queue.name, queue.dead_letter_queue)}
    expect(set(queues) == wanted, f"the queues {sorted(wanted)}", sorted(queues), f"{rabbitmq.url}/#/queues")
    for name, queue in queues.items():
        expect(queue["type"] == "quorum", f"{name} is a quorum queue", queue["type"], rabbitmq.queue_url(name))
    exchanges = {exchange["name"] for exchange in rabbitmq.call("GET", "exchanges/platform")}
    expect(EVENT_EXCHANGE in exchanges, f"the exchange {EVENT_EXCHANGE}", exchanges, f"{rabbitmq.url}/#/exchanges")


def test_everything_listens_on_loopback_only(platform: Platform) -> None:
    wanted = set(platform.settings.ports.values())
    listening = eventually(
        partial(_listening, platform),
        f"a listener on each of {sorted(wanted)}",
        accept=lambda found: wanted <= {port for _, _, port in found},
        look_at="make status",
    )
    exposed = sorted(entry for entry in listening if not _is_loopback(entry[1]))
    expect(not exposed, "every listener on loopback", exposed, "ss -ltnp")


def _listening(platform: Platform) -> set[tuple[str, str, int]]:
    """(program, address, port) of every listener of this platform's processes."""
    return {
        (process.name(), connection.laddr.ip, connection.laddr.port)
        for process in platform.runner.leftovers()
        for connection in _connections(process)
        if connection.status == psutil.CONN_LISTEN
    }


def _is_loopback(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def _connections(process: psutil.Process) -> list[psutil._common.pconn]:
    try:
        return process.net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return []
