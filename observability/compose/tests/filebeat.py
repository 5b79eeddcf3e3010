"""Filebeat on this machine as its container runs it: a Docker Engine's answers, its log files, and a Logstash's input.

What is written here and reaches the other end is exactly what the mounted configuration lets through.
"""

from __future__ import annotations

import json
import os
import queue
import re
import secrets
import socketserver
import struct
import subprocess
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from platform_testing.http import StubServer, json_response
from platform_testing.polling import eventually
from platform_testing.ports import free_port
from werkzeug import Request, Response

from tests import stack

API_VERSION = "1.44"
DOCKER_LOGS = "/var/lib/docker/containers"
STOP_SECONDS = 30
PASSED_HEADERS = ("Content-Type", "Content-Encoding")


@dataclass
class Container:
    """A container with Docker's json-file log below `folder`/<id>."""

    folder: Path
    name: str
    labels: Mapping[str, str]
    id: str = field(default_factory=lambda: secrets.token_hex(32))
    rotations: int = 0

    def __post_init__(self) -> None:
        self.log.parent.mkdir(parents=True)
        self.log.touch()
        settings = {"ID": self.id, "Config": {"Labels": dict(self.labels)}}
        (self.log.parent / "config.v2.json").write_text(json.dumps(settings, separators=(",", ":")))

    @property
    def log(self) -> Path:
        """The file that is written now; rotated ones have a number after the name."""
        return self.folder / self.id / f"{self.id}-json.log"

    def write(self, *lines: str) -> None:
        """Write lines as the driver does."""
        with self.log.open("a") as file:
            for line in lines:
                entry = {"log": f"{line}\n", "stream": "stdout", "time": datetime.now(UTC).isoformat()}
                file.write(json.dumps(entry) + "\n")

    def rotate(self) -> None:
        """Rename the file and begin a new one, as the driver does at `max-size`."""
        self.rotations += 1
        for number in range(self.rotations, 1, -1):
            self.log.with_name(f"{self.log.name}.{number - 1}").rename(self.log.with_name(f"{self.log.name}.{number}"))
        self.log.rename(self.log.with_name(f"{self.log.name}.1"))
        self.log.touch()

    def listed(self) -> dict[str, Any]:
        """The container in the Engine's list."""
        return {
            "Id": self.id,
            "Names": [f"/{self.name}"],
            "Image": "example",
            "Labels": dict(self.labels),
            "State": "running",
            "Ports": [],
            "NetworkSettings": {"Networks": {"default": {"IPAddress": "172.18.0.2"}}},
        }


class Engine:
    """The calls of Docker's API that Filebeat makes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._containers: dict[str, Container] = {}
        self._listeners: list[queue.Queue[dict[str, Any]]] = []
        self._is_open = True

    def start(self, name: str, labels: Mapping[str, str]) -> Container:
        """Start a container, which those who listen for events notice."""
        container = Container(self._folder, name, labels)
        self._containers[container.id] = container
        for listener in self._listeners:
            listener.put({"Type": "container", "Action": "start", "Actor": {"ID": container.id}, "time": 0})
        return container

    @contextmanager
    def listening(self, path: Path) -> Iterator[str]:
        """Answer on a unix socket inside the block; yields its address."""
        address = f"unix://{path}"
        with StubServer(self._answer, host=address):
            try:
                yield address
            finally:
                self._is_open = False

    def _answer(self, request: Request) -> Response:
        call = re.sub(r"^/v1\.\d+", "", request.path)
        if call == "/_ping":
            return Response("OK", headers={"Api-Version": API_VERSION})
        if call == "/info":
            return json_response({"ID": "fake", "ServerVersion": "29.0.0"})
        if call == "/events":
            return Response(self._events(), content_type="application/json")
        if call == "/containers/json":
            wanted = json.loads(request.args.get("filters", "{}")).get("id", {})
            return json_response(
                [each.listed() for each in self._containers.values() if not wanted or each.id in wanted]
            )
        return json_response({"message": f"page not found: {call}"}, 404)

    def _events(self) -> Iterator[bytes]:
        listener: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listeners.append(listener)
        # The client waits for the status line before it listens.
        yield b"\n"
        while self._is_open:
            try:
                yield json.dumps(listener.get(timeout=0.1)).encode() + b"\n"
            except queue.Empty:
                continue


class LogstashInput(socketserver.ThreadingTCPServer):
    """Logstash's input for Beats (lumberjack, version 2): keeps each event and acknowledges it."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Connection)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def listening(self) -> Iterator[LogstashInput]:
        """Receive inside the block."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()
            thread.join()


class _Connection(socketserver.StreamRequestHandler):
    server: LogstashInput

    def handle(self) -> None:
        while header := self.rfile.read(2):
            assert header == b"2W", header
            (count,) = struct.unpack(">I", self.rfile.read(4))
            received: list[tuple[int, dict[str, Any]]] = []
            while len(received) < count:
                received += self._frames()
            self.server.events += [event for _, event in received]
            self.wfile.write(b"2A" + struct.pack(">I", received[-1][0]))

    def _frames(self) -> list[tuple[int, dict[str, Any]]]:
        kind = self.rfile.read(2)
        if kind == b"2J":
            return [self._event(self.rfile.read(8), self.rfile.read)]
        assert kind == b"2C", kind
        (length,) = struct.unpack(">I", self.rfile.read(4))
        data = zlib.decompress(self.rfile.read(length))
        found = []
        while data:
            assert data[:2] == b"2J", data[:2]
            (size,) = struct.unpack(">I", data[6:10])
            found.append(self._event(data[2:10], lambda size, rest=data[10:]: rest[:size]))
            data = data[10 + size :]
        return found

    @staticmethod
    def _event(head: bytes, read: Any) -> tuple[int, dict[str, Any]]:
        number, size = struct.unpack(">II", head)
        return number, json.loads(read(size))


@contextmanager
def with_root_page(elasticsearch: str) -> Iterator[str]:
    """Elasticsearch with a page at its root, which Filebeat reads first and the server from Maven lacks (rest-root)."""
    nodes = requests.get(f"{elasticsearch}/_nodes", timeout=10).json()["nodes"]
    version = {"number": next(iter(nodes.values()))["version"], "build_flavor": "default"}

    def answer(request: Request) -> Response:
        if request.path == "/":
            return json_response({"version": version, "tagline": "You Know, for Search"})
        passed = requests.request(
            request.method,
            f"{elasticsearch}{request.full_path}",
            data=request.get_data(),
            headers={name: request.headers[name] for name in PASSED_HEADERS if name in request.headers},
            timeout=30,
        )
        return Response(passed.content, passed.status_code, content_type=passed.headers["Content-Type"])

    with StubServer(answer) as server:
        yield server.url


@dataclass
class Filebeat:
    """One Filebeat with a mounted configuration. What it has read is kept in `folder` over its restarts."""

    binary: Path
    configuration: str
    folder: Path
    engine: str
    logs: Path
    environment: Mapping[str, str]
    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.folder / "filebeat.log"

    @property
    def url(self) -> str:
        """Where its figures are."""
        return f"http://127.0.0.1:{self.port}"

    def stats(self) -> dict[str, Any]:
        """Its figures."""
        found: dict[str, Any] = requests.get(f"{self.url}/stats", timeout=5).json()
        return found

    @contextmanager
    def running(self) -> Iterator[Filebeat]:
        """Run it inside the block with the options of its container, and stop it as Docker does."""
        # The paths of the container become those of this test; everything else is the mounted file.
        text = self.configuration.replace(DOCKER_LOGS, str(self.logs))
        text = text.replace("    - type: docker\n", f"    - type: docker\n      host: {self.engine}\n")
        # Of the image: the parsers of well-known programs.
        (self.folder / "module").mkdir(exist_ok=True)
        file = self.folder / "filebeat.yml"
        file.write_text(text)
        command = [str(self.binary), "-e", "--strict.perms=false", f"--path.data={self.folder / 'data'}"]
        assert command[1:3] == stack.services()["filebeat"]["command"][1:3]
        command += [f"--path.home={self.folder}", "-c", str(file), "-E", f"http.port={self.port}", *self.options]
        with self.log.open("a") as output:
            environment = {"PATH": os.environ["PATH"], **self.environment}
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            eventually(
                lambda: process.poll() is not None or self.stats(),
                "Filebeat's figures",
                timeout=60,
                retry_on=requests.RequestException,
                look_at=self.log,
            )
            assert process.poll() is None, self.log.read_text()[-3000:]
            yield self
        finally:
            process.terminate()
            try:
                process.wait(timeout=STOP_SECONDS)
            finally:
                process.kill()
