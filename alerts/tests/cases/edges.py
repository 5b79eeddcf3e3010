"""Edges."""

from __future__ import annotations

from series import Case, counter, gap, gauge, together

CALLS = "dependency_call_duration_seconds"
EDGE = {"service": "orders", "dependency": "payments", "protocol": "http"}
PAYMENTS = {"service": "orders", "dependency": "payments", "root_service": "payments", "team": "checkout"}
# The callee has been up for an hour; what another job says of its exporter is another matter.
LONG_UP = {
    'process_start_time_seconds{job="django", service="payments", process="payments"}': gauge((600, -3600)),
    'process_start_time_seconds{job="exporter", service="payments", process="payments"}': gauge((600, 600)),
}


def calls(outcome: str, values: str, **labels: str) -> dict[str, str]:
    """The edge's calls with one outcome."""
    found = {**EDGE, **labels, "outcome": outcome, "operation": "POST"}
    return {f"{CALLS}_count{{{_written(found)}}}": values}


def timed(values: dict[str, str], **labels: str) -> dict[str, str]:
    """The successful calls' histogram: cumulative counts by `le`."""
    found = {**EDGE, "operation": "POST", "outcome": "ok", **labels}
    return {f"{CALLS}_bucket{{{_written({**found, 'le': le})}}}": series for le, series in values.items()} | {
        f"{CALLS}_count{{{_written(found)}}}": values["+Inf"]
    }


def retries(values: str, **labels: str) -> dict[str, str]:
    """Calls that were tried again."""
    return {f"dependency_retries_total{{{_written({**EDGE, **labels, 'operation': 'POST'})}}}": values}


def _written(labels: dict[str, str]) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in labels.items())


def pending(
    service: str,
    dependency: str,
    *,
    severity: str = "page",
    alert: str = "Other",
    state: str = "pending",
    values: str = gauge((600, 1)),
) -> dict[str, str]:
    """An alert of another rule that is about to fire, or fires."""
    labels = {"alertname": alert, "alertstate": state, "severity": severity, "service": service}
    return {f"ALERTS{{{_written(labels | ({'dependency': dependency} if dependency else {}))}}}": values}


# Beside the edge orders → payments: what explains it, and what doesn't.
DEEPER = pending("payments", "card-provider")
NO_DEEPER = together(
    pending("payments", "card-provider", severity="ticket"),
    pending("payments", ""),
    pending("users", "postgresql"),
    pending("orders", "users"),
)


def _deeper(alert: str, series: dict[str, str]) -> list[Case]:
    """The edge's own alert waits while the callee has a cause of its own."""
    return [
        Case(alert, "an alert on the callee's own dependency is pending", together(series, DEEPER), {200: 0, 290: 0}),
        Case(alert, "tickets, and others' edges, explain nothing", together(series, NO_DEEPER), {200: 1, 290: 1}),
    ]


def scrapes(seconds: float, busy: int = 9) -> dict[str, str]:
    """`busy` of nine processes take so long to be scraped, the others 0.03 s."""
    return {
        f'scrape_duration_seconds{{job="django", process="{n}"}}': gauge((600, seconds if n < busy else 0.03))
        for n in range(9)
    }


def contention(alert: str, series: dict[str, str]) -> list[Case]:
    """No notification about one slow edge while everything is slow."""
    return [
        Case(alert, "the whole machine is slow", together(series, scrapes(0.5)), {200: 0, 290: 0}),
        Case(alert, "the machine is busy", together(series, scrapes(0.2)), {200: 1}),
        Case(alert, "four of nine processes hang in their scrape", together(series, scrapes(4, busy=4)), {200: 1}),
    ]


def _failing(alert: str, outcome: str) -> list[Case]:
    other = "refused" if outcome == "error" else "error"
    healthy = counter((60, 2), (240, 2))
    return [
        Case(
            alert,
            "a third of the calls fail: fires 20 s after a tenth of the minute's have",
            together(LONG_UP, calls("ok", counter((60, 2), (240, 1.3))), calls(outcome, counter((60, 0), (240, 0.7)))),
            # 0.7 of 2 calls a second: a tenth of a minute's calls after 18 s.
            {60: 0, 80: 0, 95: 0, 105: 1, 290: 1},
            PAYMENTS,
        ),
        Case(
            alert,
            "recovers once the minute is clean",
            together(
                LONG_UP,
                calls("ok", counter((60, 2), (60, 0), (180, 2))),
                calls(outcome, counter((60, 0), (60, 2), (180, 0))),
            ),
            # Refused connections are over as soon as there is none.
            {115: 1, 125: 1, 165: 0} if outcome == "refused" else {115: 1, 180: 1, 205: 0},
            PAYMENTS,
        ),
        Case(
            alert,
            "one in twenty fails: a tail, no page",
            together(LONG_UP, calls("ok", counter((300, 9.5))), calls(outcome, counter((300, 0.5)))),
            {290: 0},
        ),
        Case(
            alert,
            "three failing requests in a minute do not page",
            together(LONG_UP, calls("ok", counter((300, 0.1))), calls(outcome, counter((60, 0), (60, 0.05), (180, 0)))),
            {90: 0, 120: 0, 150: 0, 200: 0},
        ),
        Case(
            alert,
            "what operators ask of a backend by hand: it has alerts of its own",
            together(
                calls("ok", counter((300, 1)), service="console", dependency="jaeger"),
                calls(outcome, counter((300, 1)), service="console", dependency="jaeger"),
            ),
            {290: 0},
        ),
        Case(
            alert,
            "other outcomes are other alerts",
            together(LONG_UP, calls("ok", healthy), calls(other, healthy), calls("rejected", healthy)),
            {290: 0},
        ),
        Case(
            alert,
            "a callee that has just been restarted is given time",
            together(
                {'process_start_time_seconds{job="django", service="payments", process="payments"}': gauge((600, 62))},
                calls("ok", counter((60, 2), (540, 0))),
                calls(outcome, counter((60, 0), (540, 2))),
            ),
            # The grace ends at 62 + 90 s; 20 s later it is no after-effect any more.
            {90: 0, 150: 0, 170: 0, 175: 1},
        ),
        Case(
            alert,
            "a counter that starts again is no burst",
            together(
                LONG_UP,
                calls("ok", counter((60, 2), (240, -2))),
                calls(outcome, counter((60, 0), (240, -0.01), start=500)),
            ),
            {70: 0, 120: 0, 290: 0},
        ),
        Case(
            alert,
            "no series, no alert; samples that go missing end it",
            together(
                LONG_UP,
                calls("ok", gap(counter((60, 2), (400, 1)), 200, 260)),
                calls(outcome, gap(counter((60, 0), (400, 1)), 200, 260)),
            ),
            {150: 1, 300: 0},
        ),
        *_deeper(alert, together(LONG_UP, calls("ok", counter((300, 1.3))), calls(outcome, counter((300, 0.7))))),
    ]


_FAILING = [
    *_failing("EdgeErrors", "error"),
    *_failing("EdgeTimeouts", "timeout"),
    *_failing("EdgeRefused", "refused"),
    Case(
        "EdgeErrors",
        "the page names the provider and its callers' team",
        together(
            calls("ok", counter((300, 1)), service="payments", dependency="card-provider"),
            calls("error", counter((300, 1)), service="payments", dependency="card-provider"),
        ),
        {200: 1},
        {"service": "payments", "dependency": "card-provider", "root_service": "card-provider", "team": "checkout"},
    ),
    Case(
        "EdgeErrors",
        "gRPC to inventory: its owner is paged",
        together(
            calls("ok", counter((300, 1)), dependency="inventory", protocol="grpc"),
            calls("error", counter((300, 1)), dependency="inventory", protocol="grpc"),
        ),
        {200: 1},
        {"dependency": "inventory", "root_service": "inventory", "team": "supply"},
    ),
    Case(
        "EdgeRefused",
        "PostgreSQL belongs to the platform",
        calls("refused", counter((300, 1)), service="users", dependency="postgresql", protocol="sql"),
        {200: 1},
        {"service": "users", "root_service": "postgresql", "team": "platform"},
    ),
]


def _slow(
    dependency: str,
    protocol: str,
    limit: str,
    # 0.8 of 2 calls a second are slow: a quarter of a minute's after 38 s.
    quiet_until: int = 100,
    fires_at: int = 120,
    tail: float = 0.1,
    **labels: str,
) -> list[Case]:
    where = {"dependency": dependency, "protocol": protocol, **labels}
    return [
        Case(
            "EdgeSlow",
            f"{protocol} to {dependency}: a third over {limit} s",
            timed({limit: counter((60, 2), (240, 1.2)), "+Inf": counter((300, 2))}, **where),
            {60: 0, quiet_until: 0, fires_at: 1, 290: 1},
            {"dependency": dependency, "root_service": dependency},
        ),
        Case(
            "EdgeSlow",
            f"{protocol} to {dependency}: a share of {tail} over {limit} s is a tail",
            timed({limit: counter((300, 10 - 10 * tail)), "+Inf": counter((300, 10))}, **where),
            {290: 0},
        ),
    ]


_HALF_SLOW = timed({"1.0": counter((300, 1)), "+Inf": counter((300, 2))})

_SLOW = [
    *_deeper("EdgeSlow", _HALF_SLOW),
    *contention("EdgeSlow", _HALF_SLOW),
    Case(
        "EdgeSlow",
        "what operators ask of a backend by hand: it has alerts of its own",
        timed({"0.75": counter((300, 1)), "+Inf": counter((300, 2))}, service="console", dependency="jaeger"),
        {290: 0},
    ),
    Case(
        "EdgeSlow",
        "nor does their own database page by being slow",
        timed(
            {"0.25": counter((300, 1.6)), "+Inf": counter((300, 2))},
            service="console",
            dependency="postgresql",
            protocol="sql",
        ),
        {290: 0},
    ),
    Case(
        "EdgeSlow",
        "it has been so for hours: no incident that has just begun",
        timed({"1.0": counter((9000, 1), step=20), "+Inf": counter((9000, 2), step=20)}),
        {8400: 0},
        step=20,
    ),
    Case(
        "EdgeSlow",
        "slower than ever in the last two hours",
        timed({"1.0": counter((7200, 1.6), (1800, 0.4), step=20), "+Inf": counter((9000, 2), step=20)}),
        {7140: 0, 7800: 1},
        step=20,
    ),
    *_slow("users", "http", "0.75"),
    *_slow("inventory", "grpc", "0.5"),
    *_slow("rabbitmq", "amqp", "0.5"),
    # A tenth of a minute's after 15 s.
    *_slow("postgresql", "sql", "0.25", quiet_until=80, fires_at=90, tail=0.05),
    *_slow("payments", "http", "1.0"),
    *_slow("card-provider", "http", "1.0", service="payments"),
    Case(
        "EdgeSlow",
        "one slow request does not page, nor do three",
        timed({"1.0": counter((100, 0.2), (60, 0.05), (140, 0.2)), "+Inf": counter((300, 0.1))}),
        {110: 0, 130: 0, 160: 0, 290: 0},
    ),
    Case(
        "EdgeSlow",
        "few calls, half of them slow: below five a minute does not page",
        timed({"1.0": counter((300, 0.03)), "+Inf": counter((300, 0.06))}),
        {200: 0, 290: 0},
    ),
    Case(
        "EdgeSlow",
        "one slow statement among many quick ones",
        together(
            timed(
                {"0.25": counter((60, 1), (240, 0)), "+Inf": counter((300, 1))}, dependency="postgresql", protocol="sql"
            ),
            timed(
                {"0.25": counter((300, 20)), "+Inf": counter((300, 20))},
                dependency="postgresql",
                protocol="sql",
                operation="connect",
            ),
        ),
        {60: 0, 120: 1},
        {"dependency": "postgresql"},
    ),
    Case(
        "EdgeSlow",
        "slow failures are failures",
        together(
            timed({"1.0": counter((300, 2)), "+Inf": counter((300, 2))}),
            timed({"1.0": counter((300, 0)), "+Inf": counter((300, 2))}, outcome="timeout"),
        ),
        {290: 0},
    ),
    Case(
        "EdgeSlow",
        "a counter that starts again is not slow",
        timed({"1.0": counter((100, 2), (200, -2)), "+Inf": counter((100, 2), (200, -2))}),
        {110: 0, 150: 0, 290: 0},
    ),
    Case(
        "EdgeSlow",
        "samples that go missing end it",
        timed({"1.0": gap(counter((400, 1)), 200, 200), "+Inf": gap(counter((400, 2)), 200, 200)}),
        {150: 1, 320: 0},
    ),
]

_PROXY = [
    Case(
        "EdgeProxyDown",
        "two looks that fail",
        {'up{job="toxiproxy", instance="t"}': gauge((60, 1), (240, 0))},
        {60: 0, 65: 1, 290: 1},
        {"service": "toxiproxy", "root_service": "toxiproxy", "team": "platform", "severity": "page"},
    ),
    Case(
        "EdgeProxyDown",
        "one look that fails, and another that is down",
        {
            'up{job="toxiproxy", instance="t"}': gauge((60, 1), (5, 0), (235, 1)),
            'up{job="jaeger", instance="j"}': gauge((300, 0)),
        },
        {60: 0, 65: 0, 290: 0},
    ),
]

_RETRIES = [
    *_deeper("EdgeRetryAmplification", together(LONG_UP, calls("ok", counter((300, 3))), retries(counter((300, 1))))),
    Case(
        "EdgeRetryAmplification",
        "half of the calls are tried again: fires 20 s after a quarter of the minute's were",
        together(LONG_UP, calls("ok", counter((60, 2), (240, 3))), retries(counter((60, 0), (240, 1)))),
        {60: 0, 105: 0, 125: 1, 290: 1},
        PAYMENTS,
    ),
    Case(
        "EdgeRetryAmplification",
        "a tenth more calls is a hiccup",
        together(LONG_UP, calls("ok", counter((300, 22))), retries(counter((300, 2)))),
        {290: 0},
    ),
    Case(
        "EdgeRetryAmplification",
        "a handful of retries does not page",
        together(LONG_UP, calls("ok", counter((300, 0.2))), retries(counter((300, 0.1)))),
        {290: 0},
    ),
    Case(
        "EdgeRetryAmplification",
        "after a restart of the callee it waits",
        together(
            {'process_start_time_seconds{job="django", service="payments", process="payments"}': gauge((600, 0))},
            calls("ok", counter((600, 2))),
            retries(counter((600, 1))),
        ),
        {80: 0, 105: 0, 110: 1},
    ),
    Case(
        "EdgeRetryAmplification",
        "a counter that starts again is no storm",
        together(LONG_UP, calls("ok", counter((300, 2))), retries(counter((60, 0), (240, -0.05), start=900))),
        {70: 0, 120: 0},
    ),
]

_REST = [
    Case(
        "EdgeDeadlinesSpent",
        "a fifth of the calls is not made any more",
        together(calls("ok", counter((400, 4))), calls("rejected", counter((60, 0), (340, 1)))),
        {60: 0, 140: 0, 160: 1},
        {"service": "orders", "root_service": "orders", "severity": "ticket"},
    ),
    Case(
        "EdgeDeadlinesSpent",
        "one in twenty is a tail",
        together(
            calls("ok", counter((400, 9.5))), calls("rejected", counter((400, 0.5))), calls("error", counter((400, 9)))
        ),
        {390: 0},
    ),
    Case(
        "EdgeDeadlinesSpent",
        "a few are nothing",
        together(calls("ok", counter((400, 0.05))), calls("rejected", counter((400, 0.05)))),
        {390: 0},
    ),
    Case(
        "EdgeFailingUnnoticed",
        "four failures and no success in ten minutes",
        together(
            calls("refused", counter((100, 0), (20, 0.2), (900, 0)), dependency="users"),
            calls("ok", counter((1020, 0)), dependency="users"),
        ),
        {120: 0, 165: 0, 180: 1, 600: 1, 760: 0},
        {"dependency": "users", "root_service": "users", "severity": "ticket"},
    ),
    Case(
        "EdgeFailingUnnoticed",
        "one success is enough",
        together(
            calls("refused", counter((100, 0), (20, 0.2), (300, 0)), dependency="users"),
            calls("ok", counter((50, 0), (10, 0.1), (360, 0)), dependency="users"),
        ),
        {180: 0, 300: 0},
    ),
    Case(
        "EdgeFailingUnnoticed",
        "one failure isn't worth a ticket",
        calls("refused", counter((100, 0), (5, 0.2), (400, 0)), dependency="users"),
        {180: 0, 300: 0, 500: 0},
    ),
    Case(
        "EdgeFailingUnnoticed",
        "only successes",
        calls("ok", counter((100, 0), (20, 0.2), (300, 0)), dependency="users"),
        {180: 0, 300: 0},
    ),
]


def handled(code: str, values: str, **labels: str) -> dict[str, str]:
    """RPCs that ended with this code."""
    found = {"service": "inventory", "grpc_method": "Reserve", "grpc_code": code, **labels}
    return {f"grpc_server_handled_total{{{_written(found)}}}": values}


_GRPC_FAILING = together(handled("OK", counter((300, 1.8))), handled("INTERNAL", counter((300, 0.2))))

_GRPC = [
    Case(
        "GrpcServerErrors",
        "an alert on its database is pending",
        together(_GRPC_FAILING, pending("inventory", "postgresql")),
        {290: 0},
    ),
    Case(
        "GrpcServerErrors",
        "others' edges, tickets and the service itself explain nothing",
        together(
            _GRPC_FAILING,
            pending("users", "postgresql"),
            pending("inventory", "postgresql", severity="ticket"),
            pending("inventory", ""),
        ),
        {290: 1},
    ),
    *(
        Case(
            "GrpcServerErrors",
            f"a tenth ends with {code}",
            together(handled("OK", counter((300, 1.8))), handled(code, counter((60, 0), (240, 0.2)))),
            {60: 0, 120: 0, 125: 1, 290: 1},
            {"service": "inventory", "grpc_code": code, "root_service": "inventory", "team": "supply"},
        )
        for code in (
            "UNKNOWN",
            "DEADLINE_EXCEEDED",
            "RESOURCE_EXHAUSTED",
            "ABORTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
        )
    ),
    Case(
        "GrpcServerErrors",
        "answers that aren't the server's fault",
        together(
            handled("OK", counter((300, 1))),
            handled("FAILED_PRECONDITION", counter((300, 5))),
            handled("NOT_FOUND", counter((300, 5))),
            handled("INVALID_ARGUMENT", counter((300, 5))),
        ),
        {290: 0},
    ),
    Case(
        "GrpcServerErrors",
        "one in forty is a tail",
        together(handled("OK", counter((300, 7.8))), handled("INTERNAL", counter((300, 0.2)))),
        {290: 0},
    ),
    Case(
        "GrpcServerErrors",
        "three in a minute",
        together(handled("OK", counter((300, 0.1))), handled("INTERNAL", counter((300, 0.05)))),
        {290: 0},
    ),
    Case(
        "GrpcServerErrors",
        "a counter that starts again",
        together(handled("OK", counter((300, 2))), handled("INTERNAL", counter((60, 0), (240, -0.01), start=900))),
        {70: 0, 120: 0},
    ),
]

_BY_HAND = "what operators ask by hand"
_OPERATORS = [
    *(
        Case(
            alert,
            f"{_BY_HAND} fails",
            together(
                calls("ok", counter((300, 1)), service="console"), calls(outcome, counter((300, 1)), service="console")
            ),
            {290: 0},
        )
        for alert, outcome in (
            ("EdgeErrors", "error"),
            ("EdgeTimeouts", "timeout"),
            ("EdgeRefused", "refused"),
            ("EdgeDeadlinesSpent", "rejected"),
        )
    ),
    Case(
        "EdgeSlow",
        f"{_BY_HAND} takes long",
        timed({"1.0": counter((300, 0)), "+Inf": counter((300, 2))}, service="console"),
        {290: 0},
    ),
    Case(
        "EdgeFailingUnnoticed",
        f"{_BY_HAND} gets no answer",
        calls("refused", counter((100, 0), (20, 0.2), (900, 0)), service="console"),
        {180: 0, 600: 0},
    ),
]

CASES = [*_OPERATORS, *_FAILING, *_SLOW, *_PROXY, *_RETRIES, *_REST, *_GRPC]
