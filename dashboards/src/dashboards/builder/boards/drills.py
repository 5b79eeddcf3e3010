"""A drill or a load run beside its effect: injected, seen, paged, restored, resolved."""

from __future__ import annotations

from dashboards.builder import links
from dashboards.builder.board import Board, Section
from dashboards.builder.boards.overview import BURNING, FIRING, none_yet
from dashboards.builder.panels import AnyPanel, Column, grid, number, series, states
from dashboards.builder.queries import MARKS, LogCount, LogLines, now, promql, with_exemplars
from dashboards.builder.thresholds import above

UID = "platform-drills"

MARK_LINES = links.logs(MARKS, "Marks")
OVERVIEW = links.board("platform-overview", "Overview")
EDGES = links.board("platform-edges", "Edges")
OF_SERIES = [
    links.board("platform-service", "Service", service=links.SERVICE_OF_SERIES),
    links.traces(),
    links.failed_traces(),
    links.logs_of_series(),
]


def board() -> Board:
    """The dashboard."""
    return Board(
        uid=UID,
        title="Platform / Drills and load",
        description="A drill or a load run beside its effect. Purple lines are what was done, red ones are alerts,"
        " blue ones"
        " are processes that started.",
        window="now-30m",
        refresh="10s",
        sections=[
            Section("What was done", _marks()),
            Section("What the alerts made of it", _alerts()),
            Section("What users felt", _impact()),
            Section("Where it showed", _effects()),
        ],
    )


def _marks() -> list[AnyPanel]:
    return [
        grid(
            "What was done, and when?",
            "Drills (injected, detected, paged, restored, resolved), load runs (started, finished) and deploys,"
            " newest first."
            " The same marks are the purple lines in every graph of every dashboard.",
            [LogLines(MARKS, limit=100, raw=True)],
            [
                Column("@timestamp", "Time", width=200),
                Column("event.category", "Kind", width=90),
                Column("event.action", "What", width=110),
                Column("message", "Message"),
            ],
            links=[MARK_LINES, OVERVIEW],
            sort_by="Time",
            width=16,
        ),
        series(
            "How many marks are there?",
            "Marks by what they say. A drill that was injected and never resolved is still on, or its runner died.",
            [LogCount(MARKS, by=("event.action",))],
            unit="short",
            links=[MARK_LINES, OVERVIEW],
            stacked=True,
            width=8,
            height=9,
        ),
    ]


def _alerts() -> list[AnyPanel]:
    return [
        states(
            "Which alerts were pending and firing?",
            "Orange is pending, waiting out its duration; red is firing. The Watchdog's bar always is: a gap in it is"
            " Prometheus that stood still.",
            [
                promql(
                    'max by (alertname) (ALERTS{alertstate="pending"} * 1 or ALERTS{alertstate="firing"} * 2)',
                    "{{alertname}}",
                )
            ],
            names={"1": ("pending", "orange"), "2": ("firing", "red")},
            links=[links.incidents(), OVERVIEW],
            width=16,
            height=10,
        ),
        series(
            "How many alerts does Alertmanager hold, and mute?",
            "Alerts that Alertmanager knows, active and suppressed. Suppressed ones are what inhibition keeps from"
            " paging:"
            " with one cause there should be one page.",
            [promql("sum by (state) (alertmanager_alerts)", "{{state}}")],
            unit="short",
            links=[links.incidents(), links.runbook("NotificationsFailing")],
            width=8,
            height=10,
        ),
        series(
            "When were notifications sent?",
            "Notifications by way, and failed ones (dashed). The Watchdog's heartbeat is among the webhook's.",
            [
                promql(
                    "sum by (integration) (increase(alertmanager_notifications_total[$__rate_interval])) > 0 or sum"
                    ' by (integration) (alertmanager_notifications_total{integration="webhook"}) * 0',
                    "{{integration}}",
                ),
                promql(
                    "sum by (integration)"
                    ' (increase(alertmanager_notifications_failed_total{integration="webhook"}[$__rate_interval]))',
                    "{{integration}} failed",
                ),
            ],
            unit="short",
            links=[links.runbook("NotificationsFailing"), links.incidents()],
            dashed=".* failed",
        ),
        series(
            "How many alerts fire, by the service they blame?",
            "One incident should blame one service: several at once are several faults, or a cause not understood.",
            [promql(f"count by (root_service) ({FIRING}) or {none_yet('root_service')}", "{{root_service}}")],
            unit="short",
            links=[OVERVIEW, EDGES],
        ),
    ]


def _impact() -> list[AnyPanel]:
    return [
        series(
            "Which journeys failed?",
            "Share of bad events of each journey over five minutes, by what was promised. A fault that does not show"
            " here is"
            " one that nobody felt.",
            [promql("slo:bad_events:ratio_rate5m", "{{journey}} {{slo}}")],
            unit="percentunit",
            links=[OVERVIEW, links.runbook("ErrorBudgetBurnsFast")],
            on_click=OF_SERIES,
        ),
        series(
            "How fast was error budget spent?",
            "Burn rate over five minutes: 1 is what the objective allows.",
            [promql("slo:bad_events:ratio_rate5m / (1 - slo:objective:ratio)", "{{journey}} {{slo}}")],
            unit="none",
            links=[OVERVIEW, links.runbook("ErrorBudgetBurnsFast")],
            on_click=OF_SERIES,
            thresholds=BURNING,
        ),
        series(
            "How much load was there?",
            "Requests in a second at each service.",
            [promql("service:http_requests:rate1m", "{{service}}")],
            unit="reqps",
            links=[OVERVIEW, links.runbook("TrafficAbsent")],
            on_click=OF_SERIES,
            stacked=True,
            width=8,
        ),
        series(
            "How were requests answered?",
            "Answers in a second by status, all services together.",
            [promql("sum by (status) (service:http_responses:rate1m)", "{{status}}")],
            unit="reqps",
            links=[OVERVIEW, links.logs("http.response.status_code >= 500", "Failed requests")],
            width=8,
        ),
        series(
            "How long did requests take?",
            "95th percentile of each service. Points are single requests: click one to open its trace.",
            [
                with_exemplars(
                    promql(
                        "histogram_quantile(0.95, sum by (service, le) (rate("
                        'django_http_requests_latency_seconds_by_view_method_bucket{job="django",'
                        ' view!~"contracts[.]api[.]health.*"}[$__rate_interval])))',
                        "{{service}}",
                    )
                )
            ],
            unit="s",
            links=[OVERVIEW, links.runbook("ServiceSlow")],
            on_click=OF_SERIES,
            thresholds=above("service_slow_seconds"),
            width=8,
        ),
    ]


def _effects() -> list[AnyPanel]:
    return [
        series(
            "Which edges failed?",
            "Share of calls that are not ok, by edge and outcome.",
            [promql('edge:calls_by_outcome:ratio_rate1m{outcome!="ok"}', "{{service}} → {{dependency}} {{outcome}}")],
            unit="percentunit",
            links=[EDGES, links.runbook("EdgeErrors")],
            on_click=OF_SERIES,
            thresholds=above("edge_failure_ratio"),
            width=8,
        ),
        series(
            "Which edges were slow?",
            "Share of successful calls over their edge's limit.",
            [promql("edge:slow_calls:ratio_rate1m", "{{service}} → {{dependency}}")],
            unit="percentunit",
            links=[EDGES, links.runbook("EdgeSlow")],
            on_click=OF_SERIES,
            thresholds=above("edge_slow_ratio"),
            width=8,
        ),
        series(
            "Did events pile up?",
            "Messages ready in each queue, and the outbox (dashed).",
            [
                promql('queue:messages_ready:sum{queue!~".*[.]dead"}', "{{queue}}"),
                promql("sum by (service) (outbox_unpublished)", "{{service}} outbox"),
            ],
            unit="short",
            links=[links.board("platform-messaging", "Messaging"), links.runbook("QueueBacklog")],
            on_click=OF_SERIES,
            thresholds=above("queue_backlog_messages"),
            dashed=".* outbox",
            width=8,
        ),
        series(
            "How busy were the processes?",
            "Cores in use by each process; one is all a process can use.",
            [promql("process:cpu_cores:rate1m", "{{process}}")],
            unit="cores",
            links=[links.board("platform-service", "Services"), links.runbook("ServiceSaturated")],
            on_click=OF_SERIES,
            thresholds=above("service_cpu_cores"),
            width=8,
        ),
        states(
            "Which processes were gone?",
            "Green while its metrics could be scraped.",
            [promql('min by (service, process) (up{job="django"})', "{{process}}")],
            names={"0": ("down", "red"), "1": ("up", "green")},
            links=[links.board("platform-service", "Services"), links.runbook("ServiceDown")],
            on_click=OF_SERIES,
            width=16,
            height=8,
        ),
        number(
            "How many requests, how many failed?",
            "Requests of the window, and those answered with 500 and above.",
            [
                now(
                    'sum(increase(django_http_responses_total_by_status_view_method_total{view!~"contracts[.]api[.]health.*"}[$__range])'
                    ")",
                    "requests",
                ),
                now(
                    'sum(increase(django_http_responses_total_by_status_view_method_total{status=~"5..",'
                    ' view!~"contracts[.]api[.]health.*"}[$__range])) or vector(0)',
                    "failed",
                ),
            ],
            unit="short",
            links=[OVERVIEW, links.board("platform-django", "Django")],
            decimals=0,
            width=24,
        ),
    ]
