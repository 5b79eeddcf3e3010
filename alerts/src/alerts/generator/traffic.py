"""Traffic that was there and is gone."""

from __future__ import annotations

from catalogue import Catalogue

from alerts.generator.describe import Describer, Subject
from alerts.generator.model import Group
from alerts.generator.services import RESPONSES, USERS_VIEWS
from alerts.generator.thresholds import Thresholds


def alerts(catalogue: Catalogue, describer: Describer, t: Thresholds) -> Group:
    """Compared with the journey's service's own past; below the base line nothing is remarkable."""
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
            summary="Users' requests have stopped coming",
            description="{{ $labels.service }} had {{ $value | humanize }} requests a second ten minutes ago, "
            "and has had none for a "
            "minute. Nothing here need be broken: look at what lies in front.",
            about=Subject("overview", root="front-door"),
        ),
    ]
    return Group("traffic", tuple(rules))
