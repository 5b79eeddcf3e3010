"""Finds the processes that hold the platform's ports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

import psutil

from platformctl.errors import PortsTaken
from platformctl.run.model import Process
from platformctl.run.supervisor import INSTANCE_VARIABLE

LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
ALL_ADDRESSES = (*LOOPBACK, "0.0.0.0", "::")


def listeners() -> dict[int, int]:
    """Port → pid of every process that listens on loopback. The pid is 0 if it is unknown."""
    found: dict[int, int] = {}
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.ip in ALL_ADDRESSES:
            found[connection.laddr.port] = connection.pid or 0
    return found


def check_free(processes: Iterable[Process], instance: str) -> None:
    """Raise PortsTaken, with port, variable and holder, for every port that another process holds."""
    held = listeners()
    problems = []
    for process in processes:
        for variable, port in process.ports.items():
            pid = held.get(port)
            if pid is not None and not _is_ours(pid, instance):
                problems.append(f"port {port} ({variable}, for {process.name}) is held by {describe(pid)}")
    if problems:
        raise PortsTaken(
            "ports are taken",
            detail=problems,
            advice="stop that process, or set the variable in .env to another port "
            "(PORT_OFFSET=1000 moves every port, which is the way to run two clones at once)",
        )


def describe(pid: int) -> str:
    """A process as text: name, pid, command, and whether it belongs to another clone of this platform."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        command = " ".join(process.cmdline())[:100]
        clone = " (another clone of this platform)" if INSTANCE_VARIABLE in _environment(process) else ""
        return f"{process.name()} (pid {pid}: {command}){clone}"
    return "a process that can't be seen from here" if pid == 0 else f"pid {pid}"


def _is_ours(pid: int, instance: str) -> bool:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        family = [process, *process.parents()]
        return any(_environment(member).get(INSTANCE_VARIABLE) == instance for member in family)
    return False


def _environment(process: psutil.Process) -> Mapping[str, str]:
    with suppress(psutil.Error, OSError):
        return process.environ()
    return {}
