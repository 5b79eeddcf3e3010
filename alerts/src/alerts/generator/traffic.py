"""The alert on missing user traffic."""

from __future__ import annotations

from catalogue import Catalogue

from alerts.generator.describe import Describer, Subject
from alerts.generator.model import Group
from alerts.generator.services import RESPONSES, USERS_VIEWS
from alerts.generator.thresholds import Thresholds


def alerts(catalogue: Catalogue, describer: Describer, t: Thresholds) -> Group:
    """Compares each journey's service with its own past; traffic below the baseline is ignored."""
    services = "|".join(sorted({journey.service for journey in catalogue.journeys.values() if journey.route}))
    rules = [
        describer.alert(
            "TrafficAbsent",
            f"""
            service:http_requests:rate5m{{service=~"{services}"}} offset 5m
              > {t["traffic_baseline_requests_per_second"]}
            unless on (service) sum by (service) (increase({RESPONSES}{{{USERS_VIEWS}}}[1m])) > 0
            and on (service) count_over_time(up{{job="django"}}[1m])
              >= {t["traffic_scrapes_per_minute"]}
            """,
            lasting="15s",
            layer="cause",
            severity="page",
            summary="User traffic has stopped",
            description="{{ $labels.service }} received {{ $value | humanize }} requests per second five to ten "
            "minutes ago and none in the last minute. The service may be healthy: check upstream first.",
            about=Subject("overview", root="front-door"),
        ),
    ]
    return Group("traffic", tuple(rules))
