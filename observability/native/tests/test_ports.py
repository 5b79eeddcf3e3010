"""Ports that are in use: the process that holds them, and the variable that changes them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from platformctl.errors import PortsTaken
from platformctl.run import ports
from platformctl.run.model import Group, Process
from platformctl.run.supervisor import INSTANCE_VARIABLE

LISTEN = """
import socket, sys
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def a_listener(instance: str = "") -> Iterator[tuple[int, int]]:
    """Another process that listens: (port, pid)."""
    environment = os.environ | ({INSTANCE_VARIABLE: instance} if instance else {})
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
        process.kill()


def needing(port: int) -> Process:
    return Process("orders", Group.SERVICE, ("true",), ports={"ORDERS_PORT": port})


def test_a_taken_port_is_named_with_its_variable_and_the_process_that_holds_it() -> None:
    with a_listener() as (port, pid), pytest.raises(PortsTaken) as caught:
        ports.check_free([needing(port)], "us")
    message = str(caught.value)
    assert f"port {port} (ORDERS_PORT, for orders)" in message
    assert f"pid {pid}" in message
    assert ".env" in message


def test_another_clone_is_recognised() -> None:
    with a_listener("them") as (port, _), pytest.raises(PortsTaken, match="another clone of this platform"):
        ports.check_free([needing(port)], "us")


def test_our_own_process_may_hold_its_port() -> None:
    with a_listener("us") as (port, _):
        ports.check_free([needing(port)], "us")


def test_a_port_without_a_listener_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    ports.check_free([needing(port)], "us")


def test_every_taken_port_is_named_at_once() -> None:
    with a_listener() as (first, _), a_listener() as (second, _), pytest.raises(PortsTaken) as caught:
        ports.check_free([needing(first), needing(second)], "us")
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)
