"""Runs Locust as a library: the shape sets the number of users, each request is recorded, the run ends in time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.stats import RequestStats, StatsEntry

from load.client import read
from load.report import EndpointFigures, Recorder, Sample, Summary
from load.settings import Settings
from load.shapes import Shape, users_at
from load.shopper import Shopper

# How long users may finish their task before they are stopped.
STOP_TIMEOUT_SECONDS = 10.0
# Each new user may cost a password hash; a higher rate would measure only that.
MAX_SPAWN_RATE = 20.0
RATE_SECONDS = 5


@dataclass(frozen=True)
class Plan:
    """The parameters of a run. `duration` is in seconds."""

    journeys: Sequence[type[Shopper]]
    shape: Shape
    users: int
    duration: float


def environment_for(journeys: Sequence[type[Shopper]], settings: Settings) -> Environment:
    """A Locust environment for these journeys and services. Only one run at a time in a process."""
    Shopper.settings = settings
    environment = Environment(user_classes=list(journeys), stop_timeout=STOP_TIMEOUT_SECONDS)
    environment.create_local_runner()
    return environment


def run(
    plan: Plan, settings: Settings, interrupted: Event, on_second: Callable[[float, int, EndpointFigures], None]
) -> Summary:
    """Run the plan to its end, or until `interrupted` is set.

    Calls `on_second` each second with the elapsed seconds, the number of users and the figures so far. Ends at most
    STOP_TIMEOUT_SECONDS plus one second after the plan's duration.
    """
    environment = environment_for(plan.journeys, settings)
    runner = environment.runner
    assert runner is not None  # noqa: S101  (made one line above; for the type checker)
    recorder = Recorder()
    environment.events.request.add_listener(recording_into(recorder))
    started_at, began = datetime.now(UTC), time.monotonic()
    rate = _Rate(environment.stats)
    wanted = 0
    while (elapsed := time.monotonic() - began) < plan.duration:
        users = users_at(plan.shape, elapsed, plan.duration, plan.users)
        if users and users != wanted:
            runner.start(users, spawn_rate=min(MAX_SPAWN_RATE, float(plan.users)))
            wanted = users
        if interrupted.wait(timeout=min(1.0, plan.duration - elapsed)):
            break
        recent = replace(_figures(environment.stats.total, "all", recent=True), requests_per_second=rate.now())
        on_second(time.monotonic() - began, runner.user_count, recent)
    # Before the stop, so that the rate is that of the time under load.
    seconds = time.monotonic() - began
    gevent.spawn(runner.quit).join(timeout=STOP_TIMEOUT_SECONDS + 1)
    return Summary(
        shape=plan.shape,
        users=plan.users,
        started_at=started_at.isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
        interrupted=interrupted.is_set(),
        total=_figures(environment.stats.total, "all"),
        endpoints=tuple(
            _figures(entry, f"{entry.method} {entry.name}")
            for _, entry in sorted(environment.stats.entries.items(), key=lambda item: item[1].name)
        ),
        faults=recorder.faults,
        slowest=recorder.slowest,
        failed=recorder.failed,
    )


def recording_into(recorder: Recorder) -> Callable[..., None]:
    """A listener for Locust's request event."""

    def record(
        request_type: str, name: str, response_time: float, response: Any, exception: Exception | None, **_: Any
    ) -> None:
        fault = None if exception is None else str(exception) or type(exception).__name__
        trace_id = read(response).trace_id
        recorder.add(Sample(f"{request_type} {name}", round(response_time, 1), trace_id, fault))

    return record


class _Rate:
    """Requests per second over the last seconds. (Locust's own rate lags by three seconds.)"""

    def __init__(self, stats: RequestStats) -> None:
        self._stats = stats
        self._seen = deque([(time.monotonic(), 0)], maxlen=RATE_SECONDS + 1)

    def now(self) -> float:
        """The current rate; call it once a second."""
        self._seen.append((time.monotonic(), self._stats.total.num_requests))
        (began, before), (ended, after) = self._seen[0], self._seen[-1]
        return round((after - before) / max(ended - began, 0.001), 2)


def _figures(entry: StatsEntry, name: str, *, recent: bool = False) -> EndpointFigures:
    """Convert Locust's figures. `recent`: percentiles of the last seconds, where Locust keeps them."""

    def percentile(share: float) -> float:
        if recent and entry.use_response_times_cache:
            return entry.get_current_response_time_percentile(share) or 0.0
        return entry.get_response_time_percentile(share) or 0.0

    return EndpointFigures(
        endpoint=name,
        requests=entry.num_requests,
        failures=entry.num_failures,
        requests_per_second=round(entry.total_rps, 2),
        p50=percentile(0.5),
        p95=percentile(0.95),
        p99=percentile(0.99),
        maximum=round(entry.max_response_time, 1),
    )
