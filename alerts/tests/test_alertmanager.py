"""Routes and inhibitions on a real Alertmanager, with synthetic alerts."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import catalogue
import pytest
import requests
import yaml
from alerts.generator import alertmanager
from alerts.generator.build import FOLDER
from alerts.generator.model import seconds
from catalogue import graph
from platform_testing.http import StubServer
from platform_testing.polling import eventually
from platformctl.run.alertmanager import clear_notification_log
from werkzeug import Request, Response

CATALOGUE = catalogue.load()
Labels = Mapping[str, str]


@dataclass
class Running:
    """A private Alertmanager and the notifications that it has sent, as pairs of path and body."""

    url: str
    notified: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def post(self, *alerts: Labels) -> None:
        """Make exactly these alerts fire; earlier ones are resolved."""
        now = datetime.now(UTC)
        ended = [
            {"labels": alert["labels"], "startsAt": alert["startsAt"], "endsAt": now.isoformat()}
            for alert in self.alerts()
        ]
        # Without a start, Alertmanager uses the end as the start. A start one group wait ago would be notified at once,
        # before Alertmanager has worked out what inhibits the alert.
        times = {
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(minutes=5)).isoformat(),
        }
        firing = [{"labels": dict(labels), **times} for labels in alerts]
        for batch in (ended, firing):
            if batch:
                answer = requests.post(f"{self.url}/api/v2/alerts", json=batch, timeout=10)
                assert answer.ok, answer.text

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that are firing."""
        found: list[dict[str, Any]] = requests.get(f"{self.url}/api/v2/alerts", timeout=10).json()
        return found

    def has_notified(self, alert: Labels) -> bool:
        """Whether a receiver was notified of a firing alert with this name and service."""
        wanted = ("firing", alert["alertname"], alert["service"])
        entries = [entry for _, message in self.notified for entry in message["alerts"]]
        return wanted in [
            (entry["status"], entry["labels"]["alertname"], entry["labels"]["service"]) for entry in entries
        ]

    def suppressed(self) -> set[str]:
        """The `test` labels of the alerts that are inhibited."""
        return {alert["labels"]["test"] for alert in self.alerts() if alert["status"]["inhibitedBy"]}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An Alertmanager for all tests that do not depend on earlier alerts."""
    with _alertmanager(tmp_path_factory.mktemp("alertmanager")) as found:
        yield found


@contextmanager
def _alertmanager(folder: Path, *, hastened: int = 60) -> Iterator[Running]:
    """An Alertmanager with the committed configuration and a receiver that records paths and bodies.

    Waits are divided by `hastened`, to a second at least. State that survives a restart is in `folder`/data.
    """
    port = _free_port()
    found = Running(f"http://127.0.0.1:{port}")

    def receive(request: Request) -> Response:
        body = request.get_json()
        response = Response(status=204)
        # Once Alertmanager has the answer: what it was not answered it repeats after a restart.
        response.call_on_close(lambda: found.notified.append((request.path, body)))
        return response

    with StubServer(receive) as receiver:
        document = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())
        for entry in document["receivers"]:
            for hook in entry.get("webhook_configs", []):
                hook["url"] = f"{receiver.url}/{entry['name']}"
        _hasten(document["route"], hastened)
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(document))
        process = subprocess.Popen(
            [
                "prometheus-alertmanager",
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stderr=(folder / "log").open("w"),
        )
        try:
            eventually(
                lambda: _is_ready(found.url, process, folder),
                "Alertmanager to be ready",
                timeout=30,
                retry_on=requests.RequestException,
                look_at=folder / "log",
            )
            yield found
        finally:
            process.terminate()
            process.wait(timeout=10)


def _hasten(route: dict[str, Any], times: int) -> None:
    for key in ("group_wait", "group_interval"):
        if key in route:
            route[key] = f"{max(1000, seconds(route[key]) * 1000 // times)}ms"
    for child in route.get("routes", []):
        _hasten(child, times)


def _is_ready(url: str, process: subprocess.Popen[bytes], folder: Path) -> bool:
    assert process.poll() is None, (folder / "log").read_text()
    return requests.get(f"{url}/-/ready", timeout=1).ok


def cause(alertname: str, service: str, dependency: str = "", **more: str) -> dict[str, str]:
    """A cause alert, labelled as by the rules."""
    root = more.pop("root_service", dependency or service)
    found = {
        "alertname": alertname,
        "layer": "cause",
        "severity": "page",
        "service": service,
        "root_service": root,
        **more,
    }
    found["team"] = graph.owner_of(CATALOGUE, root) if root in graph.nodes(CATALOGUE) else "platform"
    return found | ({"dependency": dependency} if dependency else {})


def symptom(service: str) -> dict[str, str]:
    """A burn-rate alert of a service, labelled as by the rules."""
    return {
        "alertname": "ErrorBudgetBurnsFast",
        "layer": "symptom",
        "severity": "page",
        "service": service,
        "root_service": service,
        "team": graph.owner_of(CATALOGUE, service),
        "journey": "j",
        "slo": "availability",
    }


def telemetry(alertname: str, service: str, severity: str = "ticket") -> dict[str, str]:
    """A telemetry alert, labelled as by the rules."""
    return {
        "alertname": alertname,
        "layer": "telemetry",
        "severity": severity,
        "service": service,
        "root_service": service,
        "team": "platform",
    }


def _along() -> Iterator[tuple[str, Labels, Labels]]:
    for name in graph.nodes(CATALOGUE):
        source = cause("ServiceDown" if name in CATALOGUE.services else "PostgresDown", name)
        for service in graph.affected_by(CATALOGUE, name):
            yield f"{name}: symptom of {service}", source, symptom(service)
        for edge in CATALOGUE.edges():
            if edge.callee in {name, *graph.callers_of(CATALOGUE, name)}:
                yield f"{name}: edge {edge.caller}-{edge.callee}", source, cause("EdgeErrors", edge.caller, edge.callee)
        for service in graph.callers_of(CATALOGUE, name):
            yield f"{name}: errors of {service}", source, cause("ServiceErrors", service)
    for edge in CATALOGUE.edges():
        source = cause("EdgeTimeouts", edge.caller, edge.callee)
        for service in {edge.caller, *graph.affected_by(CATALOGUE, edge.caller)}:
            yield f"edge {edge.caller}-{edge.callee}: symptom of {service}", source, symptom(service)
        for above in CATALOGUE.edges():
            if above.callee in {edge.caller, *graph.callers_of(CATALOGUE, edge.caller)}:
                target = cause("EdgeErrors", above.caller, above.callee)
                yield f"edge {edge.caller}-{edge.callee}: edge {above.caller}-{above.callee}", source, target


DATABASE = {"root_service": "postgresql"}
SPECIAL: list[tuple[str, Labels, Labels]] = [
    (
        "broker: consumer",
        cause("BrokerDown", "rabbitmq"),
        cause("ConsumerGone", "notifications", queue="notifications.orders"),
    ),
    ("broker: outbox", cause("BrokerDown", "rabbitmq"), cause("OutboxAge", "orders")),
    ("anything: traffic", cause("ServiceDown", "users"), cause("TrafficAbsent", "orders", root_service="front-door")),
    ("down: errors", cause("ServiceNotAnswering", "users"), cause("ServiceErrors", "users")),
    ("version: errors", cause("ServiceVersionRegression", "orders"), cause("ServiceErrors", "orders")),
    ("saturated: slow", cause("ServiceSaturated", "orders"), cause("ServiceSlow", "orders")),
    ("edge: errors", cause("EdgeErrors", "orders", "payments"), cause("ServiceErrors", "orders")),
    (
        "locks: statements",
        cause("DatabaseLocks", "inventory", "postgresql"),
        cause("EdgeSlow", "inventory", "postgresql"),
    ),
    (
        "locks: pool",
        cause("DatabaseLocks", "inventory", "postgresql"),
        cause("DatabasePoolWaiting", "inventory", "postgresql"),
    ),
    (
        "locks: caller's edge",
        cause("DatabaseLocks", "inventory", "postgresql"),
        cause("EdgeTimeouts", "orders", "inventory"),
    ),
    (
        "pool: statements",
        cause("DatabasePoolWaiting", "orders", "postgresql"),
        cause("EdgeRefused", "orders", "postgresql"),
    ),
    ("pool: slow", cause("DatabasePoolWaiting", "orders", "postgresql"), cause("ServiceSlow", "orders")),
    ("refused: retries", cause("EdgeRefused", "orders", "users"), cause("EdgeRetryAmplification", "orders", "users")),
    ("slow: retries", cause("EdgeSlow", "orders", "users"), cause("EdgeRetryAmplification", "orders", "users")),
    ("worker: consumer", cause("WorkerDown", "notifications"), cause("ConsumerGone", "notifications", queue="q")),
    (
        "consumer: backlog",
        cause("ConsumerGone", "notifications", queue="q"),
        cause("QueueBacklog", "notifications", queue="q"),
    ),
    (
        "no consumer: stalled",
        cause("ConsumerGone", "notifications", queue="q"),
        cause("ConsumerStalled", "notifications", queue="q"),
    ),
    (
        "many: one",
        cause("DeadLettersMany", "payments", queue="q"),
        cause("DeadLetters", "payments", queue="q", severity="ticket"),
    ),
    (
        "database: dead letters",
        cause("EdgeErrors", "payments", "postgresql"),
        cause("DeadLettersMany", "payments", queue="q"),
    ),
    *(
        (
            f"edge: {name}",
            cause("EdgeTimeouts", "payments", "card-provider"),
            cause(name, "payments", queue="payments.order-cancelled"),
        )
        for name in ("QueueBacklog", "ConsumerStalled", "EventsNeverConsumed")
    ),
    ("outbox: events", cause("OutboxAge", "orders"), cause("EventsNotPublished", "orders")),
    ("memory: growing", cause("ServiceMemoryHigh", "users"), cause("ServiceMemoryGrowing", "users", severity="ticket")),
    ("fast: steady", symptom("orders"), {**symptom("orders"), "alertname": "ErrorBudgetBurnsSteadily"}),
    (
        "steady: slow",
        {**symptom("orders"), "alertname": "ErrorBudgetBurnsSteadily"},
        {**symptom("orders"), "alertname": "ErrorBudgetBurnsSlowly"},
    ),
    *(
        (f"starting: {name}", telemetry("AlertingJustStarted", "prometheus", "info"), cause(name, service))
        for name, service in (
            ("ServiceDown", "users"),
            ("WorkerDown", "orders"),
            ("PostgresDown", "postgresql"),
            ("BrokerDown", "rabbitmq"),
            ("EdgeProxyDown", "toxiproxy"),
        )
    ),
    *(
        (
            f"starting: {name}",
            telemetry("AlertingJustStarted", "prometheus", "info"),
            telemetry(name, service, severity),
        )
        for name, service, severity in (
            ("ScrapingBroken", "prometheus", "page"),
            ("ScrapeFailing", "prometheus", "ticket"),
            ("ElasticsearchDown", "elasticsearch", "ticket"),
            ("JaegerDown", "jaeger", "ticket"),
        )
    ),
    ("blind: cause", telemetry("ScrapingBroken", "prometheus", "page"), cause("ServiceDown", "users")),
    ("blind: telemetry", telemetry("ScrapingBroken", "prometheus", "page"), telemetry("JaegerDown", "jaeger")),
    ("elasticsearch: lag", telemetry("ElasticsearchDown", "elasticsearch"), telemetry("LogLag", "rsyslog")),
    (
        "elasticsearch: spans",
        telemetry("ElasticsearchReadOnly", "elasticsearch"),
        telemetry("JaegerDropping", "jaeger"),
    ),
    ("jaeger: spans", telemetry("JaegerDown", "jaeger"), telemetry("SpansMissing", "orders")),
    (
        "dropping: lost spans",
        telemetry("JaegerDropping", "jaeger"),
        {**telemetry("TelemetryLost", "orders"), "signal": "traces"},
    ),
    ("dropping: missing spans", telemetry("JaegerDropping", "jaeger"), telemetry("SpansMissing", "orders")),
    (
        "receiver: lost errors",
        telemetry("ErrorReceiverDown", "error-receiver"),
        {**telemetry("TelemetryLost", "orders"), "signal": "errors"},
    ),
    (
        "elasticsearch: lost errors",
        telemetry("ElasticsearchDown", "elasticsearch"),
        telemetry("ErrorsLost", "error-receiver"),
    ),
    ("lag: queue", telemetry("LogLag", "rsyslog"), telemetry("LogShipperQueue", "rsyslog")),
    ("lag: delivery", telemetry("LogLag", "rsyslog"), telemetry("LogsNotShipped", "rsyslog")),
    (
        "elasticsearch: delivery",
        telemetry("ElasticsearchDown", "elasticsearch"),
        telemetry("LogsNotShipped", "rsyslog"),
    ),
    (
        "contended: edge",
        cause("MachineContended", "platform", severity="ticket"),
        cause("EdgeSlow", "inventory", "postgresql"),
    ),
    (
        "contended: service",
        cause("MachineContended", "platform", severity="ticket"),
        cause("ServiceSlow", "orders"),
    ),
    (
        "contended: budget of latency",
        cause("MachineContended", "platform", severity="ticket"),
        {**symptom("inventory"), "slo": "latency"},
    ),
    ("proxy: edge", cause("EdgeProxyDown", "toxiproxy"), cause("EdgeRefused", "orders", "users")),
    ("proxy: errors", cause("EdgeProxyDown", "toxiproxy"), cause("ServiceErrors", "orders")),
    ("proxy: symptom", cause("EdgeProxyDown", "toxiproxy"), symptom("orders")),
    ("postgresql: its exporter", cause("PostgresDown", "postgresql"), telemetry("ScrapeFailing", "prometheus")),
    ("down: telemetry", cause("ServiceDown", "orders"), telemetry("TelemetryLost", "orders")),
]

UNTOUCHED: list[tuple[str, Labels, Labels]] = [
    (
        "lost log lines are not Jaeger's",
        telemetry("JaegerDropping", "jaeger"),
        {**telemetry("TelemetryLost", "orders"), "signal": "logs"},
    ),
    (
        "a start does not suppress a service that is up and fails",
        telemetry("AlertingJustStarted", "prometheus", "info"),
        cause("ServiceErrors", "orders"),
    ),
    (
        "an error of the caller doesn't inhibit its callee",
        cause("ServiceErrors", "orders"),
        cause("ServiceDown", "payments"),
    ),
    ("another branch", cause("EdgeErrors", "payments", "card-provider"), cause("EdgeErrors", "orders", "users")),
    ("one database's locks", cause("DatabaseLocks", "inventory", "postgresql"), symptom("users")),
    (
        "one database's locks and another's",
        cause("DatabaseLocks", "inventory", "postgresql"),
        cause("EdgeSlow", "users", "postgresql"),
    ),
    (
        "a dead worker and its service's callers",
        cause("WorkerDown", "payments"),
        cause("EdgeErrors", "orders", "payments"),
    ),
    (
        "a ticket inhibits no page",
        cause("ServiceMemoryGrowing", "users", severity="ticket"),
        cause("EdgeErrors", "orders", "users"),
    ),
    ("a dead pipeline and a service that is down", telemetry("JaegerDown", "jaeger"), cause("ServiceDown", "users")),
    (
        "the Watchdog is never inhibited",
        telemetry("ScrapingBroken", "prometheus", "page"),
        telemetry("Watchdog", "prometheus", "info"),
    ),
    (
        "notifications' mail and another's browsing",
        cause("ConsumerGone", "notifications", queue="q"),
        symptom("inventory"),
    ),
    ("errors on a slow machine", cause("MachineContended", "platform", severity="ticket"), symptom("orders")),
    (
        "timeouts on a slow machine",
        cause("MachineContended", "platform", severity="ticket"),
        cause("EdgeTimeouts", "orders", "payments"),
    ),
    (
        "an edge that doesn't go through the proxy",
        cause("EdgeProxyDown", "toxiproxy"),
        cause("EdgeRefused", "orders", "postgresql"),
    ),
    ("a dead service behind the proxy", cause("EdgeProxyDown", "toxiproxy"), cause("ServiceDown", "users")),
    ("the outbox and placing orders", cause("ConsumerGone", "notifications", queue="q"), symptom("orders")),
]


def test_an_alert_is_inhibited_while_its_cause_fires_and_notified_without_it(running: Running) -> None:
    """Every pair of cause and explained alert, with and without the cause, one pair after the other."""
    wrong = []
    for name, source, target in [*_along(), *SPECIAL]:
        running.post({**source, "test": "source"}, {**target, "test": "target"})
        if not _settles(running, {"target"}):
            wrong.append(
                f"{name}: {dict(target)} is not inhibited by {dict(source)}; inhibited: {running.suppressed()}"
            )
        running.post({**target, "test": "target"})
        if not _settles(running, set()):
            wrong.append(f"{name}: {dict(target)} stays inhibited without its cause")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("source", "target"), [pair[1:] for pair in UNTOUCHED], ids=[pair[0] for pair in UNTOUCHED])
def test_an_alert_that_a_cause_does_not_explain_is_not_inhibited(
    running: Running, source: Labels, target: Labels
) -> None:
    running.post({**source, "test": "source"}, {**target, "test": "target"})
    eventually(lambda: len(running.alerts()), "both alerts in Alertmanager", accept=lambda actual: actual == 2)
    # The status is computed on request; the inhibitor needs a moment to see both alerts.
    time.sleep(0.2)
    assert "target" not in running.suppressed()


def _settles(running: Running, expected: set[str]) -> bool:
    deadline = time.monotonic() + 5
    while running.suppressed() != expected:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("team", graph.teams(CATALOGUE))
@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_an_alert_goes_to_its_team_by_severity(running: Running, team: str, severity: str) -> None:
    labels = {
        "alertname": f"Test{team}{severity}",
        "team": team,
        "severity": severity,
        "root_service": f"{team}-{severity}",
    }
    running.post({**labels, "test": "route"})
    eventually(
        lambda: [
            path for path, body in running.notified if body["commonLabels"].get("alertname") == labels["alertname"]
        ],
        f"one notification at {team}-{severity}",
        accept=lambda actual: actual == [f"/{team}-{severity}"],
        timeout=20,
    )


def test_one_incident_is_one_notification(running: Running) -> None:
    down = {**cause("ServiceDown", "inventory"), "test": "a"}
    others = [{**cause("EdgeRefused", "orders", "inventory"), "test": "b"}, {**symptom("orders"), "test": "c"}]
    running.notified.clear()
    running.post(down, *others)
    eventually(lambda: running.notified, "a notification", timeout=20)
    time.sleep(2.5)  # two more group intervals, in which nothing else may be sent
    firing = [body for _, body in running.notified if body["status"] == "firing"]
    assert [sorted(alert["labels"]["alertname"] for alert in body["alerts"]) for body in firing] == [["ServiceDown"]]


def test_the_heartbeat_is_sent_to_the_watchdog_only(running: Running) -> None:
    running.notified.clear()
    running.post({**telemetry("Watchdog", "prometheus", "info"), "test": "w"})
    eventually(
        lambda: [path for path, _ in running.notified].count("/watchdog"),
        "a heartbeat",
        accept=lambda actual: actual >= 1,
        timeout=20,
    )
    assert {path for path, body in running.notified if body["commonLabels"].get("alertname") == "Watchdog"} == {
        "/watchdog"
    }


def test_an_alert_of_severity_info_is_not_sent(running: Running) -> None:
    running.notified.clear()
    running.post(
        {"alertname": "Fyi", "severity": "info", "team": "platform", "test": "i"},
        {**cause("ServiceDown", "users"), "test": "p"},
    )
    eventually(lambda: running.notified, "the page", timeout=20)
    assert all(body["commonLabels"].get("alertname") != "Fyi" for _, body in running.notified)


def test_receivers_come_from_the_environment_and_secrets_stay_in_files(tmp_path: Path) -> None:
    for name in ("token", "password", "slack", "pager"):
        (tmp_path / name).write_text("secret")
    environ = {
        "CONSOLE_WEBHOOK_URL": "http://127.0.0.1:8000/hooks/alertmanager",
        "CONSOLE_WEBHOOK_TOKEN_FILE": str(tmp_path / "token"),
        "ALERT_WEBHOOK_URL": "http://127.0.0.1:9999/alerts",
        "ALERT_WEBHOOK_TOKEN_FILE": str(tmp_path / "token"),
        "ALERT_EMAIL_TO": "oncall@example.org",
        "ALERT_SMTP_HOST": "mail.example.org:587",
        "ALERT_SMTP_USER": "alerts",
        "ALERT_SMTP_PASSWORD_FILE": str(tmp_path / "password"),
        "SLACK_WEBHOOK_URL_FILE": str(tmp_path / "slack"),
        "PAGERDUTY_ROUTING_KEY_FILE": str(tmp_path / "pager"),
    }
    document = alertmanager.document(CATALOGUE, alertmanager.Receivers(environ))
    document["templates"] = [str(FOLDER / "templates" / "*.tmpl")]
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(document))
    checked = subprocess.run(
        ["amtool", "check-config", str(tmp_path / "alertmanager.yml")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    page = next(entry for entry in document["receivers"] if entry["name"] == "checkout-page")
    assert {"webhook_configs", "email_configs", "slack_configs", "pagerduty_configs"} <= set(page)
    assert [hook["url"] for hook in page["webhook_configs"]] == [
        "http://127.0.0.1:9095/notifications",
        environ["CONSOLE_WEBHOOK_URL"],
        environ["ALERT_WEBHOOK_URL"],
    ]
    assert "secret" not in (tmp_path / "alertmanager.yml").read_text()


def test_an_incident_after_a_cold_start_is_notified_although_the_last_one_never_resolved(tmp_path: Path) -> None:
    """`make down` during an incident: Alertmanager never sees it resolve."""
    again, other = cause("BrokerDown", "rabbitmq"), cause("PostgresDown", "postgresql")

    with _alertmanager(tmp_path) as first:
        first.post(again)
        eventually(lambda: first.has_notified(again), "a notification of the first incident", timeout=30)
    with _alertmanager(tmp_path) as restarted:
        restarted.post(again, other)
        eventually(lambda: restarted.has_notified(other), "a notification of another incident", timeout=30)
        assert not restarted.has_notified(again), "a restart of Alertmanager alone should not repeat a notification"
    clear_notification_log(tmp_path / "data")
    with _alertmanager(tmp_path) as anew:
        anew.post(again)
        eventually(lambda: anew.has_notified(again), "the notification after a cold start", timeout=30)


def test_a_burn_rate_alert_waits_for_a_cause_that_fires_later(tmp_path: Path) -> None:
    burning, elsewhere = symptom("orders"), symptom("users")
    late, unrelated = cause("EdgeTimeouts", "payments", "card-provider"), cause("WorkerDown", "notifications")

    with _alertmanager(tmp_path, hastened=10) as running:
        running.post(burning, unrelated)
        eventually(lambda: running.has_notified(unrelated), "a notification of a cause", timeout=30)
        running.post(burning, unrelated, late, elsewhere)
        eventually(lambda: running.has_notified(late), "a notification of the late cause", timeout=30)
        eventually(
            lambda: running.has_notified(elsewhere),
            "a notification of the burn-rate alert",
            timeout=30,
        )
        assert not running.has_notified(burning), (
            f"its cause should inhibit the burn-rate alert of {burning['service']}"
        )


def test_the_next_incident_of_a_cause_waits_for_its_group_at_most_half_a_minute() -> None:
    """Its group still exists: Prometheus resends the last incident as resolved for a quarter of an hour."""
    route = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())["route"]
    of_teams = [child for team in route["routes"] for child in team.get("routes", [])]
    assert {child["receiver"] for child in of_teams} >= {"platform-page", "platform-ticket"}
    assert not [
        (child["matchers"], child["group_interval"]) for child in of_teams if seconds(child["group_interval"]) > 30
    ]
