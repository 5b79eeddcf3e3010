"""A fake Docker Engine on a unix socket that implements a few API calls, behind docker-compose.yml's allowlist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from platform_testing.http import StubServer, json_response
from werkzeug import Request, Response

from tests import stack


@dataclass
class Container:
    """One container, as the inspect call shows it."""

    running: bool = True
    paused: bool = False
    health: str = "healthy"
    pid: int = 100
    # The number of inspect calls after a start until it is healthy again.
    looks_until_healthy: int = 2
    starting: int = 0

    def state(self) -> dict[str, Any]:
        """The state in the format of the Engine's API."""
        if self.starting:
            self.starting -= 1
        status = "paused" if self.paused else "running" if self.running else "exited"
        health = "starting" if self.starting else self.health
        return {
            "Status": status,
            "Running": self.running,
            "Paused": self.paused,
            "Restarting": False,
            "Pid": self.pid if self.running else 0,
            "Health": {"Status": health},
        }

    def start(self) -> None:
        """Start a new process, which is healthy after some inspect calls."""
        self.running, self.starting = True, self.looks_until_healthy
        self.pid += 1


@dataclass
class Engine:
    """The containers by name, and the calls that passed the allowlist."""

    containers: dict[str, Container]
    calls: list[str] = field(default_factory=list)
    address: str = ""

    def __post_init__(self) -> None:
        self.allowed = allowlist()

    def answer(self, method: str, target: str) -> tuple[int, Any]:
        """Status and body, with the errors that Docker and the proxy return."""
        parts = urlsplit(target)
        pattern = self.allowed.get(method)
        if pattern is None:
            return 405, {"message": "Method Not Allowed"}
        if not re.fullmatch(pattern, parts.path):
            return 403, {"message": "Forbidden"}
        _, _, _, name, verb = parts.path.split("/")
        container = self.containers.get(name)
        if container is None:
            return 404, {"message": f"No such container: {name}"}
        if verb == "json":
            return 200, {"Id": f"id-of-{name}", "Config": {"Tty": True}, "State": container.state()}
        self.calls.append(f"{verb} {name}{_signal(parts.query)}")
        return self._act(verb, container)

    @staticmethod
    def _act(verb: str, container: Container) -> tuple[int, Any]:
        wrong = {
            "kill": not container.running,
            "pause": container.paused or not container.running,
            "unpause": not container.paused,
            "start": False,
            "restart": container.paused,
        }
        if wrong[verb]:
            return 409, {"message": f"cannot {verb}: {container.state()['Status']}"}
        if verb == "kill":
            # Docker restarts nothing that was killed through it, whatever the restart policy is.
            container.running = False
        elif verb in ("pause", "unpause"):
            container.paused = verb == "pause"
        elif verb == "restart" or not container.running:
            container.start()
        return 204, None


def _signal(query: str) -> str:
    signals = parse_qs(query).get("signal")
    return f" {signals[0]}" if signals else ""


def allowlist() -> Mapping[str, str]:
    """Method → pattern of whole paths, from the socket proxy's settings in docker-compose.yml."""
    found = {}
    for argument in stack.services()["docker-socket-proxy"]["command"]:
        if match := re.fullmatch(r"-allow([A-Z]+)=(.*)", argument):
            found[match[1]] = match[2]
    return found


@contextmanager
def serve(engine: Engine, socket: Path) -> Iterator[Engine]:
    """Listen on the socket inside the block; `engine.address` is then the value for DOCKER_HOST."""

    def respond(request: Request) -> Response:
        status, body = engine.answer(request.method, request.environ["RAW_URI"])
        return Response(status=status) if body is None else json_response(body, status)

    engine.address = f"unix://{socket}"
    with StubServer(respond, host=engine.address):
        yield engine
