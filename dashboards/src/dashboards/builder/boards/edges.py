"""Calls between services and to backends, as measured by the caller: rate, outcome, latency, retries, deadlines."""

from __future__ import annotations

from dashboards.builder import links, variables
from dashboards.builder.board import Board, Section
from dashboards.builder.panels import AnyPanel, Column, distribution, grid, matrix, series
from dashboards.builder.queries import RANGE, buckets, per_second, promql, quantiles, rows
from dashboards.builder.thresholds import above, allowed, limit

UID = "platform-edges"

EDGE = "dependency_call_duration_seconds"
CHOSEN = 'job="django", service=~"$service", dependency=~"$dependency", protocol=~"$protocol"'
# Calls that got a response or timed out. Refused and unsent calls don't measure the callee's latency.
TIMED = 'outcome=~"ok|timeout"'
NAME = "{{service}} → {{dependency}}"

SERVICE = links.board("platform-service", "Caller", "service")
LOGS = links.logs("service.name:(${service:lucene})")
ERROR_LOGS = links.logs('service.name:(${service:lucene}) and log.level:("error" or "warning")', "Warnings and errors")
OF_SERIES = [
    links.traces(title="Traces of the caller"),
    links.failed_traces(),
    links.board("platform-service", "Callee", service="${__field.labels.dependency}"),
    links.logs_of_series(),
]


def board() -> Board:
    return Board(
        uid=UID,
        title="Platform / Edges",
        description="Calls between services and to backends, measured by the caller: rate, outcome, latency, retries.",
        variables=[
            variables.label_values(
                "service", "Caller", f'{EDGE}_count{{job="django"}}', "service", "Which callers to show"
            ),
            variables.label_values(
                "dependency",
                "Callee",
                f'{EDGE}_count{{job="django", service=~"$service"}}',
                "dependency",
                "Which callees (services and backends) to show",
            ),
            variables.label_values(
                "protocol",
                "Protocol",
                f'{EDGE}_count{{job="django", service=~"$service"}}',
                "protocol",
                "Which protocols to show: http, grpc, amqp, sql",
            ),
        ],
        sections=[
            Section("Overview", _matrix()),
            Section("Outcomes", _outcomes()),
            Section("Latency", _durations()),
            Section("Retries and deadlines", _retries()),
            Section("gRPC, measured by the server", _grpc()),
        ],
    )


def _ratio(by: str, window: str, outcome: str = 'outcome!="ok"') -> str:
    return f"""sum by ({by}) (rate({EDGE}_count{{{CHOSEN}, {outcome}}}[{window}]))
        / (sum by ({by}) (rate({EDGE}_count{{{CHOSEN}}}[{window}])) > 0)"""


def _quantile(by: str, window: str, level: float = 0.95) -> str:
    return f"histogram_quantile({level}, sum by ({by}, le) (rate({EDGE}_bucket{{{CHOSEN}, {TIMED}}}[{window}])))"


def _matrix() -> list[AnyPanel]:
    return [
        matrix(
            "Call rate by edge",
            "Calls per second over the time range, with callers as rows and callees as columns.",
            rows(per_second(f"{EDGE}_count", CHOSEN, "service, dependency", RANGE)),
            row="service",
            column="dependency",
            unit="ops",
            links=[SERVICE],
        ),
        matrix(
            "Error ratio by edge",
            "Share of failed calls over the time range. A red column is a callee that fails for every caller, "
            "a red row is a caller whose calls all fail, a single red cell is one connection.",
            rows(_ratio("service, dependency", "$__range")),
            row="service",
            column="dependency",
            unit="percentunit",
            links=[SERVICE, links.runbook("EdgeErrors")],
            thresholds=allowed("edge_failure_ratio"),
        ),
        matrix(
            "Latency p95 by edge",
            "95th percentile over the time range, as measured by the caller. Slowness propagates to callers: "
            "the cause is the slow cell whose callee has no slow cell in its own row.",
            rows(_quantile("service, dependency", "$__range")),
            row="service",
            column="dependency",
            unit="s",
            links=[SERVICE, links.runbook("EdgeSlow")],
            thresholds=above("edge_slow_seconds_http"),
        ),
        grid(
            "Operations",
            "Call rate, error ratio, timeout ratio and p95 latency of each operation over the time range.",
            [
                rows(
                    f"sum by (service, dependency, protocol, operation) (rate({EDGE}_count{{{CHOSEN}}}[$__range])) > 0"
                ),
                rows(_ratio("service, dependency, protocol, operation", "$__range")),
                rows(_ratio("service, dependency, protocol, operation", "$__range", 'outcome="timeout"')),
                rows(_quantile("service, dependency, protocol, operation", "$__range")),
            ],
            [
                Column(
                    "service", "Caller", links=[links.traces("${__value.text}"), links.failed_traces("${__value.text}")]
                ),
                Column("dependency", "Callee"),
                Column("protocol", "Protocol", width=90),
                Column("operation", "Operation"),
                Column("Value #A", "Rate", unit="ops", decimals=2, width=110),
                Column("Value #B", "Errors", unit="percentunit", thresholds=allowed("edge_failure_ratio"), width=110),
                Column(
                    "Value #C",
                    "Timeouts",
                    unit="percentunit",
                    thresholds=allowed("edge_failure_ratio"),
                    width=110,
                ),
                Column("Value #D", "p95", unit="s", width=110),
            ],
            links=[ERROR_LOGS],
            sort_by="Errors",
        ),
    ]


def _outcomes() -> list[AnyPanel]:
    def ending(outcome: str, title: str, meaning: str, runbook: str) -> AnyPanel:
        return series(
            title,
            meaning,
            [
                promql(
                    f"sum by (service, dependency) (rate({EDGE}_count{{{CHOSEN},"
                    f' outcome="{outcome}"}}[$__rate_interval]))',
                    NAME,
                )
            ],
            unit="ops",
            links=[links.runbook(runbook), ERROR_LOGS],
            on_click=OF_SERIES,
            width=12,
            height=7,
        )

    return [
        series(
            "Call rate",
            "Calls per second. An edge that stops while its caller works is as significant as one that fails.",
            [promql(per_second(f"{EDGE}_count", CHOSEN, "service, dependency"), NAME)],
            unit="ops",
            links=[LOGS],
            on_click=OF_SERIES,
            height=7,
        ),
        series(
            "Error ratio",
            "Share of calls with any outcome other than ok. The dashed line is the alert's threshold.",
            [promql(_ratio("service, dependency", "$__rate_interval"), NAME)],
            unit="percentunit",
            links=[links.runbook("EdgeErrors"), ERROR_LOGS],
            on_click=OF_SERIES,
            thresholds=allowed("edge_failure_ratio"),
            height=7,
        ),
        ending(
            "timeout",
            "Timeouts",
            "Calls per second that timed out: the callee is up but too slow, or hangs.",
            "EdgeTimeouts",
        ),
        ending(
            "refused",
            "Refused connections",
            "Calls per second that could not connect or lost the connection: the callee is down or restarting.",
            "EdgeRefused",
        ),
        ending(
            "error",
            "Error responses",
            "Calls per second to which the callee responded with an error.",
            "EdgeErrors",
        ),
        ending(
            "rejected",
            "Rejected calls",
            "Calls per second that were not sent because the request's deadline had passed: "
            "an earlier step of the same request used up the time.",
            "EdgeDeadlinesSpent",
        ),
    ]


def _durations() -> list[AnyPanel]:
    def slow(protocol: str, title: str, seconds: str) -> AnyPanel:
        chosen = CHOSEN.replace('protocol=~"$protocol"', f'protocol="{protocol}"')
        return series(
            title,
            f"95th percentile as measured by the caller. The dashed line is the alert's limit ({limit(seconds):g} s). "
            "Points are exemplars: click one to open its trace.",
            quantiles(EDGE, f"{chosen}, {TIMED}", ["service", "dependency"], (0.95,)),
            unit="s",
            links=[links.runbook("EdgeSlow"), LOGS],
            on_click=OF_SERIES,
            thresholds=above(seconds),
            height=7,
        )

    return [
        slow("http", "HTTP latency p95", "edge_slow_seconds_http"),
        slow("grpc", "gRPC latency p95", "edge_slow_seconds_grpc"),
        slow("amqp", "Publish latency p95", "edge_slow_seconds_amqp"),
        slow("sql", "SQL latency p95", "edge_slow_seconds_sql"),
        series(
            "Slow call ratio",
            "Share of successful calls that took longer than the limit of their protocol (higher for calls that wait "
            "for the card provider). This is the metric that the alert uses.",
            [
                promql(
                    'edge:slow_calls:ratio_rate1m{service=~"$service", dependency=~"$dependency",'
                    ' protocol=~"$protocol"}',
                    NAME,
                )
            ],
            unit="percentunit",
            links=[links.runbook("EdgeSlow"), LOGS],
            on_click=OF_SERIES,
            thresholds=above("edge_slow_ratio"),
            height=7,
        ),
        distribution(
            "Latency distribution",
            "Calls per second by duration, over all selected edges. A band at a round number of seconds is a timeout.",
            buckets(per_second(f"{EDGE}_bucket", f"{CHOSEN}, {TIMED}", "le")),
            unit="s",
            links=[LOGS],
            height=7,
        ),
    ]


def _retries() -> list[AnyPanel]:
    return [
        series(
            "Retry ratio",
            "Retries per original call. At 100 % every call is made twice, "
            "which doubles the load on a callee that is already failing.",
            [
                promql(
                    'edge:retries:ratio_rate1m{service=~"$service", dependency=~"$dependency", protocol=~"$protocol"}',
                    NAME,
                )
            ],
            unit="percentunit",
            links=[links.runbook("EdgeRetryAmplification"), LOGS],
            on_click=OF_SERIES,
            thresholds=above("edge_retry_ratio"),
        ),
        series(
            "Retry rate by operation",
            "Retries per second by operation. Only idempotent calls are retried.",
            [
                promql(
                    per_second("dependency_retries_total", CHOSEN, "service, dependency, operation"),
                    NAME + " {{operation}}",
                )
            ],
            unit="ops",
            links=[links.runbook("EdgeRetryAmplification"), ERROR_LOGS],
            on_click=OF_SERIES,
        ),
        series(
            "Deadline remaining p5",
            "Seconds until the request's deadline when a call starts, 5th percentile. An order starts with ten; "
            "near zero, earlier steps of the same request take too long.",
            quantiles(
                "dependency_deadline_remaining_seconds", CHOSEN, ["service", "dependency"], (0.05,), exemplars=False
            ),
            unit="s",
            links=[links.runbook("EdgeDeadlinesSpent"), LOGS],
            on_click=OF_SERIES,
        ),
        series(
            "Rejected call ratio",
            "Share of calls that were not made because the deadline had passed. "
            "The dashed line is the alert's threshold.",
            [
                promql(
                    'edge:calls_by_outcome:ratio_rate1m{outcome="rejected", service=~"$service",'
                    ' dependency=~"$dependency", protocol=~"$protocol"}',
                    NAME,
                )
            ],
            unit="percentunit",
            links=[links.runbook("EdgeDeadlinesSpent"), ERROR_LOGS],
            on_click=OF_SERIES,
            thresholds=allowed("edge_failure_ratio"),
        ),
    ]


def _grpc() -> list[AnyPanel]:
    server = 'job="django", service=~"$dependency"'
    by_method = "{{service}} {{grpc_method}}"
    return [
        series(
            "RPC rate by code",
            "RPCs per second. FAILED_PRECONDITION means out of stock, a business outcome; "
            "INTERNAL, UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED and UNKNOWN are faults.",
            [
                promql(
                    f"""sum by (service, grpc_method, grpc_code)
                    (rate(grpc_server_handled_total{{{server}}}[$__rate_interval])) > 0""",
                    by_method + " {{grpc_code}}",
                )
            ],
            unit="ops",
            links=[links.runbook("GrpcServerErrors"), LOGS],
            on_click=[links.traces(), links.failed_traces(), links.logs_of_series()],
        ),
        series(
            "RPC latency",
            "Percentiles as measured by the server. If they are far below the caller's, "
            "the network or the server's queue adds the difference.",
            quantiles("grpc_server_handling_seconds", server, ["service", "grpc_method"], (0.5, 0.95)),
            unit="s",
            links=[LOGS],
            on_click=[links.traces(), links.failed_traces(), links.logs_of_series()],
        ),
    ]
