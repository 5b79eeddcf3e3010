"""Django's own metrics, from django-prometheus: views, templates, models, caches, migrations, exceptions."""

from __future__ import annotations

from dashboards.builder import links, variables
from dashboards.builder.board import Board, Section
from dashboards.builder.panels import AnyPanel, Column, grid, number, series
from dashboards.builder.queries import RANGE, now, per_second, promql, quantiles, rows, with_exemplars
from dashboards.builder.thresholds import ANY, above, allowed

UID = "platform-django"

CHOSEN = 'job="django", service=~"$service", process=~"$process"'
VIEWS = f'{CHOSEN}, view=~"$view", method=~"$method"'
LATENCY = "django_http_requests_latency_seconds_by_view_method"
# For families whose first series appears with the first event: before that the rate is 0, not unknown.
NONE_SO_FAR = f" or 0 * sum by (service) (rate({LATENCY}_count{{{CHOSEN}}}[$__rate_interval]))"
RESPONSES = "django_http_responses_total_by_status_view_method_total"

LOGS = links.logs("service.name:(${service:lucene})")
ERROR_LOGS = links.logs('service.name:(${service:lucene}) and log.level:"error"', "Error logs")
SERVICE = links.board("platform-service", "Service", "service", "process")
DATABASES = links.board("platform-databases", "Databases", "service")
OF_SERIES = [links.traces(), links.failed_traces(), links.logs_of_series()]


def board() -> Board:
    return Board(
        uid=UID,
        title="Platform / Django",
        description="Metrics of django-prometheus: views, templates, models, caches, migrations and exceptions.",
        variables=[
            variables.service(),
            variables.version(),
            variables.process(),
            variables.label_values(
                "view", "View", f'{LATENCY}_count{{job="django", service=~"$service"}}', "view", "Which views to show"
            ),
            variables.label_values(
                "method",
                "Method",
                f'{LATENCY}_count{{job="django", service=~"$service"}}',
                "method",
                "Which HTTP methods to show",
            ),
        ],
        sections=[
            Section("Summary", _summary()),
            Section("Views", _views()),
            Section("Responses, bodies and templates", _answers()),
            Section("Exceptions", _exceptions()),
            Section("Database", _database()),
            Section("Models", _models()),
            Section("Caches", _caches()),
        ],
    )


def _summary() -> list[AnyPanel]:
    return [
        number(
            "Request rate",
            "Requests per second over the time range, including health checks.",
            [now(per_second(f"{LATENCY}_count", VIEWS, window=RANGE), "requests")],
            unit="reqps",
            links=[SERVICE, LOGS],
            decimals=2,
        ),
        number(
            "Success ratio",
            "Share of responses below status 400 over the time range. Declined cards and invalid input lower it; "
            "the Service dashboard shows the errors of the platform.",
            [
                now(
                    f"""sum(rate({RESPONSES}{{{VIEWS}, status!~"[45].."}}[$__range]))
                    / sum(rate({RESPONSES}{{{VIEWS}}}[$__range]))""",
                    "below 400",
                )
            ],
            unit="percentunit",
            links=[SERVICE, ERROR_LOGS],
        ),
        number(
            "Latency p95",
            "95th percentile over the time range, for all selected views together.",
            [now(f"histogram_quantile(0.95, sum by (le) (rate({LATENCY}_bucket{{{VIEWS}}}[$__range])))", "p95")],
            unit="s",
            links=[SERVICE, links.runbook("ServiceSlow")],
            thresholds=above("service_slow_seconds"),
        ),
        number(
            "Statement rate",
            "Statements sent to the database per second, over the time range.",
            [now(f"sum(rate(django_db_execute_total{{{CHOSEN}}}[$__range]))", "statements")],
            unit="ops",
            links=[DATABASES, LOGS],
            decimals=2,
        ),
        number(
            "Unapplied migrations",
            "Migrations in the code that are not applied to the database. "
            "Any number above zero means that the code is ahead of its tables.",
            [now(f"max(django_migrations_unapplied_total{{{CHOSEN}}})", "unapplied")],
            unit="short",
            links=[DATABASES, LOGS],
            thresholds=ANY,
        ),
        number(
            "Cache hit ratio",
            "Share of lookups in Django's cache that were hits, since the processes started.",
            [
                now(
                    f"sum(django_cache_get_hits_total{{{CHOSEN}}}) / sum(django_cache_get_total{{{CHOSEN}}})",
                    "hits",
                )
            ],
            unit="percentunit",
            links=[SERVICE, LOGS],
        ),
    ]


def _views() -> list[AnyPanel]:
    return [
        grid(
            "Views: rate, errors, latency",
            "Request rate, share of 4xx and 5xx, and percentiles over the time range.",
            [
                rows(f"sum by (service, view, method) (rate({RESPONSES}{{{VIEWS}}}[$__range])) > 0"),
                rows(_share("4..")),
                rows(_share("5..")),
                *(
                    rows(
                        f"""histogram_quantile({level}, sum by (service, view, method, le)
                        (rate({LATENCY}_bucket{{{VIEWS}}}[$__range])))"""
                    )
                    for level in (0.5, 0.95, 0.99)
                ),
            ],
            [
                Column(
                    "service",
                    "Service",
                    links=[links.traces("${__value.text}"), links.failed_traces("${__value.text}")],
                ),
                Column("view", "View"),
                Column("method", "Method", width=90),
                Column("Value #A", "Rate", unit="reqps", decimals=3, width=100),
                Column("Value #B", "4xx", unit="percentunit", width=90),
                Column("Value #C", "5xx", unit="percentunit", thresholds=allowed("service_error_ratio"), width=90),
                Column("Value #D", "p50", unit="s", width=90),
                Column("Value #E", "p95", unit="s", width=90),
                Column("Value #F", "p99", unit="s", width=90),
            ],
            links=[SERVICE, LOGS],
            sort_by="Rate",
        ),
        series(
            "Request rate by view",
            "Requests per second by view, including health checks.",
            [
                promql(
                    per_second(f"{LATENCY}_count", VIEWS, "service, view"),
                    "{{service}} {{view}}",
                )
            ],
            unit="reqps",
            links=[SERVICE, LOGS],
            on_click=OF_SERIES,
            stacked=True,
        ),
        series(
            "Latency p95 by view",
            "95th percentile by view. Points are exemplars: click one to open its trace.",
            [
                with_exemplars(
                    promql(
                        f"""histogram_quantile(0.95, sum by (service, view, le)
                        (rate({LATENCY}_bucket{{{VIEWS}}}[$__rate_interval])))""",
                        "{{service}} {{view}}",
                    )
                )
            ],
            unit="s",
            links=[SERVICE, links.runbook("ServiceSlow")],
            on_click=OF_SERIES,
            thresholds=above("service_slow_seconds"),
        ),
    ]


def _share(status: str) -> str:
    return f"""(sum by (service, view, method) (rate({RESPONSES}{{{VIEWS}, status=~"{status}"}}[$__range]))
        or 0 * sum by (service, view, method) (rate({RESPONSES}{{{VIEWS}}}[$__range])))
        / (sum by (service, view, method) (rate({RESPONSES}{{{VIEWS}}}[$__range])) > 0)"""


def _answers() -> list[AnyPanel]:
    return [
        series(
            "Response rate by status",
            "Responses per second by status. A status that appears with a deployment was caused by it.",
            [
                promql(
                    per_second(RESPONSES, VIEWS, "service, status"),
                    "{{service}} {{status}}",
                )
            ],
            unit="reqps",
            links=[SERVICE, LOGS],
            on_click=OF_SERIES,
            stacked=True,
            width=8,
        ),
        series(
            "Request rate by method and transport",
            "Requests per second by HTTP method, and of all selected services by transport (dashed).",
            [
                promql(
                    per_second("django_http_requests_total_by_method_total", CHOSEN, "service, method"),
                    "{{service}} {{method}}",
                ),
                promql(
                    per_second("django_http_requests_total_by_transport_total", CHOSEN, "transport"),
                    "all by {{transport}}",
                ),
            ],
            unit="reqps",
            links=[SERVICE, LOGS],
            on_click=OF_SERIES,
            dashed="all by .*",
            width=8,
        ),
        series(
            "Latency including middleware",
            "Percentiles of the time through all of Django's middleware, for all views together.",
            quantiles("django_http_requests_latency_including_middlewares_seconds", CHOSEN, ["service"], (0.5, 0.95)),
            unit="s",
            links=[SERVICE, LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Request size p95",
            "95th percentile of request bodies, by their Content-Length. The API rejects bodies over its limit.",
            quantiles("django_http_requests_body_total_bytes", CHOSEN, ["service"], (0.95,)),
            unit="bytes",
            links=[SERVICE, LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Response size p95",
            "95th percentile of the size of response bodies.",
            quantiles("django_http_responses_body_total_bytes", CHOSEN, ["service"], (0.95,)),
            unit="bytes",
            links=[SERVICE, LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Templates rendered",
            "Responses per second rendered by a template, mostly the API's own documentation pages.",
            [
                promql(
                    per_second(
                        "django_http_responses_total_by_templatename_total",
                        f'{CHOSEN}, templatename!="None"',
                        "service, templatename",
                    ),
                    "{{service}} {{templatename}}",
                )
            ],
            unit="reqps",
            links=[SERVICE, LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
    ]


def _exceptions() -> list[AnyPanel]:
    return [
        series(
            "Unhandled exceptions by type",
            "Exceptions per second that views did not handle. "
            "Intended API errors (404, 402, invalid input) are not included.",
            [
                promql(
                    per_second("django_http_exceptions_total_by_type_total", CHOSEN, "service, type") + NONE_SO_FAR,
                    "{{service}} {{type}}",
                )
            ],
            unit="ops",
            links=[links.runbook("ServiceErrors"), ERROR_LOGS],
            on_click=OF_SERIES,
        ),
        series(
            "Unhandled exceptions by view",
            "Exceptions per second, by the view that raised them.",
            [
                promql(
                    per_second("django_http_exceptions_total_by_view_total", CHOSEN, "service, view") + NONE_SO_FAR,
                    "{{service}} {{view}}",
                )
            ],
            unit="ops",
            links=[links.runbook("ServiceErrors"), ERROR_LOGS],
            on_click=OF_SERIES,
        ),
    ]


def _database() -> list[AnyPanel]:
    return [
        series(
            "Query duration",
            "Percentiles of all statements, as measured by Django's database wrapper.",
            quantiles("django_db_query_duration_seconds", CHOSEN, ["service"], (0.5, 0.95, 0.99)),
            unit="s",
            links=[DATABASES, links.runbook("EdgeSlow")],
            on_click=OF_SERIES,
            thresholds=above("edge_slow_seconds_sql"),
            width=8,
        ),
        series(
            "Statements per request",
            "Statements per HTTP request. A rise is a loop with one query per row (N+1).",
            [
                promql(
                    f"""sum by (service) (rate(django_db_execute_total{{{CHOSEN}}}[$__rate_interval]))
                    / (sum by (service) (rate({LATENCY}_count{{{CHOSEN}}}[$__rate_interval])) > 0)""",
                    "{{service}}",
                )
            ],
            unit="short",
            links=[DATABASES, SERVICE],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "New connections",
            "Connections opened per second. With a pool this is close to zero, except after a restart.",
            [
                promql(
                    f"sum by (service, vendor) (rate(django_db_new_connections_total{{{CHOSEN}}}[$__rate_interval]))",
                    "{{service}} {{vendor}}",
                )
            ],
            unit="ops",
            links=[DATABASES, links.runbook("DatabaseConnections")],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Database errors by type",
            "Database errors per second by type, including failures to connect.",
            [
                promql(
                    per_second("django_db_errors_total", CHOSEN, "service, type") + NONE_SO_FAR,
                    "{{service}} {{type}}",
                )
            ],
            unit="ops",
            links=[DATABASES, ERROR_LOGS],
            on_click=OF_SERIES,
        ),
        grid(
            "Migrations by process",
            "Applied and unapplied migrations, as each process found them.",
            [
                rows(f"max by (service, process) (django_migrations_applied_total{{{CHOSEN}}})"),
                rows(f"max by (service, process) (django_migrations_unapplied_total{{{CHOSEN}}})"),
            ],
            [
                Column("service", "Service"),
                Column("process", "Process"),
                Column("Value #A", "Applied"),
                Column("Value #B", "Unapplied", thresholds=ANY),
            ],
            links=[DATABASES, LOGS],
            sort_by="Unapplied",
            width=12,
            height=8,
        ),
    ]


def _models() -> list[AnyPanel]:
    def written(kind: str, title: str) -> AnyPanel:
        return series(
            title,
            f"Rows per second by model ({kind}), including bulk operations. A rise without more requests is a loop.",
            [
                promql(
                    per_second(f"django_model_{kind}_total", CHOSEN, "service, model"),
                    "{{service}} {{model}}",
                )
            ],
            unit="ops",
            links=[DATABASES, SERVICE],
            on_click=OF_SERIES,
            stacked=True,
            width=8,
        )

    return [
        written("inserts", "Rows inserted by model"),
        written("updates", "Rows updated by model"),
        written("deletes", "Rows deleted by model"),
    ]


def _caches() -> list[AnyPanel]:
    return [
        series(
            "Cache hits and misses",
            "Cache lookups per second by backend: hits, and misses (dashed).",
            [
                promql(
                    per_second("django_cache_get_hits_total", CHOSEN, "service, backend"),
                    "{{service}} {{backend}} hit",
                ),
                promql(
                    per_second("django_cache_get_misses_total", CHOSEN, "service, backend"),
                    "{{service}} {{backend}} miss",
                ),
            ],
            unit="ops",
            links=[SERVICE, LOGS],
            on_click=OF_SERIES,
            dashed=".* miss",
            width=24,
        )
    ]
