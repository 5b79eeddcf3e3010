"""The platform as drills reach it through its own interfaces: processes, proxies, databases, broker, search."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from urllib.parse import quote

import psycopg
import requests
from platformctl.app import Platform

from load.drills.choose import choose
from load.drills.descriptor import Drill
from load.drills.site import Processes, Site

TIMEOUT_SECONDS = 10.0


class World:
    """The platform of one clone, from outside; DRILLS_SITE decides where it runs (load.drills.choose)."""

    def __init__(self) -> None:
        self.platform = Platform()
        self.site: Site = choose(self.platform)
        self.http = requests.Session()

    @property
    def runner(self) -> Processes:
        """Starts, stops and signals processes."""
        return self.site.processes

    def refusal(self, drill: Drill) -> str:
        """Why a drill can't run where the platform runs; empty when it can."""
        return self.site.refusal(drill)

    @property
    def catalogue(self) -> Any:
        """The service catalogue."""
        return self.platform.catalogue

    def url(self, port_variable: str) -> str:
        """The URL of one of the ports in .env; Elasticsearch's includes the login, if it has one."""
        login = self.site.search_login if port_variable == "ELASTICSEARCH_PORT" else None
        user = f"{login[0]}:{quote(login[1], safe='')}@" if login else ""
        return f"http://{user}{self._address(port_variable)}"

    @cached_property
    def prometheus(self) -> str:
        """Prometheus's base URL."""
        return self.url("PROMETHEUS_PORT")

    @cached_property
    def watchdog(self) -> str:
        """The base URL of the watchdog, which records every notification."""
        return self.url("WATCHDOG_PORT")

    def call(self, method: str, address: str, **options: Any) -> requests.Response:
        """Send one HTTP request; raises requests.RequestException unless it succeeds."""
        response = self.http.request(method, address, timeout=TIMEOUT_SECONDS, **options)
        response.raise_for_status()
        return response

    def toxiproxy(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Call Toxiproxy's API."""
        return self.call(method, f"{self.url('TOXIPROXY_PORT')}{path}", json=body)

    def provider(self, behaviour: dict[str, Any]) -> None:
        """Set the card provider's behaviour."""
        self.call("PUT", f"{self.url('CARD_PROVIDER_PORT')}/admin/behaviour", json=behaviour)

    def broker(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Call RabbitMQ's management API in the platform's virtual host."""
        address = f"{self.url('RABBITMQ_MANAGEMENT_PORT')}/api{path}"
        return self.call(method, address, json=body, auth=self.site.broker_login)

    def elasticsearch(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Call Elasticsearch's API."""
        # The address has no login here, because errors show the address.
        address = f"http://{self._address('ELASTICSEARCH_PORT')}{path}"
        return self.call(method, address, json=body, auth=self.site.search_login)

    def database(self, name: str, application: str = "drill") -> psycopg.Connection[Any]:
        """A session as the administrator, in autocommit mode."""
        return psycopg.connect(
            user="postgres",
            dbname=name,
            application_name=application,
            connect_timeout=5,
            autocommit=True,
            **self.site.database,
        )

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """Run an instant query and return its samples."""
        parameters: dict[str, Any] = {"query": expression} | ({"time": at} if at is not None else {})
        found: list[dict[str, Any]] = self.call("GET", f"{self.prometheus}/api/v1/query", params=parameters).json()[
            "data"
        ]["result"]
        return found

    def _address(self, port_variable: str) -> str:
        return f"{self.site.host(port_variable)}:{self.platform.settings.ports[port_variable]}"
