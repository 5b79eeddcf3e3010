"""The containers of docker compose as the processes of drills.

Only these calls of the Docker Engine's API are used: inspect, kill, pause, unpause, start, restart. The proxy in front
of Docker's socket rejects all others.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import docker
import requests
from docker.errors import DockerException, NotFound
from platformctl.run.model import Process

from load.drills.site import NotPossible

# Docker Engine 25's API version. Pinned, so that no version negotiation is needed.
API_VERSION = "1.44"
CALL_SECONDS = 30.0
STOP_SECONDS = 30
READY_SECONDS = 120.0
EXIT_SECONDS = 15.0
POLL_SECONDS = 0.2
# Containers that do the work of a native process with another name.
CONTAINERS: Mapping[str, str] = {"rsyslog": "filebeat"}


class ContainerFailed(RuntimeError):
    """A container is missing or an operation on it failed; the message names the container."""


class Containers:
    """The containers of one compose project. Every call that waits has a limit and raises ContainerFailed after it."""

    def __init__(self, address: str, project: str) -> None:
        """`address` is that of the Engine's API: tcp://host:port or unix://path. Doesn't connect."""
        self._project = project
        self._api = docker.APIClient(base_url=address, version=API_VERSION, timeout=CALL_SECONDS)

    @property
    def processes(self) -> Mapping[str, Process]:
        """Raises NotPossible: an image has no process list."""
        raise NotPossible("containers keep the environment that they were made with")

    def signal(self, name: str, number: signal.Signals) -> Sequence[int]:
        """Send SIGSTOP, SIGCONT or SIGKILL to every process in the container; returns the first process's pid.

        Docker delivers a signal to the first process only, so freezing uses Docker's pause. The restart policy doesn't
        apply to a container that was killed through Docker, so after SIGKILL it is started again, as after a crash.
        """
        state = self._state(name)
        running, paused = bool(state["Running"]), bool(state.get("Paused"))
        with self._reporting(name):
            if number is signal.SIGSTOP and running and not paused:
                self._api.pause(self._container(name))
            elif number is signal.SIGCONT and paused:
                self._api.unpause(self._container(name))
            elif number is signal.SIGKILL and running:
                self._kill(name, paused=paused)
                self._api.start(self._container(name))
            elif number not in (signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL):
                raise NotPossible(f"{number.name}: a container is frozen, thawed or killed")
        return [int(state["Pid"])] if running else []

    def stop(self, name: str) -> None:
        """Kill the container. It stays stopped until it is started."""
        state = self._state(name)
        if state["Running"] or state.get("Restarting"):
            with self._reporting(name):
                self._kill(name, paused=bool(state.get("Paused")))

    def start(self, name: str) -> None:
        """Start or unpause the container and wait until it is healthy."""
        state = self._state(name)
        with self._reporting(name):
            if state.get("Paused"):
                self._api.unpause(self._container(name))
            elif not state["Running"]:
                self._api.start(self._container(name))
        self._wait_ready(name)

    def restart(self, name: str) -> None:
        """Restart as a deployment does: SIGTERM, SIGKILL after 30 s, start, wait until healthy."""
        with self._reporting(name):
            self._api.restart(self._container(name), timeout=STOP_SECONDS)
        self._wait_ready(name)

    def release(self, name: str, overrides: Mapping[str, str]) -> None:
        """Raises NotPossible for anything but the usual release, the only one that compose has."""
        if overrides:
            raise NotPossible(f"{name} keeps the environment that its container was made with")
        self.start(name)

    def _container(self, name: str) -> str:
        return f"{self._project}-{CONTAINERS.get(name, name)}-1"

    def _state(self, name: str) -> Mapping[str, Any]:
        with self._reporting(name):
            found: Mapping[str, Any] = self._api.inspect_container(self._container(name))["State"]
        return found

    def _kill(self, name: str, *, paused: bool) -> None:
        container = self._container(name)
        if paused:
            self._api.unpause(container)
        self._api.kill(container, signal="SIGKILL")
        deadline = time.monotonic() + EXIT_SECONDS
        while self._state(name)["Running"]:
            if time.monotonic() > deadline:
                raise ContainerFailed(f"{container} is still there {EXIT_SECONDS:.0f} s after SIGKILL")
            time.sleep(POLL_SECONDS)

    def _wait_ready(self, name: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            state = self._state(name)
            health = state.get("Health", {}).get("Status", "healthy")
            if state["Running"] and not state.get("Paused") and health == "healthy":
                return
            if time.monotonic() > deadline:
                raise ContainerFailed(
                    f"{self._container(name)} is {state.get('Status', 'not running')} and {health}, not ready within "
                    f"{READY_SECONDS:.0f} s"
                )
            time.sleep(POLL_SECONDS)

    @contextmanager
    def _reporting(self, name: str) -> Iterator[None]:
        container = self._container(name)
        try:
            yield
        except NotFound as error:
            raise ContainerFailed(f"there is no container {container}: is the whole platform up?") from error
        except (DockerException, requests.RequestException) as error:
            raise ContainerFailed(f"{container}: the Docker Engine does not do it: {error}") from error
