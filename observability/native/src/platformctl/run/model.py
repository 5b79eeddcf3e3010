"""What a process is, apart from how it is run."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Group(StrEnum):
    """What a process belongs to. `make up` goes down this list, `make down` up."""

    BACKEND = "backend"
    SERVICE = "service"
    TRAFFIC = "traffic"


@dataclass(frozen=True)
class HttpProbe:
    """Healthy when GET answers 200."""

    port: int
    path: str = "/"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


@dataclass(frozen=True)
class ExecProbe:
    """Healthy when the command exits with 0."""

    command: tuple[str, ...]


Probe = HttpProbe | ExecProbe


@dataclass(frozen=True)
class Process:
    """One process: what it runs, with which environment, after what, and how to tell that it is healthy.

    `after` names processes that must be healthy (or, for one-shots, have succeeded) before this one starts.
    `stop_timeout` is in seconds, after it comes SIGKILL. `ports` maps variable names to the ports it listens on.
    `configuration` is what it reads below var/etc: `make up` restarts it when that has changed. `inputs` are the files
    that decide what a one-shot does: while they are the same as when it last succeeded, it isn't run again.
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
