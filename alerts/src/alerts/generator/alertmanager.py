"""alertmanager.yml: routes, receivers, and inhibition along the catalogue's graph."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from catalogue import Catalogue, graph

from alerts.generator.model import HEADER, dump
from alerts.generator.telemetry import JUST_STARTED, WATCHDOG

# A service that is unavailable: the cause of most other alerts of the same service.
SERVICE_UNAVAILABLE = ("ServiceDown", "ServiceNotAnswering", "ServiceRestarting")
# Cause alerts of a service that may be a consequence of something more specific.
ECHOES = (
    "ServiceErrors",
    "ServiceSlow",
    "ServiceSaturated",
    "GrpcServerErrors",
    "TokensRejected",
    "EdgeDeadlinesSpent",
)
SPECIFIC = ("ServiceVersionRegression", "ServiceSaturated", "ServiceMemoryHigh")
# Alerts about a database that explain slow and failing statements.
DATABASE_CAUSES = ("DatabaseLocks", "DatabaseConnections")
# Alerts that something is down entirely.
DOWN = (
    "ServiceDown",
    "WorkerDown",
    "PostgresDown",
    "BrokerDown",
    "EdgeProxyDown",
    "ScrapingBroken",
    "ScrapeFailing",
    "ErrorReceiverDown",
    "ElasticsearchDown",
    "JaegerDown",
)
# An alert group outlives its last alert by a quarter of an hour, in which Prometheus resends it as resolved. The next
# incident with the same cause joins the group and waits for its next flush: at most this long, in addition to the
# rule's own `for`.
TICKET_INTERVAL = "30s"
# Only a page may inhibit other alerts.
PAGE_CAUSE = ('layer="cause"', 'severity="page"')


def configuration(catalogue: Catalogue, receivers: Receivers | None = None) -> str:
    """The text of alertmanager.yml. Without `receivers`, only the watchdog is notified."""
    return HEADER + dump(document(catalogue, receivers or Receivers()))


class Receivers:
    """Notification receivers, configured by the environment. Secrets stay in files, which Alertmanager reads itself.

    CONSOLE_WEBHOOK_URL and CONSOLE_WEBHOOK_TOKEN_FILE, ALERT_WEBHOOK_URL and ALERT_WEBHOOK_TOKEN_FILE, WATCHDOG_URL,
    ALERT_EMAIL_TO with ALERT_EMAIL_FROM, ALERT_SMTP_HOST (host:port), ALERT_SMTP_USER and ALERT_SMTP_PASSWORD_FILE,
    SLACK_WEBHOOK_URL_FILE with SLACK_CHANNEL, PAGERDUTY_ROUTING_KEY_FILE.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = environ or {}
        self.watchdog = self._environ.get("WATCHDOG_URL", "http://127.0.0.1:9095")

    @classmethod
    def from_environment(cls) -> Receivers:
        """The receivers that this process's environment configures."""
        return cls(os.environ)

    def webhooks(self) -> list[dict[str, Any]]:
        """The watchdog's webhook, and those of the console and of one more receiver if they are configured."""
        hooks: list[dict[str, Any]] = [{"url": f"{self.watchdog}/notifications", "send_resolved": True}]
        for name in ("CONSOLE_WEBHOOK", "ALERT_WEBHOOK"):
            if url := self._environ.get(f"{name}_URL"):
                hook: dict[str, Any] = {"url": url, "send_resolved": True}
                if token := self._environ.get(f"{name}_TOKEN_FILE"):
                    hook["http_config"] = {"authorization": {"type": "Bearer", "credentials_file": token}}
                hooks.append(hook)
        return hooks

    def email(self) -> list[dict[str, Any]]:
        """E-mail, if ALERT_EMAIL_TO is set."""
        if not (to := self._environ.get("ALERT_EMAIL_TO")):
            return []
        entry: dict[str, Any] = {
            "to": to,
            "from": self._environ.get("ALERT_EMAIL_FROM", "alerts@localhost"),
            "smarthost": self._environ.get("ALERT_SMTP_HOST", "127.0.0.1:25"),
            "send_resolved": True,
            "headers": {"Subject": '{{ template "incident.title" . }}'},
            "html": "",
            "text": '{{ template "incident.text" . }}',
        }
        if user := self._environ.get("ALERT_SMTP_USER"):
            entry |= {"auth_username": user, "auth_password_file": self._environ["ALERT_SMTP_PASSWORD_FILE"]}
        else:
            entry["require_tls"] = False
        return [entry]

    def slack(self) -> list[dict[str, Any]]:
        """Slack, if SLACK_WEBHOOK_URL_FILE is set."""
        if not (file := self._environ.get("SLACK_WEBHOOK_URL_FILE")):
            return []
        return [
            {
                "api_url_file": file,
                "channel": self._environ.get("SLACK_CHANNEL", "#incidents"),
                "send_resolved": True,
                "title": '{{ template "incident.title" . }}',
                "text": '{{ template "incident.text" . }}',
            }
        ]

    def pagerduty(self) -> list[dict[str, Any]]:
        """PagerDuty, if PAGERDUTY_ROUTING_KEY_FILE is set."""
        if not (file := self._environ.get("PAGERDUTY_ROUTING_KEY_FILE")):
            return []
        return [
            {
                "routing_key_file": file,
                "send_resolved": True,
                "severity": "critical",
                "description": '{{ template "incident.title" . }}',
                "details": {"incident": '{{ template "incident.text" . }}'},
            }
        ]


def document(catalogue: Catalogue, receivers: Receivers) -> dict[str, Any]:
    """The content of alertmanager.yml: routes, receivers and inhibitions."""
    teams = graph.teams(catalogue)
    page, ticket = {"webhook_configs": receivers.webhooks()}, {"webhook_configs": receivers.webhooks()}
    for key, entries in (("email_configs", receivers.email()), ("slack_configs", receivers.slack())):
        if entries:
            page[key] = entries
            ticket[key] = entries
    if pager := receivers.pagerduty():
        page["pagerduty_configs"] = pager
    return {
        "templates": ["templates/*.tmpl"],
        "route": {
            "receiver": "platform-ticket",
            "group_by": ["root_service"],
            # Long enough for a cause that fires shortly after its first symptom, short enough to page within a minute
            # of the fault.
            "group_wait": "10s",
            # How late a resolved notification may be.
            "group_interval": "1m",
            "repeat_interval": "4h",
            "routes": [
                {
                    "receiver": "watchdog",
                    "matchers": [f'alertname="{WATCHDOG}"'],
                    "group_by": ["alertname"],
                    "group_wait": "0s",
                    "group_interval": "10s",
                    "repeat_interval": "10s",
                },
                {"receiver": "none", "matchers": ['severity="info"']},
                *(_team_route(team) for team in teams),
            ],
        },
        "receivers": [
            {"name": "none"},
            {
                "name": "watchdog",
                "webhook_configs": [{"url": f"{receivers.watchdog}/heartbeat", "send_resolved": True}],
            },
            *({"name": f"{team}-page", **page} for team in teams),
            *({"name": f"{team}-ticket", **ticket} for team in teams),
        ],
        "time_intervals": [{"name": "weekend", "time_intervals": [{"weekdays": ["saturday", "sunday"]}]}],
        "inhibit_rules": inhibitions(catalogue),
    }


def _team_route(team: str) -> dict[str, Any]:
    return {
        "receiver": f"{team}-ticket",
        "matchers": [f'team="{team}"'],
        "routes": [
            {
                "receiver": f"{team}-page",
                "matchers": ['severity="page"'],
                "group_by": ["root_service"],
                # How late a resolved notification may be.
                "group_interval": "20s",
                # A budget that an earlier incident has nearly spent burns again with the first failures of the next
                # one, before its cause has been notified: most causes fire within 45 s.
                "routes": [{"matchers": ['layer="symptom"'], "group_wait": "45s"}],
            },
            {
                "receiver": f"{team}-ticket",
                "matchers": ['severity="ticket"', 'layer!="telemetry"'],
                "group_by": ["alertname", "root_service"],
                "group_wait": "30s",
                "group_interval": TICKET_INTERVAL,
                "repeat_interval": "24h",
                # An example of a mute time interval: a budget that lasts a month can wait until Monday.
                "routes": [
                    {"matchers": ['alertname="ErrorBudgetJustLasts"'], "mute_time_intervals": ["weekend"]},
                ],
            },
            {
                "receiver": f"{team}-ticket",
                "matchers": ['severity="ticket"', 'layer="telemetry"'],
                "group_by": ["root_service"],
                "group_wait": "15s",
                "group_interval": TICKET_INTERVAL,
                "repeat_interval": "24h",
            },
        ],
    }


def inhibitions(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Inhibitions along the dependency graph, within one service, and by dead telemetry."""
    return [*_along_the_graph(catalogue), *_within_a_service(), *_telemetry(catalogue)]


def _along_the_graph(catalogue: Catalogue) -> list[dict[str, Any]]:
    """For each node, the alerts of its direct and indirect dependents that its failure explains."""
    rules = []
    for name in graph.nodes(catalogue):
        callers = graph.callers_of(catalogue, name)
        affected = graph.affected_by(catalogue, name)
        source = [*PAGE_CAUSE, f'service="{name}"']
        # A service whose worker is down still answers requests.
        answering = [*source, 'alertname!~"Worker.*|Consumer.*|Queue.*|DeadLetters.*|Outbox.*|Events.*"']
        symptoms = "|".join([name, *affected] if name in catalogue.services else affected)
        if symptoms:
            rules.append(_rule(source, ['layer="symptom"', f'service=~"{symptoms}"']))
        # Edges to the node, and edges to its callers.
        targets = "|".join([name, *callers])
        rules.append(_rule(answering, ['layer="cause"', f'dependency=~"{targets}"', f'service!="{name}"']))
        if callers:
            rules.append(
                _rule(
                    answering,
                    [
                        'layer="cause"',
                        'dependency=""',
                        f'service=~"{"|".join(callers)}"',
                        f'alertname=~"{"|".join(ECHOES)}"',
                    ],
                )
            )
        if name not in catalogue.services:
            everything = "|".join(affected)
            # A shared backend explains every other cause alert of the services that depend on it.
            rules.append(
                _rule(
                    [*source, 'dependency=""'], ['layer="cause"', f'service=~"{everything}"', f'root_service!="{name}"']
                )
            )
    proxied = "|".join(dict.fromkeys(edge.callee for edge in catalogue.proxied_edges()))
    proxy = ['alertname="EdgeProxyDown"']
    rules += [
        _rule(proxy, ['layer="cause"', f'dependency=~"{proxied}"']),
        _rule(proxy, [f'alertname=~"{"|".join(ECHOES)}"']),
        _rule(proxy, ['layer="symptom"']),
    ]
    # The page of last resort: any other page explains it.
    rules.append(_rule([*PAGE_CAUSE, 'alertname!="TrafficAbsent"'], ['alertname="TrafficAbsent"']))
    return rules


def _within_a_service() -> list[dict[str, Any]]:
    """Within one service, the specific alert inhibits the general one."""
    same = ["service"]
    edge = ["service", "dependency"]
    unavailable = "|".join(SERVICE_UNAVAILABLE)
    database = "|".join(DATABASE_CAUSES)
    echoes = "|".join(ECHOES)
    return [
        _rule([f'alertname=~"{unavailable}"'], ['layer="cause"', f'alertname!~"{unavailable}|Worker.*"'], same),
        _rule(
            [f'alertname=~"{"|".join(SPECIFIC)}"'],
            [f'alertname=~"{echoes}|Edge.*"', f'alertname!~"{"|".join(SPECIFIC)}"'],
            same,
        ),
        _rule(
            ['alertname=~"Edge.*"', 'severity="page"'],
            [f'alertname=~"{echoes}"', 'alertname!="ServiceSaturated"'],
            same,
        ),
        _rule([f'alertname=~"{database}"'], ['alertname=~"Edge.*|DatabasePoolWaiting"'], edge),
        _rule(['alertname="DatabasePoolWaiting"'], ['alertname=~"Edge.*"'], edge),
        _rule([f'alertname=~"{database}|DatabasePoolWaiting"'], [f'alertname=~"{echoes}"'], same),
        _rule(
            ['alertname=~"EdgeErrors|EdgeTimeouts|EdgeRefused"'], ['alertname=~"EdgeSlow|EdgeRetryAmplification"'], edge
        ),
        _rule(['alertname="EdgeSlow"'], ['alertname="EdgeRetryAmplification"'], edge),
        _rule(['alertname=~"Worker.*"'], ['alertname=~"Consumer.*|Queue.*|Outbox.*|Events.*"'], same),
        _rule(
            ['alertname=~"ConsumerGone|ConsumerStalled|QueueMissing"'],
            ['alertname=~"QueueBacklog|EventsNeverConsumed"'],
            same,
        ),
        _rule(['alertname="ConsumerGone"'], ['alertname="ConsumerStalled"'], ["queue"]),
        # A consumer that waits for a dependency takes no messages meanwhile, or dead-letters them.
        _rule(
            ['alertname=~"Edge.*|Database.*"', 'severity="page"'],
            ['alertname=~"DeadLetters.*|QueueBacklog|ConsumerStalled|EventsNeverConsumed"'],
            same,
        ),
        _rule(['alertname="DeadLettersMany"'], ['alertname="DeadLetters"'], ["queue"]),
        _rule(['alertname="OutboxAge"'], ['alertname="EventsNotPublished"'], same),
        # No equal labels: a contended machine affects all services.
        _rule(
            ['alertname="MachineContended"'],
            ['alertname=~"EdgeSlow|ServiceSlow|ServiceSaturated|EdgeRetryAmplification"'],
        ),
        _rule(['alertname="MachineContended"'], ['layer="symptom"', 'slo=~"latency|delay"']),
        _rule(['alertname="ServiceMemoryHigh"'], ['alertname="ServiceMemoryGrowing"'], same),
        _rule(
            ['alertname="ErrorBudgetBurnsFast"'],
            ['alertname=~"ErrorBudgetBurnsSt.*|ErrorBudgetBurnsSl.*|ErrorBudgetJustLasts"'],
            same,
        ),
        _rule(
            ['alertname="ErrorBudgetBurnsSteadily"'], ['alertname=~"ErrorBudgetBurnsSl.*|ErrorBudgetJustLasts"'], same
        ),
    ]


def _telemetry(catalogue: Catalogue) -> list[dict[str, Any]]:
    """A dead pipeline explains the data missing at its end, and invalidates alerts that are based on that data."""
    services = "|".join(catalogue.services)
    return [
        # Everything starts together: what isn't up yet isn't broken.
        _rule([f'alertname="{JUST_STARTED}"'], [f'alertname=~"{"|".join(DOWN)}"']),
        _rule(['alertname="ScrapingBroken"'], ['layer=~"cause|symptom"']),
        _rule(
            ['alertname="ScrapingBroken"'],
            ['layer="telemetry"', f'alertname!~"ScrapingBroken|{JUST_STARTED}|{WATCHDOG}"'],
        ),
        _rule(
            ['alertname=~"ElasticsearchDown|ElasticsearchReadOnly"'],
            ['alertname=~"ErrorsLost|Jaeger.*|LogLag|LogShipperQueue|LogsNotShipped|SpansMissing|TelemetryLost"'],
        ),
        _rule(['alertname="JaegerDown"'], ['alertname=~"JaegerDropping|SpansMissing|TelemetryLost|ScrapeFailing"']),
        # Jaeger refuses the spans of every service at once.
        _rule(['alertname="JaegerDropping"'], ['alertname=~"SpansMissing|TelemetryLost"', 'signal=~"|traces"']),
        _rule(['alertname="ErrorReceiverDown"'], ['alertname="TelemetryLost"', 'signal="errors"']),
        # Where a service's lines have arrived before, it notices first, and for each service.
        _rule(['alertname="LogLag"'], ['alertname=~"LogShipperQueue|LogsNotShipped"']),
        _rule(['alertname="PostgresDown"'], ['alertname="ScrapeFailing"']),
        _rule(
            ['alertname=~"ServiceDown|ServiceNotAnswering"', f'service=~"{services}"'],
            ['layer="telemetry"', f'service=~"{services}"'],
            ["service"],
        ),
    ]


def _rule(source: list[str], target: list[str], equal: list[str] | None = None) -> dict[str, Any]:
    rule: dict[str, Any] = {"source_matchers": source, "target_matchers": target}
    return rule | ({"equal": equal} if equal else {})
