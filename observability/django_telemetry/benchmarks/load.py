"""Steady load on one gunicorn worker: the worker's CPU time per request, and latency percentiles."""

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
# Mean pause between two requests of a client, in seconds. The load is below saturation: a queue in front of the worker
# would hide its own latency. The pauses are random: with equal ones, clients may synchronise and all queue, or none.
PAUSE = 0.02
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Block:
    """A few seconds of load: the latency of each request and the CPU time of the worker, in seconds."""

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
    """A warmed-up gunicorn with one worker that serves ``variant``. A context manager.

    ``frozen`` excludes loaded objects from garbage collection, like django_telemetry.gunicorn.freeze.
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
        """Apply load for ``seconds`` and return the measurements."""
        # Warm up: other servers have used the processor's caches since the last block.
        _drive(self._port, 0.3, PAUSE)
        before = _cpu_seconds(self._worker)
        latencies = _drive(self._port, seconds, PAUSE)
        # Sending the queued telemetry also counts for these requests.
        time.sleep(1.5)
        return Block(latencies, _cpu_seconds(self._worker) - before)


def base_of(server: str) -> str:
    """The name of the bare server to compare a server with: a frozen one with a frozen one."""
    return "service bare sampled" + (" frozen" if server.endswith(" frozen") else "")


def summary(blocks: Sequence[Block], of_bare: Sequence[Block]) -> dict[str, float]:
    """The results of one server: medians over its blocks, and latency percentiles of all its requests.

    ``ratio`` is the median of the ratios to the bare server's block of the same round: a slow period of the machine
    affects both.
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
