"""The platform as drills reach it: processes, proxies, databases, broker, search. All through its own interfaces."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import psycopg
import requests
from platformctl.app import Platform
from platformctl.runner import Runner

TIMEOUT_SECONDS = 10.0
HOST = "127.0.0.1"


class World:
    """One clone's platform, from outside."""

    def __init__(self) -> None:
        self.platform = Platform()
        self.http = requests.Session()

    @property
    def runner(self) -> Runner:
        """Starts, stops and signals processes."""
        return self.platform.runner

    @property
    def catalogue(self) -> Any:
        """What there is."""
        return self.platform.catalogue

    def url(self, port_variable: str) -> str:
        """http://… of one of the ports in .env."""
        return f"http://{HOST}:{self.platform.settings.ports[port_variable]}"

    @cached_property
    def prometheus(self) -> str:
        """Prometheus's address."""
        return self.url("PROMETHEUS_PORT")

    @cached_property
    def watchdog(self) -> str:
        """The watchdog's address; it keeps every notification."""
        ports = self.platform.settings.ports
        return f"http://{HOST}:{ports.get('WATCHDOG_PORT', 9095)}"

    def call(self, method: str, address: str, **options: Any) -> requests.Response:
        """One HTTP call; raises requests.RequestException for anything but success."""
        response = self.http.request(method, address, timeout=TIMEOUT_SECONDS, **options)
        response.raise_for_status()
        return response

    def toxiproxy(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Toxiproxy's API."""
        return self.call(method, f"{self.url('TOXIPROXY_PORT')}{path}", json=body)

    def provider(self, behaviour: dict[str, Any]) -> None:
        """Set the card provider's behaviour."""
        self.call("PUT", f"{self.url('CARD_PROVIDER_PORT')}/admin/behaviour", json=behaviour)

    def broker(self, method: str, path: str, body: Any = None) -> requests.Response:
        """RabbitMQ's management API, in the platform's virtual host."""
        password = self.platform.secrets.get("rabbitmq_admin")
        return self.call(
            method, f"{self.url('RABBITMQ_MANAGEMENT_PORT')}/api{path}", json=body, auth=("admin", password)
        )

    def elasticsearch(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Elasticsearch's API."""
        return self.call(method, f"{self.url('ELASTICSEARCH_PORT')}{path}", json=body)

    def database(self, name: str, application: str = "drill") -> psycopg.Connection[Any]:
        """A session as the administrator; every statement takes effect at once."""
        return psycopg.connect(
            host=HOST,
            port=self.platform.settings.ports["POSTGRES_PORT"],
            user="postgres",
            password=self.platform.secrets.get("postgres_postgres"),
            dbname=name,
            application_name=application,
            connect_timeout=5,
            autocommit=True,
        )

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """An instant query: its samples."""
        parameters: dict[str, Any] = {"query": expression} | ({"time": at} if at is not None else {})
        found: list[dict[str, Any]] = self.call("GET", f"{self.prometheus}/api/v1/query", params=parameters).json()[
            "data"
        ]["result"]
        return found
