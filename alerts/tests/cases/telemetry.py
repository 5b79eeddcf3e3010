"""The pipelines of telemetry."""

from __future__ import annotations

import catalogue
from series import Case, counter, gauge, together

from cases.services import responses, served, target

TICKET = {"severity": "ticket", "layer": "telemetry"}
ORDERS = {"service": "orders", "root_service": "orders", "team": "checkout", **TICKET}
RISING = counter((300, 1))
TRAFFIC = responses("201", counter((600, 2)))


def up(job: str, values: str, instance: str = "a", **labels: str) -> dict[str, str]:
    """A target."""
    more = "".join(f', {name}="{value}"' for name, value in labels.items())
    return {f'up{{job="{job}", instance="{instance}"{more}}}': values}


def items(signal: str, result: str, values: str, reason: str = "", service: str = "orders") -> dict[str, str]:
    """Telemetry items."""
    return {
        f'telemetry_items_total{{service="{service}", signal="{signal}", result="{result}", reason="{reason}"}}': values
    }


def spans(values: str, service: str = "orders") -> dict[str, str]:
    """Spans that reached Jaeger."""
    return {f'traces_span_metrics_calls_total{{service_name="{service}"}}': values}


def newest(values: str, service: str = "orders") -> dict[str, str]:
    """When the newest line found was written."""
    return {f'log_pipeline_newest_timestamp_seconds{{job="log-pipeline", service="{service}"}}': values}


WRITTEN = items("logs", "made", counter((400, 1)))


def delivered(values: str) -> dict[str, str]:
    """Lines that the shipper's destination accepted."""
    return {'log_shipper_delivered_total{job="log-pipeline"}': values}


PROCESSES = [(process.service, process.name) for process in catalogue.load().processes()]


def _targets(missing: str = "", job: str = "django") -> dict[str, str]:
    return together(
        *(
            up(
                job,
                gauge((60, 1), (300, "stale")) if process == missing else gauge((360, 0)),
                process,
                service=service,
                process=process,
            )
            for service, process in PROCESSES
        )
    )


def _simple(alert: str, metric: str, labels: str, good: float, bad: float, lasting: int, nearly: float) -> list[Case]:
    series = f"{metric}{{{labels}}}"
    return [
        Case(
            alert, "fires", {series: gauge((60, good), (240, bad))}, {60: 0, 55 + lasting: 0, 60 + lasting: 1}, TICKET
        ),
        Case(alert, "nearly", {series: gauge((300, nearly))}, {290: 0}),
        Case(
            alert,
            "for a moment",
            {series: gauge((60, good), (lasting - 5, bad), (200, good))},
            {55 + lasting: 0, 70 + lasting: 0},
        ),
        Case(alert, "no figures", {series: gauge((60, bad), (200, "stale"))}, {200: 0}),
    ]


CASES = [
    Case(
        "AlertingJustStarted",
        "two minutes from the start of Prometheus, and as long as what it holds back is kept; whatever else starts",
        {
            'process_start_time_seconds{job="prometheus", instance="p"}': gauge((400, 60)),
            'process_start_time_seconds{job="django", instance="d"}': gauge((400, 200)),
        },
        {60: 1, 175: 1, 255: 1, 260: 0},
        {"severity": "info", "layer": "telemetry", "service": "prometheus"},
    ),
    Case("Watchdog", "always", {"anything": gauge((60, 1))}, {0: 1, 60: 1}, {"severity": "info", "layer": "telemetry"}),
    Case(
        "ScrapingBroken",
        "one of twenty answers",
        together(*(up("django", gauge((60, 1), (240, 0 if index else 1)), str(index)) for index in range(20))),
        {60: 0, 75: 0, 80: 1},
        {"severity": "page", "layer": "telemetry", "team": "platform"},
    ),
    Case(
        "ScrapingBroken",
        "half of them, and Prometheus itself",
        together(
            *(up("django", gauge((60, 1), (240, index % 2)), str(index)) for index in range(20)),
            up("prometheus", gauge((300, 1)), "p"),
        ),
        {290: 0},
    ),
    Case(
        "ScrapingBroken",
        "Prometheus reaching itself says nothing",
        together(up("django", gauge((300, 0))), up("prometheus", gauge((300, 1)), "p")),
        {290: 1},
    ),
    *(
        Case("ScrapeFailing", job, up(job, gauge((60, 1), (240, 0))), {60: 0, 115: 0, 120: 1}, TICKET)
        for job in ("log-pipeline", "postgres")
    ),
    *(
        Case("ScrapeFailing", f"{job} has an alert of its own", up(job, gauge((300, 0))), {290: 0})
        for job in ("django", "rabbitmq", "toxiproxy", "jaeger", "errors")
    ),
    Case("ScrapeFailing", "it answers", up("postgres", gauge((300, 1))), {290: 0}),
    Case("TargetMissing", "one of them", _targets("orders-relay"), {60: 0, 115: 0, 120: 1}, TICKET),
    Case("TargetMissing", "all are present, even if down", _targets(), {350: 0}),
    Case(
        "TargetMissing",
        "a target of the same name elsewhere is none",
        together(_targets("orders-relay"), up("other", gauge((360, 1)), process="orders-relay")),
        {120: 1},
    ),
    Case(
        "TargetMissing",
        "a process that the catalogue doesn't know doesn't stand in",
        together(_targets("orders-relay"), up("django", gauge((360, 1)), "x", process="unknown")),
        {120: 1},
    ),
    Case(
        "SpansMissing",
        "requests go on, spans stop",
        together(TRAFFIC, spans(counter((100, 2), (500, 0))), spans(counter((600, 2)), "users")),
        {100: 0, 270: 0, 290: 1},
        ORDERS,
    ),
    Case("SpansMissing", "there never was one", TRAFFIC, {60: 0, 75: 1}),
    Case("SpansMissing", "too few requests to tell", responses("201", counter((600, 0.15))), {590: 0}),
    Case("SpansMissing", "spans come", together(TRAFFIC, spans(counter((600, 0.1)))), {590: 0}),
    Case(
        "LogLinesMissing",
        "requests go on, lines stop",
        together(
            TRAFFIC, items("logs", "made", counter((100, 2), (500, 0))), items("traces", "made", counter((600, 2)))
        ),
        {100: 0, 210: 0, 230: 1},
        ORDERS,
    ),
    Case(
        "LogLinesMissing",
        "delivered is not made",
        together(TRAFFIC, items("logs", "delivered", counter((600, 2)))),
        {590: 1},
    ),
    Case("LogLinesMissing", "too few requests to tell", responses("201", counter((600, 0.15))), {590: 0}),
    Case("LogLinesMissing", "lines come", together(TRAFFIC, items("logs", "made", counter((600, 0.1)))), {590: 0}),
    Case(
        "TelemetryLost",
        "ten spans a minute",
        together(
            items("traces", "lost", counter((60, 0), (240, 0.17)), "queue_full"),
            items("traces", "made", counter((300, 5))),
        ),
        {60: 0, 85: 0, 105: 1},
        {**ORDERS, "signal": "traces", "reason": "queue_full"},
    ),
    Case(
        "TelemetryLost",
        "three spans a minute are too many as well",
        items("traces", "lost", counter((300, 0.05)), "x"),
        {290: 1},
    ),
    Case(
        "TelemetryLost",
        "made and delivered",
        together(items("logs", "made", counter((300, 5))), items("logs", "delivered", counter((300, 5)))),
        {290: 0},
    ),
    Case("TelemetryLost", "one in three minutes", items("logs", "lost", counter((600, 0.0055)), "x"), {600: 0}),
    Case("TelemetryLost", "once in ten minutes", items("logs", "lost", counter((60, 0), (600, 0.0016))), {600: 0}),
    Case("TelemetryLost", "a restart", items("logs", "lost", counter((60, 0), (240, -0.0), start=50)), {100: 0}),
    Case(
        "LogLag",
        "lines are written and not found",
        together(newest(gauge((400, 0))), items("logs", "made", counter((400, 1)))),
        {30: 0, 50: 0, 60: 1},
        {"service": "orders", "root_service": "rsyslog", **TICKET},
    ),
    Case(
        "LogLag",
        "the shipper is dead: each service's lines are missing, and each is an alert",
        together(
            *(
                together(newest(gauge((400, 0)), service), items("logs", "made", counter((400, 1)), service=service))
                for service in ("orders", "users", "payments")
            )
        ),
        {60: 3},
        {"root_service": "rsyslog"},
    ),
    Case(
        "LogLag",
        "20 s old",
        together(newest(" ".join(str(step * 5 - 20) for step in range(60))), items("logs", "made", counter((295, 1)))),
        {290: 0},
    ),
    Case(
        "LogLag",
        "it has nothing to say",
        together(newest(gauge((400, 0))), items("logs", "made", counter((400, 0)))),
        {390: 0},
    ),
    Case(
        "LogLag",
        "spans are no lines",
        together(newest(gauge((400, 0))), items("traces", "made", counter((400, 1)))),
        {390: 0},
    ),
    Case(
        "LogLag",
        "lost lines can't be found",
        together(newest(gauge((400, 0))), items("logs", "lost", counter((400, 1)))),
        {390: 0},
    ),
    *_simple("LogShipperQueue", "log_shipper_queue_size", 'job="log-pipeline", queue="main Q"', 0, 3000, 60, 400),
    Case(
        "LogsNotShipped",
        "from the first start on: the shipper reads no file",
        together(
            WRITTEN, delivered(gauge((400, 0))), up("log-pipeline", gauge((400, 1))), up("jaeger", gauge((400, 0)))
        ),
        {50: 0, 100: 1, 390: 1},
        {"root_service": "rsyslog", **TICKET},
    ),
    Case(
        "LogsNotShipped",
        "the shipper does not answer",
        together(WRITTEN, up("log-pipeline", gauge((400, 1)))),
        {50: 0, 100: 1},
    ),
    Case(
        "LogsNotShipped",
        "it stops in the middle",
        together(WRITTEN, delivered(counter((100, 5), (300, 0))), up("log-pipeline", gauge((400, 1)))),
        {200: 0, 260: 0, 310: 1},
    ),
    Case(
        "LogsNotShipped",
        "few of many lines are delivered, and slowly",
        together(
            items("logs", "made", counter((600, 50))),
            delivered(gauge(*((100, at) for at in range(6)))),
            up("log-pipeline", gauge((600, 1))),
        ),
        {90: 1, 240: 0, 590: 0},
    ),
    Case(
        "LogsNotShipped",
        "no service writes",
        together(
            items("logs", "made", counter((400, 0))), delivered(gauge((400, 9))), up("log-pipeline", gauge((400, 1)))
        ),
        {390: 0},
    ),
    Case(
        "LogsNotShipped",
        "spans are no lines, and lost lines can't be shipped",
        together(
            items("traces", "made", counter((400, 1))),
            items("logs", "lost", counter((400, 1))),
            delivered(gauge((400, 9))),
            up("log-pipeline", gauge((400, 1))),
        ),
        {390: 0},
    ),
    Case(
        "LogsNotShipped",
        "the exporter is down, which is an alert of its own",
        together(WRITTEN, up("log-pipeline", gauge((400, 0)))),
        {390: 0},
    ),
    *_simple("ElasticsearchDown", "elasticsearch_up", 'job="log-pipeline"', 1, 0, 20, 1),
    *_simple("ElasticsearchReadOnly", "elasticsearch_read_only_indices", 'job="log-pipeline"', 0, 1, 20, 0),
    *_simple("ElasticsearchDiskFull", "elasticsearch_disk_used_ratio", 'job="log-pipeline"', 0.5, 0.9, 60, 0.8),
    *_simple("JaegerDown", "up", 'job="jaeger"', 1, 0, 20, 1),
    Case("JaegerDown", "something else is down", up("rabbitmq", gauge((300, 0))), {290: 0}),
    *(
        Case(
            "JaegerDropping",
            metric,
            {f'{metric}{{job="jaeger", exporter="e"}}': counter((60, 0), (240, 0.5))},
            {60: 0, 90: 0, 100: 1},
            TICKET,
        )
        for metric in (
            "otelcol_exporter_send_failed_spans_total",
            "otelcol_receiver_refused_spans_total",
            "jaeger_storage_bulk_index_errors_total",
        )
    ),
    Case(
        "JaegerDropping",
        "a burst that is over",
        {'otelcol_exporter_send_failed_spans_total{job="jaeger"}': counter((60, 0), (5, 5), (300, 0))},
        {60: 0, 150: 0},
    ),
    Case(
        "JaegerDropping",
        "none",
        {'otelcol_exporter_send_failed_spans_total{job="jaeger"}': counter((300, 0))},
        {290: 0},
    ),
    *_simple("ErrorReceiverDown", "up", 'job="errors"', 1, 0, 30, 1),
    Case("ErrorReceiverDown", "something else is down", up("watchdog", gauge((300, 0))), {290: 0}),
    *(
        Case(
            "ErrorsLost",
            reason,
            {f'error_events_lost_total{{job="errors", reason="{reason}"}}': counter((60, 0), (10, 1), (600, 0))},
            {60: 0, 80: 1, 330: 1, 420: 0},
            {"reason": reason, "root_service": "error-receiver", **TICKET},
        )
        for reason in ("queue_full", "refused", "shutdown")
    ),
    Case(
        "ErrorsLost", "none", {'error_events_lost_total{job="errors", reason="refused"}': counter((300, 0))}, {290: 0}
    ),
    Case(
        "ErrorsLost",
        "what was lost long ago",
        {'error_events_lost_total{job="errors", reason="refused"}': counter((400, 0), start=7)},
        {390: 0},
    ),
    Case(
        "CardinalityNearCap",
        "450 series of one family",
        {
            f'x_total{{job="django", service="orders", process="orders", route="{index}"}}': gauge((300, 1))
            for index in range(450)
        },
        {55: 0, 60: 1},
        ORDERS,
    ),
    Case(
        "CardinalityNearCap",
        "350 series",
        {
            f'x_total{{job="django", service="orders", process="orders", route="{index}"}}': gauge((300, 1))
            for index in range(350)
        },
        {290: 0},
    ),
    Case(
        "RuleEvaluationFailing",
        "one failure",
        {
            'prometheus_rule_evaluation_failures_total{job="prometheus", rule_group="g"}': counter(
                (60, 0), (5, 0.2), (500, 0)
            )
        },
        {60: 0, 70: 1, 400: 0},
        TICKET,
    ),
    Case(
        "RuleEvaluationFailing",
        "none",
        {'prometheus_rule_evaluation_failures_total{job="prometheus", rule_group="g"}': counter((300, 0))},
        {290: 0},
    ),
    Case(
        "RuleEvaluationFailing",
        "a restart",
        {
            'prometheus_rule_evaluation_failures_total{job="prometheus", rule_group="g"}': counter(
                (60, 0), (100, -0.0), start=3
            )
        },
        {100: 0},
    ),
    *(
        Case(
            "NotificationsFailing",
            metric,
            {f'{metric}{{job="a", integration="webhook"}}': counter((60, 0), (5, 0.6), (500, 0))},
            {60: 0, 70: 1, 400: 0},
            TICKET,
        )
        for metric in ("alertmanager_notifications_failed_total", "prometheus_notifications_dropped_total")
    ),
    *(
        Case(
            "NotificationsFailing",
            f"two that are tried again: {metric}",
            {f'{metric}{{job="a", integration="webhook"}}': counter((60, 0), (5, 0.4), (500, 0))},
            {70: 0, 200: 0},
        )
        for metric in ("alertmanager_notifications_failed_total", "prometheus_notifications_dropped_total")
    ),
    *(
        Case(
            "ServiceScrapeFailing",
            f"{process} serves, and its scrape fails for half a minute",
            together(
                target(process, service, gauge((60, 1), (240, 0)), gauge((300, 0.01))),
                served(process, service, counter((300, 1))),
            ),
            {60: 0, 85: 0, 90: 1, 290: 1},
            {"service": service, "process": process, "root_service": service, **TICKET},
        )
        for process, service in (("payments", "payments"), ("inventory-grpc", "inventory"))
    ),
    Case(
        "ServiceScrapeFailing",
        "it serves nothing: it is down, which is another alert",
        together(target("payments", "payments", gauge((300, 0)), gauge((300, 0.01))), served("users", "users", RISING)),
        {290: 0},
    ),
    Case(
        "ServiceScrapeFailing",
        "its sibling serves",
        together(
            target("inventory-grpc", "inventory", gauge((300, 0)), gauge((300, 0.01))),
            served("inventory", "inventory", RISING),
        ),
        {290: 0},
    ),
    Case(
        "ServiceScrapeFailing",
        "it has served all there was to serve",
        together(
            target("payments", "payments", gauge((300, 0)), gauge((300, 0.01))),
            served("payments", "payments", counter((20, 1), (280, 0))),
        ),
        {290: 0},
    ),
    Case(
        "ServiceScrapeFailing",
        "all is well",
        together(
            target("payments", "payments", gauge((300, 1)), gauge((300, 0.01))), served("payments", "payments", RISING)
        ),
        {290: 0},
    ),
    Case(
        "ServiceScrapeFailing",
        "other jobs have ScrapeFailing",
        together(
            target("payments", "payments", gauge((300, 0)), gauge((300, 0.01)), job="other"),
            served("payments", "payments", RISING),
        ),
        {290: 0},
    ),
    Case(
        "NotificationsFailing",
        "none",
        {
            f'{metric}{{job="a"}}': counter((300, 0))
            for metric in ("alertmanager_notifications_failed_total", "prometheus_notifications_dropped_total")
        },
        {290: 0},
    ),
    *(
        Case(
            "ConfigurationRejected",
            metric,
            {f'{metric}{{job="x"}}': gauge((60, 1), (240, 0))},
            {60: 0, 85: 0, 90: 1},
            TICKET,
        )
        for metric in ("prometheus_config_last_reload_successful", "alertmanager_config_last_reload_successful")
    ),
    Case(
        "ConfigurationRejected",
        "taken",
        {
            f'{metric}{{job="x"}}': gauge((300, 1))
            for metric in ("prometheus_config_last_reload_successful", "alertmanager_config_last_reload_successful")
        },
        {290: 0},
    ),
]
