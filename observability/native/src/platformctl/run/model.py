"""The description of a process, independent of the process runner."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Group(StrEnum):
    """The group of a process. `make up` starts the groups in this order, `make down` stops them in reverse."""

    BACKEND = "backend"
    SERVICE = "service"
    TRAFFIC = "traffic"


@dataclass(frozen=True)
class HttpProbe:
    """Healthy if GET returns 200."""

    port: int
    path: str = "/"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


@dataclass(frozen=True)
class ExecProbe:
    """Healthy if the command exits with 0."""

    command: tuple[str, ...]


Probe = HttpProbe | ExecProbe


@dataclass(frozen=True)
class Process:
    """One process: command, environment, dependencies and health probe.

    `after` names processes that must be healthy (or, for one-shots, have succeeded) before this one starts.
    `stop_timeout` is in seconds; SIGKILL follows. `ports` maps variable names to the ports that it listens on.
    `configuration` is what it reads below var/etc: `make up` restarts it after a change. `inputs` are the files that
    decide what a one-shot does: while they are the same as at its last success, it doesn't run again.
    """

    name: str
    group: Group
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: Path | None = None
    probe: Probe | None = None
    after: tuple[str, ...] = ()
    one_shot: bool = False
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: int = 8
    probe_seconds: int = 2
    ports: Mapping[str, int] = field(default_factory=dict)
    url: str = ""
    ready_within: float = 120.0
    service: str = ""
    configuration: str = ""
    inputs: tuple[Path, ...] = ()
