"""What an SRE opens first: do users get what they were promised, what is wrong now, what changed."""

from __future__ import annotations

from dashboards.builder import links
from dashboards.builder.board import Board, Section
from dashboards.builder.panels import AnyPanel, Column, bars, grid, number, series, states
from dashboards.builder.queries import now, per_second, promql, rows, with_exemplars
from dashboards.builder.thresholds import ANY, Steps, above, limit

UID = "platform-overview"

FIRING = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'
LATENCY = "django_http_requests_latency_seconds_by_view_method"
NOT_PROBES = 'view!~"contracts[.]api[.]health.*"'

EDGES = links.board("platform-edges", "Edges")
MESSAGING = links.board("platform-messaging", "Messaging")
TELEMETRY = links.board("platform-telemetry", "Telemetry")
DRILLS = links.board("platform-drills", "Drills and load")
SERVICES = links.board("platform-service", "Services")
ERROR_LOGS = links.logs('log.level:("error" or "critical")', "Error lines")
ORDER_LOGS = links.logs('service.name:"orders"', "Lines of orders")
PAYMENT_LOGS = links.logs('service.name:"payments"', "Lines of payments")
OF_SERIES = [
    links.board("platform-service", "Service", service=links.SERVICE_OF_SERIES),
    links.traces(),
    links.failed_traces(),
    links.logs_of_series(),
]

# Burn rates at which the alerts fire: the slowest that pages is orange, the fastest red.
BURNING = Steps(((limit("slo_burn_steady_times"), "orange"), (limit("slo_burn_fast_times"), "red")))
# Nothing left is red; what is left is the journey's to spend.
BUDGET = Steps(((0, "green"),), base="red")


def board() -> Board:
    """The dashboard."""
    return Board(
        uid=UID,
        title="Platform / Overview",
        description="Do users get what they were promised, what is wrong now, how does the business go, what changed.",
        sections=[
            Section("What users were promised", _objectives()),
            Section("What is wrong now", _alerts()),
            Section("Service map", _map()),
            Section("Business", _business()),
            Section("What changed", _changes()),
        ],
    )


def none_yet(label: str) -> str:
    """A series of 0 that says "none" in `label`: what a count shows while there is nothing to count."""
    return f'label_replace(vector(0), "{label}", "none", "", "")'


def _objectives() -> list[AnyPanel]:
    by_slo = "{{journey}} {{slo}}"
    return [
        bars(
            "How much error budget is left?",
            "Share of the allowed bad events that is not spent, over what is kept, three days at most. Below none"
            " more was"
            " failed than the objective allows: stop releasing, fix.",
            [now("slo:error_budget_left:ratio3d", by_slo)],
            unit="percentunit",
            links=[links.runbook("ErrorBudgetBurnsSlowly"), links.incidents()],
            on_click=OF_SERIES,
            thresholds=BUDGET,
            maximum=1,
            width=8,
            height=9,
        ),
        bars(
            "How fast is the budget being spent?",
            "Bad events of the last hour against what the objective allows: 1 uses the budget up exactly at the end"
            " of its"
            " window, 14.4 takes two days' worth in an hour and pages.",
            [now("slo:bad_events:ratio_rate1h / (1 - slo:objective:ratio)", by_slo)],
            unit="none",
            links=[links.runbook("ErrorBudgetBurnsFast"), links.runbook("ErrorBudgetBurnsSteadily")],
            on_click=OF_SERIES,
            thresholds=BURNING,
            width=8,
            height=9,
        ),
        series(
            "When was it spent?",
            "Burn rate over five minutes for each objective. Spikes are incidents, a raised floor is a slow leak.",
            [promql("slo:bad_events:ratio_rate5m / (1 - slo:objective:ratio)", by_slo)],
            unit="none",
            links=[links.runbook("ErrorBudgetBurnsFast"), ERROR_LOGS],
            on_click=OF_SERIES,
            thresholds=BURNING,
            width=8,
            height=9,
        ),
    ]


def _alerts() -> list[AnyPanel]:
    return [
        number(
            "How many alerts fire?",
            "Firing alerts that page somebody, and tickets. What inhibition keeps from paging is counted as well.",
            [
                now(f'count({FIRING.replace("}", "")}, severity="page"}}) or vector(0)', "pages"),
                now(f'count({FIRING.replace("}", "")}, severity="ticket"}}) or vector(0)', "tickets"),
            ],
            unit="short",
            links=[links.incidents(), DRILLS],
            thresholds=ANY,
            width=4,
            height=7,
        ),
        grid(
            "Which alerts fire, and what is the cause?",
            "Each firing alert with the service that it blames (cause) and the one where it shows. The Watchdog is"
            " one that"
            " always fires; alone in this table it says that nothing is wrong.",
            [
                rows(
                    "max by (alertname, severity, layer, service, dependency, root_service)"
                    ' (ALERTS{alertstate="firing"})'
                )
            ],
            [
                Column("alertname", "Alert", links=[links.runbook("${__value.text}")]),
                Column("severity", "Severity", width=100),
                Column("layer", "Layer", width=100),
                Column("root_service", "Cause", links=[links.traces("${__value.text}")]),
                Column("service", "Shows in"),
                Column("dependency", "Calling"),
            ],
            links=[links.incidents(), EDGES],
            sort_by="Severity",
            width=12,
            height=7,
        ),
        series(
            "How many alerts have been firing?",
            "Firing alerts by the layer they watch: symptoms are felt by users, causes explain them, telemetry is our"
            " own eyes.",
            [promql(f"count by (layer) ({FIRING}) or {none_yet('layer')}", "{{layer}}")],
            unit="short",
            links=[links.incidents(), DRILLS],
            width=8,
            height=7,
            stacked=True,
        ),
    ]


def _map() -> list[AnyPanel]:
    by = "service, dependency, protocol"
    failing = 'edge:calls_by_outcome:ratio_rate1m{outcome!="ok"}'
    requests = f'{{job="django", {NOT_PROBES}}}'
    return [
        grid(
            "Who calls whom, and how does it go?",
            "Every edge in the last minute: rate, share of failed calls, 95th percentile and retries. The cause of an"
            " incident is"
            " the red edge whose called service has no red edge of its own.",
            [
                rows(f"sum by ({by}) (edge:calls:rate1m)"),
                rows(f"sum by ({by}) ({failing})"),
                rows(f"max by ({by}) (edge:duration_seconds:p95_1m)"),
                rows(f"max by ({by}) (edge:slow_calls:ratio_rate1m)"),
            ],
            [
                Column(
                    "service", "Caller", links=[links.traces("${__value.text}"), links.failed_traces("${__value.text}")]
                ),
                Column("dependency", "Called"),
                Column("protocol", "Protocol", width=90),
                Column("Value #A", "Rate", unit="ops", decimals=2, width=100),
                Column("Value #B", "Failed", unit="percentunit", thresholds=above("edge_failure_ratio"), width=100),
                Column("Value #C", "p95", unit="s", width=100),
                Column("Value #D", "Too slow", unit="percentunit", thresholds=above("edge_slow_ratio"), width=100),
            ],
            links=[EDGES, links.runbook("EdgeErrors"), links.runbook("EdgeSlow")],
            sort_by="Failed",
            width=14,
            height=12,
        ),
        grid(
            "How is each service?",
            "Requests, failures of its own making, 95th percentile, busiest replica and share of replicas that are up.",
            [
                rows("sum by (service) (service:http_requests:rate1m)"),
                rows(
                    '(sum by (service) (service:http_responses:rate1m{status=~"5..", status!~"50[234]"})'
                    " or 0 * service:http_requests:rate1m) / (service:http_requests:rate1m > 0)"
                ),
                rows("max by (service) (service:http_duration_seconds:p95_1m)"),
                rows("max by (service) (process:cpu_cores:rate1m)"),
                rows('avg by (service) (up{job="django"})'),
            ],
            [
                Column(
                    "service",
                    "Service",
                    links=[
                        links.board("platform-service", "Service", service="${__value.text}"),
                        links.traces("${__value.text}"),
                        links.logs('service.name:"${__value.text}"'),
                    ],
                ),
                Column("Value #A", "Rate", unit="reqps", decimals=2, width=90),
                Column("Value #B", "Failed", unit="percentunit", thresholds=above("service_error_ratio"), width=90),
                Column("Value #C", "p95", unit="s", width=90),
                Column("Value #D", "Cores", unit="none", decimals=2, thresholds=above("service_cpu_cores"), width=80),
                Column("Value #E", "Up", unit="percentunit", width=80),
            ],
            links=[SERVICES, links.runbook("ServiceDown"), links.runbook("ServiceErrors")],
            sort_by="Failed",
            width=10,
            height=12,
        ),
        series(
            "How many requests arrive at each service?",
            "HTTP requests in a second, probes left out.",
            [promql("service:http_requests:rate1m", "{{service}}")],
            unit="reqps",
            links=[links.runbook("TrafficAbsent"), SERVICES],
            on_click=OF_SERIES,
            stacked=True,
            width=8,
        ),
        series(
            "Which edges fail?",
            "Share of calls that are not ok, by edge and outcome; only edges with any failure show a line above zero.",
            [promql(failing, "{{service}} → {{dependency}} {{outcome}}")],
            unit="percentunit",
            links=[EDGES, links.runbook("EdgeErrors")],
            on_click=OF_SERIES,
            thresholds=above("edge_failure_ratio"),
            width=8,
        ),
        series(
            "How long do requests take?",
            "95th percentile of each service. Points are single requests: click one to open its trace.",
            [
                with_exemplars(
                    promql(
                        f"histogram_quantile(0.95, sum by (service, le)"
                        f" (rate({LATENCY}_bucket{requests}[$__rate_interval])))",
                        "{{service}}",
                    )
                )
            ],
            unit="s",
            links=[SERVICES, links.runbook("ServiceSlow")],
            on_click=OF_SERIES,
            thresholds=above("service_slow_seconds"),
            width=8,
        ),
    ]


def _business() -> list[AnyPanel]:
    return [
        series(
            "How many orders are placed?",
            "Confirmed orders in a second: the figure that the business lives on.",
            [promql(per_second("orders_placed_total", "", "service"), "confirmed")],
            unit="ops",
            links=[ORDER_LOGS, links.runbook("TrafficAbsent")],
            on_click=OF_SERIES,
            width=6,
            height=7,
        ),
        series(
            "Why are orders not placed?",
            "Orders that were refused or cancelled in a second, by reason. Declined cards and empty shelves are"
            " business;"
            " *_unavailable is us.",
            [promql(per_second("orders_failed_total", "", "service, reason"), "{{reason}}")],
            unit="ops",
            links=[ORDER_LOGS, EDGES],
            on_click=OF_SERIES,
            stacked=True,
            width=6,
            height=7,
        ),
        series(
            "What becomes of payments?",
            "Charges in a second by outcome, and declines by the card provider's code (dashed).",
            [
                promql(per_second("payments_total", "", "service, outcome"), "{{outcome}}"),
                promql(
                    per_second("card_provider_declines_total", "", "service, code"),
                    "declined: {{code}}",
                ),
            ],
            unit="ops",
            links=[PAYMENT_LOGS, EDGES],
            on_click=OF_SERIES,
            dashed="declined: .*",
            width=6,
            height=7,
        ),
        series(
            "Is anything out of stock?",
            "Products with none or few left, and order lines in a second for which there was not enough (dashed).",
            [
                promql("max by (service, level) (stock_products)", "products {{level}}"),
                promql(per_second("stock_outs_total", by="service"), "stock-outs/s"),
            ],
            unit="short",
            links=[links.logs('service.name:"inventory"', "Lines of inventory"), EDGES],
            on_click=OF_SERIES,
            dashed="stock-outs/s",
            width=6,
            height=7,
        ),
        series(
            "How long from order to mail?",
            "Percentiles of the time from an order's event to its mail. The objective is 99 % within 30 s.",
            [
                promql(
                    f"histogram_quantile({level}, sum by (service, le)"
                    " (rate(order_mail_delay_seconds_bucket[$__rate_interval])))",
                    f"p{level * 100:g}",
                )
                for level in (0.5, 0.95, 0.99)
            ],
            unit="s",
            links=[MESSAGING, links.runbook("OutboxAge")],
            on_click=OF_SERIES,
            width=6,
            height=7,
        ),
        series(
            "Are mails sent?",
            "Mails in a second by kind, and failures by reason (dashed).",
            [
                promql(per_second("mails_sent_total", "", "service, kind"), "{{kind}}"),
                promql(per_second("mails_failed_total", "", "service, reason"), "failed: {{reason}}"),
            ],
            unit="ops",
            links=[MESSAGING, links.logs('service.name:"notifications"', "Lines of notifications")],
            on_click=OF_SERIES,
            dashed="failed: .*",
            width=6,
            height=7,
        ),
        series(
            "Do people sign up and log in?",
            "Sign-ups, and logins by outcome, in a second. Rejected logins that rise alone are a guessing attack or"
            " lost keys.",
            [
                promql(per_second("users_signed_up_total", "", "service"), "signed up"),
                promql(per_second("logins_total", "", "service, outcome"), "login {{outcome}}"),
            ],
            unit="ops",
            links=[links.logs('service.name:"users"', "Lines of users"), links.runbook("TokensRejected")],
            on_click=OF_SERIES,
            width=6,
            height=7,
        ),
        number(
            "What was sold?",
            "Value of confirmed orders in the window, in the shop's currency, and how many they were.",
            [
                now("sum(increase(order_value_sum[$__range]))", "value"),
                now("sum(increase(orders_placed_total[$__range]))", "orders"),
            ],
            unit="short",
            links=[ORDER_LOGS, MESSAGING],
            decimals=0,
            width=6,
            height=7,
        ),
    ]


def _changes() -> list[AnyPanel]:
    return [
        states(
            "When was each process up?",
            "Green while its metrics could be scraped. A gap that all share is Prometheus; one alone is that process.",
            [promql('min by (service, process) (up{job="django"})', "{{process}}")],
            names={"0": ("down", "red"), "1": ("up", "green")},
            links=[links.runbook("ServiceDown"), links.runbook("ServiceRestarting"), SERVICES],
            on_click=OF_SERIES,
            width=14,
            height=10,
        ),
        grid(
            "What runs, and since when?",
            "Version and age of every process. The youngest are the likeliest to have changed something.",
            [
                rows(
                    'max by (service, process, version) ((time() - process_start_time_seconds{job="django"})'
                    " * on (job, instance) group_left (version) service_build_info)"
                )
            ],
            [
                Column(
                    "service", "Service", links=[links.board("platform-service", "Service", service="${__value.text}")]
                ),
                Column("process", "Process"),
                Column("version", "Version"),
                Column("Value", "Up for", unit="s"),
            ],
            links=[SERVICES, TELEMETRY],
            sort_by="Up for",
            width=10,
            height=10,
        ),
    ]
