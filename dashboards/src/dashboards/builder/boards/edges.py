"""Every call between services and to backends, as the caller sees it: who waits for whom, and how it ends."""

from __future__ import annotations

from dashboards.builder import links, variables
from dashboards.builder.board import Board, Section
from dashboards.builder.panels import AnyPanel, Column, distribution, grid, matrix, series
from dashboards.builder.queries import RANGE, buckets, per_second, promql, quantiles, rows
from dashboards.builder.thresholds import above, limit

UID = "platform-edges"

EDGE = "dependency_call_duration_seconds"
CHOSEN = 'job="django", service=~"$service", dependency=~"$dependency", protocol=~"$protocol"'
# Calls that were answered, or waited for: those that were refused or not even sent say nothing of the callee's speed.
TIMED = 'outcome=~"ok|timeout"'
NAME = "{{service}} → {{dependency}}"

SERVICE = links.board("platform-service", "Caller", "service")
LOGS = links.logs("service.name:(${service:lucene})")
ERROR_LOGS = links.logs('service.name:(${service:lucene}) and log.level:("error" or "warning")', "Warnings and errors")
OF_SERIES = [
    links.traces(title="Traces of the caller"),
    links.failed_traces(),
    links.board("platform-service", "The called service", service="${__field.labels.dependency}"),
    links.logs_of_series(),
]


def board() -> Board:
    """The dashboard."""
    return Board(
        uid=UID,
        title="Platform / Edges",
        description="Who calls whom, how often, how it ends and how long it takes, as the caller sees it.",
        variables=[
            variables.label_values(
                "service", "Caller", f'{EDGE}_count{{job="django"}}', "service", "Which callers to show"
            ),
            variables.label_values(
                "dependency",
                "Called",
                f'{EDGE}_count{{job="django", service=~"$service"}}',
                "dependency",
                "Which called services and backends to show",
            ),
            variables.label_values(
                "protocol",
                "Protocol",
                f'{EDGE}_count{{job="django", service=~"$service"}}',
                "protocol",
                "http, grpc, amqp, sql",
            ),
        ],
        sections=[
            Section("Who calls whom", _matrix()),
            Section("How calls end", _outcomes()),
            Section("How long calls take", _durations()),
            Section("Retries and deadlines", _retries()),
            Section("gRPC as the server sees it", _grpc()),
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
            "Rate: who calls whom how often?",
            "Calls in a second over the window: callers down, called across.",
            rows(per_second(f"{EDGE}_count", CHOSEN, "service, dependency", RANGE)),
            row="service",
            column="dependency",
            unit="ops",
            links=[SERVICE],
        ),
        matrix(
            "Errors: which calls fail?",
            "Share of calls that did not go well over the window. A red column is a callee that fails everybody, a"
            " red row a"
            " caller that fails with everybody, a single red cell the way between two.",
            rows(_ratio("service, dependency", "$__range")),
            row="service",
            column="dependency",
            unit="percentunit",
            links=[SERVICE, links.runbook("EdgeErrors")],
            thresholds=above("edge_failure_ratio"),
        ),
        matrix(
            "p95: which calls are slow?",
            "95th percentile of the duration over the window, as the caller sees it. Slowness travels up: the cause"
            " is the"
            " slow cell whose callee has no slow cell in its own row.",
            rows(_quantile("service, dependency", "$__range")),
            row="service",
            column="dependency",
            unit="s",
            links=[SERVICE, links.runbook("EdgeSlow")],
            thresholds=above("edge_slow_seconds_http"),
        ),
        grid(
            "Which operations fail or are slow?",
            "Each operation of each edge over the window.",
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
                Column("dependency", "Called"),
                Column("protocol", "Protocol", width=90),
                Column("operation", "Operation"),
                Column("Value #A", "Rate", unit="ops", decimals=2, width=110),
                Column("Value #B", "Failed", unit="percentunit", thresholds=above("edge_failure_ratio"), width=110),
                Column("Value #C", "Timed out", unit="percentunit", thresholds=above("edge_failure_ratio"), width=110),
                Column("Value #D", "p95", unit="s", width=110),
            ],
            links=[ERROR_LOGS],
            sort_by="Failed",
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
            "How many calls go over each edge?",
            "Calls in a second. An edge that stops while its caller works is as telling as one that fails.",
            [promql(per_second(f"{EDGE}_count", CHOSEN, "service, dependency"), NAME)],
            unit="ops",
            links=[LOGS],
            on_click=OF_SERIES,
            height=7,
        ),
        series(
            "Which share of calls fails?",
            "All that is not ok, of all calls. The dashed line is where the alert fires.",
            [promql(_ratio("service, dependency", "$__rate_interval"), NAME)],
            unit="percentunit",
            links=[links.runbook("EdgeErrors"), ERROR_LOGS],
            on_click=OF_SERIES,
            thresholds=above("edge_failure_ratio"),
            height=7,
        ),
        ending(
            "timeout", "Where do calls time out?", "The callee is there and takes too long, or hangs.", "EdgeTimeouts"
        ),
        ending(
            "refused",
            "Where are calls refused?",
            "Nobody listens, or the connection broke: down or restarting.",
            "EdgeRefused",
        ),
        ending(
            "error",
            "Where are calls answered with errors?",
            "The callee answers and says that it failed.",
            "EdgeErrors",
        ),
        ending(
            "rejected",
            "Where was no time left to call?",
            "Calls that were not sent, since the deadline of the request had passed before: something earlier in the"
            " same"
            " request took all its time.",
            "EdgeDeadlinesSpent",
        ),
    ]


def _durations() -> list[AnyPanel]:
    def slow(protocol: str, title: str, seconds: str) -> AnyPanel:
        chosen = CHOSEN.replace('protocol=~"$protocol"', f'protocol="{protocol}"')
        return series(
            title,
            f"95th percentile as the caller sees it. The dashed line is what the alert calls slow ({limit(seconds):g}"
            " s)."
            " Points are single calls: click one to open its trace.",
            quantiles(EDGE, f"{chosen}, {TIMED}", ["service", "dependency"], (0.95,)),
            unit="s",
            links=[links.runbook("EdgeSlow"), LOGS],
            on_click=OF_SERIES,
            thresholds=above(seconds),
            height=7,
        )

    return [
        slow("http", "How long do HTTP calls take?", "edge_slow_seconds_http"),
        slow("grpc", "How long do gRPC calls take?", "edge_slow_seconds_grpc"),
        slow("amqp", "How long do publishes take until confirmed?", "edge_slow_seconds_amqp"),
        slow("sql", "How long do statements take?", "edge_slow_seconds_sql"),
        series(
            "Which share of calls is slower than its edge may be?",
            "Successful calls that took longer than the limit of their protocol (longer limits hold where the card"
            " provider"
            " is waited for). This is what the alert watches.",
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
            "How are the durations spread?",
            "Calls in a second by duration, over all chosen edges. A band at a round number of seconds is a timeout.",
            buckets(per_second(f"{EDGE}_bucket", f"{CHOSEN}, {TIMED}", "le")),
            unit="s",
            links=[LOGS],
            height=7,
        ),
    ]


def _retries() -> list[AnyPanel]:
    return [
        series(
            "How much load do retries add?",
            "Retries for each call that was needed. At 100 % every call is made twice: the callee gets twice the load"
            " at its"
            " worst moment.",
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
            "Which calls are tried again?",
            "Retries in a second by operation. Only calls that may be repeated without harm are.",
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
            "How much time is left when a call starts?",
            "Seconds until the deadline of the request in hand, as the hastiest twentieth of calls find it. An order"
            " begins with ten; near none, what comes earlier in the same request takes too long.",
            quantiles(
                "dependency_deadline_remaining_seconds", CHOSEN, ["service", "dependency"], (0.05,), exemplars=False
            ),
            unit="s",
            links=[links.runbook("EdgeDeadlinesSpent"), LOGS],
            on_click=OF_SERIES,
        ),
        series(
            "How many calls had no time left?",
            "Share of calls that were not made, since the deadline had passed. Red is where the alert fires.",
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
            thresholds=above("edge_failure_ratio"),
        ),
    ]


def _grpc() -> list[AnyPanel]:
    server = 'job="django", service=~"$dependency"'
    by_method = "{{service}} {{grpc_method}}"
    return [
        series(
            "Which codes do gRPC calls end with?",
            "RPCs in a second by code. FAILED_PRECONDITION is out of stock, which is business; INTERNAL, UNAVAILABLE,"
            " DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED and UNKNOWN are faults.",
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
            "How long does the server take for an RPC?",
            "Percentiles as the server sees it. Far below what the caller sees: the network, or the server's queue.",
            quantiles("grpc_server_handling_seconds", server, ["service", "grpc_method"], (0.5, 0.95)),
            unit="s",
            links=[LOGS],
            on_click=[links.traces(), links.failed_traces(), links.logs_of_series()],
        ),
    ]
