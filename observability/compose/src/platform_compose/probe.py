"""`docker compose --profile drills run --rm drill probe`: one order, followed through every signal from a container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from catalogue import Catalogue
from platformctl.dev import probe
from platformctl.errors import PlatformError
from rich.console import Console

from platform_compose import hosts

READER = "reader"
READER_VARIABLE = "ELASTICSEARCH_READER_PASSWORD"
ERRORS_VARIABLE = "ERRORS_DSN_KEY"
SEARCH_PORT = "ELASTICSEARCH_PORT"
# Containers that do the work of a native process with another name.
CONTAINERS: Mapping[str, str] = {"rsyslog": "filebeat"}


class Containers:
    """The platform with Docker, seen from a container on its networks. Implements `platformctl.dev.probe.Target`."""

    mail_folder: Path | None = None

    def __init__(self, services: Catalogue, password: str, errors_key: str) -> None:
        """`password` is that of Elasticsearch's user `reader`, `errors_key` is `Target.errors_key`."""
        self.errors_key = errors_key
        self._services = services
        self._ports = hosts.default_settings(services).ports
        self._login = f"{READER}:{quote(password, safe='')}@"

    def url(self, variable: str, path: str = "") -> str:
        login = self._login if variable == SEARCH_PORT else ""
        return f"http://{login}{hosts.host_of_variable(variable, self._services)}:{self._ports[variable]}{path}"

    def log_tail(self, process: str) -> Sequence[str]:
        return ()

    def advice(self, process: str) -> str:
        return f"docker compose ps --all; docker compose logs {CONTAINERS.get(process, process)}"


def run(services: Catalogue, environ: Mapping[str, str]) -> int:
    """Print what the order left in each signal. Returns 1 if a signal is missing, 2 if the password is."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if not environ.get(READER_VARIABLE):
        console.print(f"{READER_VARIABLE} is not set: run this in the container `drill`")
        return 2
    try:
        result = probe.run(Containers(services, environ[READER_VARIABLE], environ.get(ERRORS_VARIABLE, "")), console)
    except PlatformError as error:
        console.print(str(error))
        return 1
    exemplar = ", with an exemplar that points at the trace" if result.exemplar else ""
    console.print(f"order    {result.order_id} in {result.order_seconds:.2f} s")
    console.print(f"trace    {result.trace_id}, {result.span_count} spans after {result.trace_seconds:.1f} s")
    console.print(f"logs     {result.log_lines} lines of {', '.join(result.log_services)}")
    console.print(f"metrics  {result.sample}{exemplar}")
    console.print(f"mail     {result.mail}")
    console.print(f"errors   {result.error}")
    return 0
