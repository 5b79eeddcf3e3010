"""Steady load on one gunicorn worker: CPU time of the worker for each request, and latency percentiles."""

from __future__ import annotations

import http.client
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.processes import HERE, free_port

CLIENTS = 4
# Between two requests of a client, in the mean. Below saturation: a queue in front of the worker would hide what
# happens inside it. At random: clients with equal pauses may fall into step, and then all of them queue, or none.
PAUSE = 0.02
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Block:
    """A few seconds of load: how long each request took, and the CPU time of the worker, in seconds."""

    latencies: list[float]
    cpu: float


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _client(port: int, until: float, pause: float, latencies: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while (start := time.perf_counter()) < until:
        connection.request("GET", "/api/v1/things")
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}")
        latencies.append(time.perf_counter() - start)
        if pause:
            time.sleep(random.expovariate(1 / pause))


def _drive(port: int, seconds: float, pause: float) -> list[float]:
    collected: list[list[float]] = [[] for _ in range(CLIENTS)]
    until = time.perf_counter() + seconds
    threads = [threading.Thread(target=_client, args=(port, until, pause, each)) for each in collected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(latency for each in collected for latency in each)


class Server:
    """gunicorn with one worker that serves ``variant``, warm. A context manager.

    ``frozen``: with what is loaded out of the garbage collector's sight, as django_telemetry.gunicorn.freeze does.
    """

    def __init__(self, variant: str, *, sampled: bool, frozen: bool, sink: str, database_url: str) -> None:
        self._port = free_port()
        self._environ = {
            **os.environ,
            "BENCH_VARIANT": variant,
            "BENCH_SAMPLED": "yes" if sampled else "no",
            "BENCH_FROZEN": "yes" if frozen else "no",
            "BENCH_SINK": sink,
            "BENCH_DATABASE_URL": database_url,
        }

    def __enter__(self) -> Self:
        bind = ["-w", "1", "--threads", str(CLIENTS), "-b", f"127.0.0.1:{self._port}"]
        self._master = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *bind, "--log-level", "error", "benchmarks.service:application"],
            cwd=HERE.parent,
            env=self._environ,
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait(self._port)
            _drive(self._port, 2.0, 0.0)
            (self._worker,) = _children(self._master.pid)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._master.terminate()
        self._master.wait(30)

    def block(self, seconds: float) -> Block:
        """Load it for ``seconds``."""
        # Other servers had the processor's caches meanwhile.
        _drive(self._port, 0.3, PAUSE)
        before = _cpu_seconds(self._worker)
        latencies = _drive(self._port, seconds, PAUSE)
        # What is queued belongs to these requests too.
        time.sleep(1.5)
        return Block(latencies, _cpu_seconds(self._worker) - before)


def base_of(server: str) -> str:
    """The name of the bare server that a server is compared with: frozen with frozen."""
    return "service bare sampled" + (" frozen" if server.endswith(" frozen") else "")


def summary(blocks: Sequence[Block], of_bare: Sequence[Block]) -> dict[str, float]:
    """Figures of one server: medians over its blocks, and percentiles of the latency of all its requests.

    ``ratio`` is the median of the ratios to the block of the bare server in the same round: a slow spell of the machine
    hits both alike.
    """
    costs, bare = ([block.cpu / len(block.latencies) * 1000 for block in each] for each in (blocks, of_bare))
    ratios = [mine / other for mine, other in zip(costs, bare, strict=True)]
    latencies = sorted(latency * 1000 for block in blocks for latency in block.latencies)

    def percentile(share: float) -> float:
        return latencies[min(len(latencies) - 1, int(len(latencies) * share))]

    return {
        "requests": float(len(latencies)),
        "cpu_ms": statistics.median(costs),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "p50_ms": percentile(0.5),
        "p99_ms": percentile(0.99),
        "p999_ms": percentile(0.999),
    }


def _wait(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/api/v1/things")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        if time.monotonic() > end:
            raise RuntimeError("gunicorn did not answer within 30 s")
        time.sleep(0.1)
