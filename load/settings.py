"""The addresses of the services, and the guard that keeps load on this machine."""

from __future__ import annotations

import importlib
import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import catalogue
import platform_settings
from platform_settings import ValidationError, kinds, parse, variable

JAEGER_QUERY_PORT = 16686
MAX_TRAFFIC_USERS = 50


class SettingsError(ValueError):
    """The settings are wrong, or the load would leave this machine. The message names what is allowed."""


@dataclass(frozen=True)
class Settings:
    """The base URLs of the services by name, the URL of a trace with `{trace_id}` in place of the id, the number of
    users of the background traffic, and whether load may leave this machine's loopback.
    """

    service_urls: Mapping[str, str]
    trace_url: str
    traffic_users: int = 2
    allow_remote: bool = False

    def trace_link(self, trace_id: str) -> str:
        """The URL of this trace."""
        return self.trace_url.replace("{trace_id}", trace_id)


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read <SERVICE>_URL, TRACE_URL, TRAFFIC_USERS and LOAD_ALLOW_REMOTE.

    Ports default to those of the platform of this checkout. Raises SettingsError naming every variable that is wrong.
    """
    ports = _ports()
    services = {service.url_variable: name for name, service in catalogue.load().public().items()}
    declared: dict[str, Any] = {
        **{url: kinds.origin(f"http://127.0.0.1:{ports[name]}") for url, name in services.items()},
        # Jaeger's API is available in every build; its own UI is a placeholder page in builds without the UI files.
        "TRACE_URL": _trace_url(f"http://127.0.0.1:{ports['jaeger']}/api/traces/{{trace_id}}"),
        "TRAFFIC_USERS": kinds.integer(2, 1, MAX_TRAFFIC_USERS),
        # Among containers the services are on an internal network, which the load can't leave either.
        "LOAD_ALLOW_REMOTE": kinds.switch(False),
    }
    values, problems = parse(declared, environ, blank_is_unset=True)
    if problems:
        raise SettingsError(str(platform_settings.SettingsError(problems)))
    urls = {name: values[variable] for variable, name in services.items()}
    return Settings(urls, values["TRACE_URL"], values["TRAFFIC_USERS"], values["LOAD_ALLOW_REMOTE"])


def refuse_remote(settings: Settings) -> None:
    """Raise SettingsError unless every service is on this machine's loopback or LOAD_ALLOW_REMOTE is on.

    Resolves names such as localhost.
    """
    if settings.allow_remote:
        return
    remote = sorted({url for url in settings.service_urls.values() if not is_loopback(urlsplit(url).hostname or "")})
    if remote:
        raise SettingsError(
            f"{', '.join(remote)}: not on loopback. Load goes to this machine only, unless you say --allow-remote."
        )


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address) resolves to loopback only. False for an unknown name."""
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return bool(answers) and all(ipaddress.ip_address(answer[4][0]).is_loopback for answer in answers)


def _ports() -> dict[str, int]:
    """The ports by service, and Jaeger's: those of .env where platformctl is installed, else the defaults."""
    services = catalogue.load()
    try:
        platform = importlib.import_module("platformctl.settings")
        errors = importlib.import_module("platformctl.errors")
        paths = importlib.import_module("platformctl.paths")
    except ImportError:
        defaults = {process.name: process.http_port or 0 for process in services.processes()}
        return {**defaults, "jaeger": JAEGER_QUERY_PORT}
    try:
        chosen = platform.load(paths.repository_root(), services)
    except errors.PlatformError as error:
        raise SettingsError(str(error)) from error
    ports = {name: chosen.port(name) for name in services.public()}
    return {**ports, "jaeger": chosen.ports["JAEGER_QUERY_PORT"]}


def _trace_url(default: str) -> Any:
    def parse_trace_url(value: str) -> str:
        if "{trace_id}" not in value:
            raise ValidationError("without {trace_id}")
        return value

    return variable(parse_trace_url, default, allowed="an address with {trace_id} in it")
