"""Steady load on one gunicorn worker: CPU time of the worker for each request, and latency percentiles."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import HERE, free_port

CLIENTS = 4
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Result:
    """What one run came to; times in milliseconds, CPU for each request."""

    requests: int
    cpu_ms: float
    p50_ms: float
    p99_ms: float
    p999_ms: float


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
        # Below saturation: a queue in front of the worker would hide what happens inside it.
        time.sleep(pause)


def _drive(port: int, seconds: float, pause: float) -> list[float]:
    collected: list[list[float]] = [[] for _ in range(CLIENTS)]
    until = time.perf_counter() + seconds
    threads = [threading.Thread(target=_client, args=(port, until, pause, each)) for each in collected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(latency for each in collected for latency in each)


def measure(variant: str, *, sampled: bool, sink: str, database_url: str, seconds: float) -> Result:
    """Start gunicorn with ``variant``, warm it up, load it for ``seconds`` and measure."""
    port = free_port()
    environ = {
        **os.environ,
        "BENCH_VARIANT": variant,
        "BENCH_SAMPLED": "yes" if sampled else "no",
        "BENCH_SINK": sink,
        "BENCH_DATABASE_URL": database_url,
    }
    command = [sys.executable, "-m", "gunicorn", "-w", "1", "--threads", str(CLIENTS), "-b", f"127.0.0.1:{port}"]
    with subprocess.Popen(
        [*command, "--log-level", "error", "benchmarks.service:application"],
        cwd=HERE.parent,
        env=environ,
        stdout=subprocess.DEVNULL,
    ) as master:
        try:
            _wait(port)
            _drive(port, 2.0, 0.0)
            (worker,) = _children(master.pid)
            before = _cpu_seconds(worker)
            latencies = _drive(port, seconds, 0.02)
            # What is queued belongs to these requests too.
            time.sleep(1.5)
            cpu = _cpu_seconds(worker) - before
        finally:
            master.terminate()
            master.wait(30)

    def percentile(share: float) -> float:
        return latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000

    return Result(len(latencies), cpu / len(latencies) * 1000, percentile(0.5), percentile(0.99), percentile(0.999))


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
