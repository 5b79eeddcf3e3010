"""The start page of an SRE: objectives, firing alerts, service map, business metrics and recent changes."""

from __future__ import annotations

from dashboards.builder import links
from dashboards.builder.board import Board, Section
from dashboards.builder.panels import AnyPanel, Column, bars, grid, number, series, states
from dashboards.builder.queries import now, per_second, promql, rows, with_exemplars
from dashboards.builder.thresholds import ANY, Steps, above, allowed, limit

UID = "platform-overview"

FIRING = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'
LATENCY = "django_http_requests_latency_seconds_by_view_method"
NOT_PROBES = 'view!~"contracts[.]api[.]health.*"'

EDGES = links.board("platform-edges", "Edges")
MESSAGING = links.board("platform-messaging", "Messaging")
TELEMETRY = links.board("platform-telemetry", "Telemetry")
DRILLS = links.board("platform-drills", "Drills and load")
SERVICES = links.board("platform-service", "Services")
ERROR_LOGS = links.logs('log.level:("error" or "critical")', "Error logs")
ORDER_LOGS = links.logs('service.name:"orders"', "Logs of orders")
PAYMENT_LOGS = links.logs('service.name:"payments"', "Logs of payments")
OF_SERIES = [
    links.board("platform-service", "Service", service=links.SERVICE_OF_SERIES),
    links.traces(),
    links.failed_traces(),
    links.logs_of_series(),
]

# Burn rates at which the alerts fire: the slowest that pages is orange, the fastest red.
BURNING = Steps(((limit("slo_burn_steady_times"), "orange"), (limit("slo_burn_fast_times"), "red")))
# Red when the budget is spent.
BUDGET = Steps(((0, "green"),), base="red")


def board() -> Board:
    return Board(
        uid=UID,
        title="Platform / Overview",
        description="Service level objectives, firing alerts, service map, business metrics and recent changes.",
        sections=[
            Section("Service level objectives", _objectives()),
            Section("Alerts", _alerts()),
            Section("Service map", _map()),
            Section("Business metrics", _business()),
            Section("Recent changes", _changes()),
        ],
    )


def none_yet(label: str) -> str:
    """A series of 0 whose `label` is "none": a count shows it while there is nothing to count."""
    return f'label_replace(vector(0), "{label}", "none", "", "")'


def _objectives() -> list[AnyPanel]:
    by_slo = "{{journey}} {{slo}}"
    return [
        bars(
            "Error budget remaining",
            "Share of the error budget that is unspent, over at most the last three days. "
            "Below zero the objective is missed: stop releasing and fix the cause.",
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
            "Burn rate (1 h)",
            "Bad events in the last hour, relative to what the objective allows. "
            "At 1 the budget lasts exactly its 30 days; at 14.4 it lasts two days, and the alert pages.",
            [now("slo:bad_events:ratio_rate1h / (1 - slo:objective:ratio)", by_slo)],
            unit="none",
            links=[links.runbook("ErrorBudgetBurnsFast"), links.runbook("ErrorBudgetBurnsSteadily")],
            on_click=OF_SERIES,
            thresholds=BURNING,
            width=8,
            height=9,
        ),
        series(
            "Burn rate (5 min)",
            "Burn rate over five minutes for each objective. Spikes are incidents; a raised baseline is a slow leak.",
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
            "Firing alerts",
            "Firing pages and tickets. Inhibited alerts, which send no notification, are included.",
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
            "Firing alerts by cause",
            "Each firing alert with the service that is the cause and the service where it shows. "
            "The Watchdog, which always fires, is left out.",
            [rows(f"max by (alertname, severity, layer, service, dependency, root_service) ({FIRING})")],
            [
                Column("alertname", "Alert", links=[links.runbook("${__value.text}")]),
                Column("severity", "Severity", width=100),
                Column("layer", "Layer", width=100),
                Column("root_service", "Cause", links=[links.traces("${__value.text}")]),
                Column("service", "Service"),
                Column("dependency", "Dependency"),
            ],
            links=[links.incidents(), EDGES],
            sort_by="Severity",
            width=12,
            height=7,
        ),
        series(
            "Firing alerts over time",
            "Firing alerts by layer: symptoms affect users, causes explain symptoms, "
            "telemetry alerts report on monitoring itself.",
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
            "Edges",
            "Call rate, error ratio, p95 latency and share of slow calls of every edge in the last minute. "
            "The cause of an incident is the red edge whose callee has no red edge of its own.",
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
                Column("dependency", "Callee"),
                Column("protocol", "Protocol", width=90),
                Column("Value #A", "Rate", unit="ops", decimals=2, width=100),
                Column("Value #B", "Errors", unit="percentunit", thresholds=allowed("edge_failure_ratio"), width=100),
                Column("Value #C", "p95", unit="s", width=100),
                Column("Value #D", "Slow", unit="percentunit", thresholds=above("edge_slow_ratio"), width=100),
            ],
            links=[EDGES, links.runbook("EdgeErrors"), links.runbook("EdgeSlow")],
            sort_by="Errors",
            width=14,
            height=12,
        ),
        grid(
            "Services",
            "Request rate, ratio of the service's own errors, p95 latency, "
            "CPU of the busiest replica and share of replicas that are up, in the last minute.",
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
                Column("Value #B", "Errors", unit="percentunit", thresholds=allowed("service_error_ratio"), width=90),
                Column("Value #C", "p95", unit="s", width=90),
                Column("Value #D", "Cores", unit="none", decimals=2, thresholds=above("service_cpu_cores"), width=80),
                Column("Value #E", "Up", unit="percentunit", width=80),
            ],
            links=[SERVICES, links.runbook("ServiceDown"), links.runbook("ServiceErrors")],
            sort_by="Errors",
            width=10,
            height=12,
        ),
        series(
            "Request rate",
            "HTTP requests per second by service, without health checks.",
            [promql("service:http_requests:rate1m", "{{service}}")],
            unit="reqps",
            links=[links.runbook("TrafficAbsent"), SERVICES],
            on_click=OF_SERIES,
            stacked=True,
            width=8,
        ),
        series(
            "Edge error ratio",
            "Share of failed calls by edge and outcome. Healthy edges stay at zero; "
            "the dashed line is the alert's threshold.",
            [promql(failing, "{{service}} → {{dependency}} {{outcome}}")],
            unit="percentunit",
            links=[EDGES, links.runbook("EdgeErrors")],
            on_click=OF_SERIES,
            thresholds=allowed("edge_failure_ratio"),
            width=8,
        ),
        series(
            "Latency p95",
            "95th percentile of the request duration by service. Points are exemplars: click one to open its trace.",
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
            "Orders placed",
            "Confirmed orders per second, the most important business metric.",
            [promql(per_second("orders_placed_total", "", "service"), "confirmed")],
            unit="orders/s",
            links=[ORDER_LOGS, links.runbook("TrafficAbsent")],
            on_click=OF_SERIES,
            width=6,
            height=7,
        ),
        series(
            "Orders failed",
            "Orders refused or cancelled per second, by reason. "
            "Declined cards and missing stock are business outcomes; *_unavailable is a fault of the platform.",
            [promql(per_second("orders_failed_total", "", "service, reason"), "{{reason}}")],
            unit="orders/s",
            links=[ORDER_LOGS, EDGES],
            on_click=OF_SERIES,
            stacked=True,
            width=6,
            height=7,
        ),
        series(
            "Payments by outcome",
            "Charges per second by outcome, and declines by the card provider's code (dashed).",
            [
                promql(per_second("payments_total", "", "service, outcome"), "{{outcome}}"),
                promql(
                    per_second("card_provider_declines_total", "", "service, code"),
                    "declined: {{code}}",
                ),
            ],
            unit="charges/s",
            links=[PAYMENT_LOGS, EDGES],
            on_click=OF_SERIES,
            dashed="declined: .*",
            width=6,
            height=7,
        ),
        series(
            "Stock levels and stock-outs",
            "Products with no or little stock left, and order lines per second without enough stock (dashed).",
            [
                promql("max by (service, level) (stock_products)", "products {{level}}"),
                promql(per_second("stock_outs_total", by="service"), "stock-outs/s"),
            ],
            unit="short",
            links=[links.logs('service.name:"inventory"', "Logs of inventory"), EDGES],
            on_click=OF_SERIES,
            dashed="stock-outs/s",
            width=6,
            height=7,
        ),
        series(
            "Order-to-mail delay",
            "Percentiles of the time from an order's event to its e-mail. The objective is 99 % within 30 s.",
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
            "E-mails sent and failed",
            "E-mails sent per second by kind, and failures by reason (dashed).",
            [
                promql(per_second("mails_sent_total", "", "service, kind"), "{{kind}}"),
                promql(per_second("mails_failed_total", "", "service, reason"), "failed: {{reason}}"),
            ],
            unit="e-mails/s",
            links=[MESSAGING, links.logs('service.name:"notifications"', "Logs of notifications")],
            on_click=OF_SERIES,
            dashed="failed: .*",
            width=6,
            height=7,
        ),
        series(
            "Sign-ups and logins",
            "Sign-ups, and logins by outcome, per second. If only rejected logins rise, "
            "suspect password guessing or lost signing keys.",
            [
                promql(per_second("users_signed_up_total", "", "service"), "signed up"),
                promql(per_second("logins_total", "", "service, outcome"), "login {{outcome}}"),
            ],
            unit="reqps",
            links=[links.logs('service.name:"users"', "Logs of users"), links.runbook("TokensRejected")],
            on_click=OF_SERIES,
            width=6,
            height=7,
        ),
        number(
            "Sales",
            "Value of the confirmed orders over the time range.",
            [now("sum(increase(order_value_sum[$__range]))", "value")],
            unit="currencyEUR",
            links=[ORDER_LOGS, MESSAGING],
            decimals=0,
            width=3,
            height=7,
        ),
        number(
            "Orders",
            "Confirmed orders in the time range.",
            [now("sum(increase(orders_placed_total[$__range]))", "orders")],
            unit="short",
            links=[ORDER_LOGS, MESSAGING],
            decimals=0,
            width=3,
            height=7,
        ),
    ]


def _changes() -> list[AnyPanel]:
    return [
        states(
            "Process availability",
            "Green while the metrics of the process could be scraped. "
            "A gap in all rows points to Prometheus, a gap in one row to that process.",
            [promql('min by (service, process) (up{job="django"})', "{{process}}")],
            names={"0": ("down", "red"), "1": ("up", "green")},
            links=[links.runbook("ServiceDown"), links.runbook("ServiceRestarting"), SERVICES],
            on_click=OF_SERIES,
            width=14,
            height=10,
        ),
        grid(
            "Versions and uptime",
            "Version and uptime of every process. A process that started recently is the likeliest to have changed "
            "something.",
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
                Column("Value", "Uptime", unit="s"),
            ],
            links=[SERVICES, TELEMETRY],
            sort_by="Uptime",
            width=10,
            height=10,
        ),
    ]
