"""Where the services are, and the guard that keeps load on this machine."""

from __future__ import annotations

import importlib
import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import catalogue

JAEGER_QUERY_PORT = 16686
MAX_TRAFFIC_USERS = 50


class SettingsError(ValueError):
    """A setting can't be used; the message names it and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """The services' base URLs by name, the address of a trace with `{trace_id}` where the id goes, how many people the
    background traffic is made of, and whether load may leave this machine's loopback."""

    service_urls: Mapping[str, str]
    trace_url: str
    traffic_users: int = 2
    allow_remote: bool = False

    def trace_link(self, trace_id: str) -> str:
        """The address that shows this trace."""
        return self.trace_url.replace("{trace_id}", trace_id)


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read <SERVICE>_URL, TRACE_URL, TRAFFIC_USERS and LOAD_ALLOW_REMOTE.

    Ports default to those of the platform of this checkout. Raises SettingsError naming every variable that is wrong.
    """
    services = catalogue.load().public()
    variables = {name: service.url_variable for name, service in services.items()}
    ports = _ports()
    urls = {name: environ.get(variable) or f"http://127.0.0.1:{ports[name]}" for name, variable in variables.items()}
    # Jaeger's API answers wherever Jaeger runs; its own UI is a placeholder page in builds without the UI files.
    trace_url = environ.get("TRACE_URL") or f"http://127.0.0.1:{ports['jaeger']}/api/traces/{{trace_id}}"
    users = environ.get("TRAFFIC_USERS") or "2"
    # Among containers the services are on a network of their own, which the load can't leave either.
    remote = environ.get("LOAD_ALLOW_REMOTE") or "off"
    wrong = [
        f"{variables[name]} is {url!r}; allowed: http(s)://host[:port] without a path"
        for name, url in urls.items()
        if not _is_base_url(url)
    ]
    if "{trace_id}" not in trace_url:
        wrong.append(f"TRACE_URL is {trace_url!r}; allowed: an address with {{trace_id}} in it")
    if not (users.isascii() and users.isdigit() and 1 <= int(users) <= MAX_TRAFFIC_USERS):
        wrong.append(f"TRAFFIC_USERS is {users!r}; allowed: 1 to {MAX_TRAFFIC_USERS}")
    if remote not in ("on", "off"):
        wrong.append(f"LOAD_ALLOW_REMOTE is {remote!r}; allowed: on, off")
    if wrong:
        raise SettingsError("\n".join(wrong))
    base_urls = {name: url.rstrip("/") for name, url in urls.items()}
    return Settings(base_urls, trace_url, int(users), remote == "on")


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
    """Whether `host` (a name or an address) leads to loopback and nowhere else. An unknown name does not."""
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


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port_is_valid and parts.path in {"", "/"}
