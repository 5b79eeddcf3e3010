"""Services."""

from __future__ import annotations

from series import Case, counter, gap, gauge, ramp, together

from cases.edges import contention, pending, scrapes

RESPONSES = "django_http_responses_total_by_status_view_method_total"
LATENCY = "django_http_requests_latency_seconds_by_view_method"
VIEW = "ordering.api.views.OrdersView"
HEALTH = "contracts.api.health.readyz"


def target(process: str, service: str, up: str, duration: str, job: str = "django") -> dict[str, str]:
    """A scrape target: whether it answers, and how long the scrape took."""
    labels = f'job="{job}", service="{service}", process="{process}", instance="{process}"'
    return {f"up{{{labels}}}": up, f"scrape_duration_seconds{{{labels}}}": duration}


def responses(
    status: str, values: str, service: str = "orders", view: str = VIEW, instance: str = "a"
) -> dict[str, str]:
    """Answers with this status."""
    where = f'service="{service}", instance="{instance}", view="{view}", method="POST"'
    return {f'{RESPONSES}{{{where}, status="{status}"}}': values}


def latency(fast: str, total: str, service: str = "orders", view: str = VIEW) -> dict[str, str]:
    """Requests within a second, within ten, and all."""
    labels = f'service="{service}", view="{view}", method="POST"'
    return {
        f'{LATENCY}_bucket{{{labels}, le="1.0"}}': fast,
        f'{LATENCY}_bucket{{{labels}, le="10.0"}}': total,
        f'{LATENCY}_bucket{{{labels}, le="+Inf"}}': total,
        f"{LATENCY}_count{{{labels}}}": total,
    }


def process(
    metric: str, values: str, name: str = "orders", service: str = "orders", job: str = "django"
) -> dict[str, str]:
    """A process's own figures."""
    return {f'{metric}{{job="{job}", service="{service}", process="{name}", instance="{name}"}}': values}


UP, DOWN = gauge((300, 1)), gauge((60, 1), (240, 0))
QUICK, HANGING = gauge((300, 0.01)), gauge((60, 0.01), (240, 4))


def served(process: str, service: str, values: str, kind: str = "SPAN_KIND_SERVER") -> dict[str, str]:
    """Spans of the requests that a process served, as they reached Jaeger."""
    method = 'rpc_method="Reserve"' if process.endswith("-grpc") else 'http_request_method="GET"'
    return {f'traces_span_metrics_calls_total{{service_name="{service}", span_kind="{kind}", {method}}}': values}


def explained(service: str) -> list[tuple[str, dict[str, str], int]]:
    """(story, series, whether the service's own alert fires all the same)."""
    return [
        ("an alert on its database is pending", pending(service, "postgresql"), 0),
        (
            "other edges, tickets, the service itself",
            together(
                pending("unknown", "postgresql"),
                pending(service, "postgresql", severity="ticket"),
                pending(service, ""),
            ),
            1,
        ),
    ]


_SERVING = [
    *(
        Case(
            "ServiceDown",
            f"{process} still serves: only its metrics are broken",
            together(target(process, service, DOWN, QUICK), served(process, service, counter((300, 1)))),
            {200: 0, 290: 0},
        )
        for process, service in (("payments", "payments"), ("inventory-grpc", "inventory"), ("inventory", "inventory"))
    ),
    *(
        Case(
            "ServiceDown",
            f"{process} is dead, whatever its sibling serves",
            together(target(process, "inventory", DOWN, QUICK), served(sibling, "inventory", counter((300, 1)))),
            {70: 0, 80: 1},
        )
        for process, sibling in (("inventory", "inventory-grpc"), ("inventory-grpc", "inventory"))
    ),
    Case(
        "ServiceDown",
        "what was on its way when it died is counted until 70 s",
        together(target("users", "users", DOWN, QUICK), served("users", "users", counter((70, 1), (230, 0)))),
        {75: 0, 90: 1, 290: 1},
    ),
    Case(
        "ServiceDown",
        "calls that it makes are not calls that it serves",
        together(
            target("users", "users", DOWN, QUICK),
            served("users", "users", counter((300, 1)), kind="SPAN_KIND_CLIENT"),
        ),
        {80: 1},
    ),
    Case(
        "ServiceDown",
        "its first scrapes fail, and then one now and then",
        target("users", "users", gauge(*[(15, 0), (5, 1)] * 15), QUICK),
        {0: 0, 10: 0, 100: 0, 200: 0, 290: 0},
    ),
]

_DOWN = [
    *_SERVING,
    *(
        Case(
            alert,
            f"{name}: 20 s after its first failed scrape",
            together(target(name, service, DOWN, duration), target("users", "users", UP, QUICK)),
            {60: 0, 70: 0, 80: 1, 290: 1},
            {"service": service, "process": name, "root_service": service, "severity": "page"},
        )
        for alert, name, service, duration in (
            ("ServiceDown", "payments", "payments", QUICK),
            ("ServiceDown", "inventory-grpc", "inventory", QUICK),
            ("ServiceNotAnswering", "payments", "payments", HANGING),
            ("WorkerDown", "orders-relay", "orders", QUICK),
            ("WorkerDown", "payments-consumer", "payments", QUICK),
            ("WorkerNotAnswering", "notifications-consumer", "notifications", HANGING),
        )
    ),
    *(
        Case(
            alert,
            "a restart of 15 s does not page",
            together(
                target(name, "orders", gauge((60, 1), (15, 0), (225, 1)), gauge((60, 0.01), (15, took), (225, 0.01)))
            ),
            {75: 0, 80: 0, 100: 0},
        )
        for alert, name, took in (
            ("ServiceDown", "orders", 0.01),
            ("ServiceNotAnswering", "orders", 4),
            ("WorkerDown", "orders-relay", 0.01),
            ("WorkerNotAnswering", "orders-relay", 4),
        )
    ),
    *(
        Case(
            alert,
            "the platform comes up: judged after a minute of looks",
            target(name, "orders", gauge((300, 0)), gauge((300, took))),
            {20: 0, 40: 0, second: 1},
        )
        for alert, name, took, second in (
            ("ServiceDown", "orders", 0.01, 45),
            ("ServiceNotAnswering", "orders", 4, 65),
            ("WorkerDown", "orders-relay", 0.01, 65),
            ("WorkerNotAnswering", "orders-relay", 4, 65),
        )
    ),
    Case("ServiceDown", "a hanging service is another alert", target("orders", "orders", DOWN, HANGING), {200: 0}),
    Case("ServiceNotAnswering", "a dead service is another alert", target("orders", "orders", DOWN, QUICK), {200: 0}),
    Case("WorkerDown", "a hanging worker is another alert", target("orders-relay", "orders", DOWN, HANGING), {200: 0}),
    Case(
        "WorkerNotAnswering", "a dead worker is another alert", target("orders-relay", "orders", DOWN, QUICK), {200: 0}
    ),
    Case("ServiceDown", "workers are another alert", target("orders-relay", "orders", DOWN, QUICK), {200: 0}),
    Case("ServiceNotAnswering", "hanging workers are too", target("orders-relay", "orders", DOWN, HANGING), {200: 0}),
    Case("WorkerDown", "services are another alert", target("orders", "orders", DOWN, QUICK), {200: 0}),
    Case("WorkerNotAnswering", "hanging services are too", target("orders", "orders", DOWN, HANGING), {200: 0}),
    Case(
        "ServiceDown",
        "a scrape of 0.5 s that fails",
        target("orders", "orders", DOWN, gauge((300, 0.5))),
        {70: 0, 80: 1},
    ),
    *(
        Case(
            alert,
            f"{name}: a scrape of a second that fails",
            target(name, "orders", DOWN, gauge((300, 1))),
            {200: count},
        )
        for alert, name, count in (
            ("ServiceNotAnswering", "orders", 0),
            ("WorkerDown", "orders-relay", 1),
            ("WorkerNotAnswering", "orders-relay", 0),
        )
    ),
    Case("ServiceNotAnswering", "a slow scrape that works", target("orders", "orders", UP, gauge((300, 4))), {200: 0}),
    Case(
        "WorkerNotAnswering",
        "a slow scrape that works",
        target("orders-relay", "orders", UP, gauge((300, 4))),
        {200: 0},
    ),
    *(
        Case(
            alert,
            "other jobs' targets are not services",
            target(name, "orders", DOWN, duration, job="exporter"),
            {200: 0},
        )
        for alert, name, duration in (
            ("ServiceDown", "exporter", QUICK),
            ("ServiceNotAnswering", "exporter", HANGING),
            ("WorkerDown", "orders-relay", QUICK),
            ("WorkerNotAnswering", "orders-relay", HANGING),
        )
    ),
    *(
        Case(
            alert,
            "a target that is not scraped any more is missing, which is another alert",
            target(name, "orders", gauge((60, 1), (240, "stale")), gauge((60, 0.01), (240, "stale"))),
            {200: 0},
        )
        for alert, name in (
            ("ServiceDown", "orders"),
            ("ServiceNotAnswering", "orders"),
            ("WorkerDown", "orders-relay"),
            ("WorkerNotAnswering", "orders-relay"),
        )
    ),
]

_RESTARTING = [
    Case(
        "ServiceRestarting",
        "the third restart within four minutes",
        process("process_start_time_seconds", gauge((60, 1), (60, 2), (60, 3), (400, 4), (400, 4))),
        {175: 0, 180: 1, 450: 0},
        {"service": "orders", "process": "orders", "severity": "page"},
    ),
    Case(
        "ServiceRestarting",
        "a deployment and its roll-back",
        process("process_start_time_seconds", gauge((60, 1), (60, 2), (500, 3))),
        {180: 0, 400: 0},
    ),
    Case(
        "ServiceRestarting",
        "restarts of something else are not a service's",
        process("process_start_time_seconds", gauge((60, 1), (60, 2), (60, 3), (60, 4), (60, 5)), job="jaeger"),
        {290: 0},
    ),
    Case(
        "ServiceRestarting",
        "missing scrapes are no restarts",
        process("process_start_time_seconds", gap(gauge((600, 1)), 100, 100)),
        {90: 0, 300: 0},
    ),
]

_ERRORS = [
    Case(
        "ServiceErrors",
        "a tenth of the answers is a 500",
        together(responses("201", counter((60, 2), (240, 1.7))), responses("500", counter((60, 0), (240, 0.3)))),
        {60: 0, 90: 0, 115: 1},
        {"service": "orders", "root_service": "orders", "team": "checkout"},
    ),
    Case(
        "ServiceErrors",
        "one in forty",
        together(responses("201", counter((300, 7.8))), responses("500", counter((300, 0.2)))),
        {290: 0},
    ),
    Case(
        "ServiceErrors",
        "four in a minute",
        together(responses("201", counter((300, 0.1))), responses("500", counter((300, 0.06)))),
        {290: 0},
    ),
    Case(
        "ServiceErrors",
        "a few errors of its own among many of a dependency's",
        together(
            responses("201", counter((300, 5))),
            responses("503", counter((300, 1))),
            responses("500", counter((300, 0.1))),
        ),
        {290: 0},
    ),
    Case(
        "ServiceErrors",
        "three errors of its own in a minute, and many of a dependency's",
        together(
            responses("201", counter((300, 0.1))),
            responses("503", counter((300, 0.5))),
            responses("500", counter((300, 0.05))),
        ),
        {290: 0},
    ),
    Case(
        "ServiceErrors",
        "503 is a dependency's, 402 and 404 are answers",
        together(
            *(responses(status, counter((300, 2))) for status in ("201", "402", "404", "502", "503", "504")),
        ),
        {290: 0},
    ),
    Case(
        "ServiceErrors",
        "a health check that fails is not a user's request",
        together(responses("201", counter((300, 2))), responses("500", counter((300, 2)), view=HEALTH)),
        {290: 0},
    ),
    Case(
        "ServiceErrors",
        "a counter that starts again",
        together(
            responses("201", counter((60, 2), (240, -2))), responses("500", counter((60, 0), (240, -0.01), start=700))
        ),
        {70: 0, 120: 0},
    ),
    Case(
        "ServiceErrors",
        "samples that go missing end it",
        together(
            responses("201", gap(counter((400, 1)), 200, 200)), responses("500", gap(counter((400, 1)), 200, 200))
        ),
        {100: 1, 320: 0},
    ),
]

_FAILING = together(responses("201", counter((300, 1.7))), responses("500", counter((300, 0.3))))
_HALF_SLOW = latency(counter((300, 1)), counter((300, 2)))

_EXPLAINED = [
    *(Case("ServiceErrors", story, together(_FAILING, series), {290: n}) for story, series, n in explained("orders")),
    *(Case("ServiceSlow", story, together(_HALF_SLOW, series), {290: n}) for story, series, n in explained("orders")),
]

_SLOW = [
    *contention("ServiceSlow", _HALF_SLOW),
    Case(
        "ServiceSlow",
        "what operators ask for by hand may take long",
        latency(counter((300, 1)), counter((300, 2)), service="console"),
        {290: 0},
    ),
    Case(
        "ServiceSlow",
        "it has been so for hours: no incident that has just begun",
        latency(counter((9000, 1), step=20), counter((9000, 2), step=20)),
        {8400: 0},
        step=20,
    ),
    Case(
        "ServiceSlow",
        "slower than ever in the last two hours",
        latency(counter((7200, 1.6), (1800, 0.4), step=20), counter((9000, 2), step=20)),
        {7140: 0, 7800: 1},
        step=20,
    ),
    Case(
        "ServiceSlow",
        "half of the requests take longer",
        latency(counter((60, 2), (240, 1)), counter((300, 2))),
        {60: 0, 115: 0, 130: 1},
        {"service": "orders", "root_service": "orders"},
    ),
    Case(
        "ServiceSlow",
        "pages that wait for what operators asked",
        latency(counter((300, 0)), counter((300, 2)), service="console"),
        {290: 0},
    ),
    Case("ServiceSlow", "a tenth is a tail", latency(counter((300, 9)), counter((300, 10))), {290: 0}),
    Case(
        "ServiceSlow",
        "one slow request",
        latency(counter((100, 0.05), (5, 0), (200, 0.05)), counter((305, 0.05))),
        {130: 0},
    ),
    Case("ServiceSlow", "few requests, all slow", latency(counter((300, 0)), counter((300, 0.06))), {290: 0}),
    Case(
        "ServiceSlow",
        "few requests, all slow, among many slow health checks",
        together(
            latency(counter((300, 0)), counter((300, 0.06))),
            latency(counter((300, 0)), counter((300, 9)), view=HEALTH),
        ),
        {290: 0},
    ),
    Case("ServiceSlow", "slow health checks", latency(counter((300, 0)), counter((300, 2)), view=HEALTH), {290: 0}),
    Case(
        "ServiceSlow",
        "slow health checks beside quick requests",
        together(
            latency(counter((300, 2)), counter((300, 2))), latency(counter((300, 0)), counter((300, 9)), view=HEALTH)
        ),
        {290: 0},
    ),
    Case(
        "ServiceSlow",
        "quick health checks don't hide slow requests",
        together(
            latency(counter((300, 1)), counter((300, 2))), latency(counter((300, 9)), counter((300, 9)), view=HEALTH)
        ),
        {290: 1},
    ),
    Case(
        "ServiceSlow",
        "a counter that starts again",
        latency(counter((60, 2), (240, -2)), counter((60, 2), (240, -2))),
        {90: 0},
    ),
]

_CONTENDED = [
    Case(
        "MachineContended",
        "five of nine processes take half a second to be scraped",
        scrapes(0.5, busy=5),
        {200: 1},
        {"severity": "ticket", "layer": "cause", "root_service": "platform"},
    ),
    Case("MachineContended", "four of nine are slow", scrapes(0.5, busy=4), {200: 0}),
    Case("MachineContended", "busy, not short", scrapes(0.2), {200: 0}),
    Case("MachineContended", "processes that hang don't count", scrapes(4, busy=9), {200: 0}),
    Case(
        "MachineContended",
        "it is over a minute after its last slow half-minute",
        {
            f'scrape_duration_seconds{{job="django", process="{n}"}}': gauge((60, 0.03), (60, 0.6), (300, 0.03))
            for n in range(3)
        },
        {60: 0, 90: 1, 150: 1, 215: 0},
    ),
    Case(
        "MachineContended",
        "other jobs' scrapes take their time",
        {f'scrape_duration_seconds{{job="exporter", process="{n}"}}': gauge((300, 2)) for n in range(9)},
        {200: 0},
    ),
]

_RESOURCES = [
    *_CONTENDED,
    Case(
        "ServiceSaturated",
        "0.95 cores for a while",
        process("process_cpu_seconds_total", counter((60, 0.1), (300, 0.95))),
        # 0.85 of the half-minute after 27 s, and 15 s of that.
        {60: 0, 85: 0, 95: 0, 110: 1},
        {"service": "orders", "process": "orders", "severity": "page"},
    ),
    Case("ServiceSaturated", "half a core", process("process_cpu_seconds_total", counter((300, 0.5))), {290: 0}),
    Case(
        "ServiceSaturated",
        "a burst of 30 s",
        process("process_cpu_seconds_total", counter((60, 0.1), (30, 1), (200, 0.1))),
        {90: 0, 100: 0, 110: 0},
    ),
    Case(
        "ServiceSaturated",
        "another job",
        process("process_cpu_seconds_total", counter((300, 0.95)), job="jaeger"),
        {290: 0},
    ),
    Case(
        "ServiceSaturated",
        "a restart",
        process("process_cpu_seconds_total", counter((60, 0.1), (240, -0.1), start=900)),
        {100: 0},
    ),
    Case(
        "ServiceMemoryHigh",
        "450 MiB",
        process("process_resident_memory_bytes", gauge((60, 1e8), (240, 4.7e8))),
        {85: 0, 90: 1},
        {"service": "orders", "process": "orders", "severity": "page"},
    ),
    Case("ServiceMemoryHigh", "180 MiB", process("process_resident_memory_bytes", gauge((300, 1.9e8))), {290: 0}),
    Case(
        "ServiceMemoryHigh",
        "another job",
        process("process_resident_memory_bytes", gauge((300, 9e8)), job="jaeger"),
        {290: 0},
    ),
    Case(
        "ServiceMemoryHigh",
        "missing samples end it",
        process("process_resident_memory_bytes", gauge((200, 4.7e8), (300, "stale"))),
        {190: 1, 300: 0},
    ),
]


def _memory(values: str, job: str = "django", started: float = -3600) -> dict[str, str]:
    return together(
        process("process_resident_memory_bytes", values, job=job),
        process("process_start_time_seconds", gauge((900, started)), job=job),
    )


_GROWTH = [
    Case(
        "ServiceMemoryGrowing",
        "half a MiB a second",
        _memory(ramp(1e8, 5e5, 600)),
        # More than 50 MiB above its lowest after 105 s.
        {60: 0, 130: 0, 145: 1, 590: 1},
        {"service": "orders", "process": "orders", "severity": "ticket"},
    ),
    Case("ServiceMemoryGrowing", "50 kB a second", _memory(ramp(1e8, 5e4, 600)), {590: 0}),
    Case(
        "ServiceMemoryGrowing",
        "a jump that is over",
        _memory(gauge((100, 1e8), (60, 2e8), (300, 1.6e8))),
        {230: 0, 300: 0},
    ),
    Case(
        "ServiceMemoryGrowing",
        "a jump, and hardly any growth since",
        _memory(gauge((100, 1e8), (5, 2e8)) + " " + ramp(2e8, 4e4, 120)),
        {160: 0, 200: 0},
    ),
    Case("ServiceMemoryGrowing", "warming up", _memory(ramp(1e8, 1e6, 120), started=0), {110: 0}),
    Case("ServiceMemoryGrowing", "another job", _memory(ramp(1e8, 5e5, 600), job="jaeger"), {590: 0}),
    Case(
        "ServiceMemoryGrowing",
        "a minute after its start it is judged after two",
        _memory(ramp(1e8, 1e6, 600), started=60),
        {180: 0, 205: 0, 215: 1},
    ),
]


def version(values: str, name: str, instance: str) -> dict[str, str]:
    """Which version an instance runs."""
    return {f'service_build_info{{job="django", instance="{instance}", service="orders", version="{name}"}}': values}


def _release(new_errors: float, new_ok: float, old_errors: float = 0.0, *, instance: str = "a") -> dict[str, str]:
    """Version 1 for 900 s on one address, then version 2 on the same."""
    return together(
        version(gauge((900, 1), (600, "stale")), "1", "a"),
        version(gauge((900, "_"), (600, 1)), "2", instance),
        responses("201", counter((900, 2), (600, new_ok))),
        responses("500", counter((900, old_errors), (600, new_errors))),
    )


_VERSIONS = [
    Case(
        "ServiceVersionRegression",
        "a fifth of the new version's requests fail",
        _release(0.4, 1.6),
        {890: 0, 925: 0, 935: 1, 1200: 1},
        {"service": "orders", "version": "2", "root_service": "orders", "severity": "page"},
    ),
    Case("ServiceVersionRegression", "the new version is no worse", _release(0.0, 2.0), {1200: 0}),
    Case("ServiceVersionRegression", "both fail alike", _release(0.4, 1.6, 0.5), {1200: 0}),
    Case(
        "ServiceVersionRegression",
        "a dependency begins to fail just after the release",
        together(_release(0.0, 1.0), responses("503", counter((900, 0), (600, 1)))),
        {1200: 0},
    ),
    Case("ServiceVersionRegression", "one in fifty", _release(0.2, 9.8), {1200: 0}),
    Case("ServiceVersionRegression", "three failures", _release(0.02, 0.1), {1200: 0}),
    Case(
        "ServiceVersionRegression",
        "there is no older version to compare with",
        together(
            version(gauge((600, 1)), "2", "a"), responses("201", counter((600, 1))), responses("500", counter((600, 1)))
        ),
        {500: 0},
    ),
    Case(
        "ServiceVersionRegression",
        "an old version that begins to fail is no regression",
        together(
            version(gauge((1800, 1)), "1", "a"),
            responses("201", counter((1000, 2), (600, 1))),
            responses("500", counter((1000, 0), (600, 1))),
        ),
        {1500: 0},
    ),
    Case(
        "ServiceVersionRegression",
        "what was declined or not found did not fail",
        together(
            _release(0.0, 1.0),
            responses("402", counter((900, 0), (600, 1))),
            responses("404", counter((900, 0), (600, 1))),
        ),
        {1200: 0},
    ),
    Case(
        "ServiceVersionRegression",
        "failing health checks are no users'",
        together(_release(0.0, 1.0), responses("500", counter((900, 0), (600, 1)), view=HEALTH)),
        {1200: 0},
    ),
]

_TOKENS = [
    Case(
        "TokensRejected",
        "half of the requests are refused",
        together(responses("201", counter((60, 2), (240, 1))), responses("401", counter((60, 0), (240, 1)))),
        {60: 0, 90: 0, 110: 1},
        {"service": "orders", "root_service": "users", "team": "identity"},
    ),
    Case(
        "TokensRejected",
        "expired tokens are normal",
        together(responses("201", counter((300, 9.5))), responses("401", counter((300, 0.5)))),
        {290: 0},
    ),
    Case(
        "TokensRejected",
        "one stubborn client",
        together(responses("201", counter((300, 0.1))), responses("401", counter((300, 0.12)))),
        {290: 0},
    ),
    Case(
        "TokensRejected",
        "403 and 500 are something else",
        together(*(responses(status, counter((300, 1))) for status in ("201", "403", "500"))),
        {290: 0},
    ),
    Case(
        "TokensRejected",
        "a counter that starts again",
        together(
            responses("201", counter((60, 2), (240, -2))), responses("401", counter((60, 0), (240, -0.01), start=700))
        ),
        {70: 0, 120: 0},
    ),
]

CASES = [*_DOWN, *_RESTARTING, *_ERRORS, *_EXPLAINED, *_SLOW, *_RESOURCES, *_GROWTH, *_VERSIONS, *_TOKENS]
