"""django-mixin's dashboards work unchanged: the platform has the metrics and labels that their panels query.

Their panels filter by cluster, namespace and job. If a label does not exist, its variable is empty, and an empty
matcher matches series without the label. So the platform needs no cluster or namespace labels.
"""

from __future__ import annotations

import pytest
from backends import Backends
from platform_testing.polling import eventually

pytestmark = pytest.mark.live

FILTER = 'cluster="", namespace="", job=~"django"'
# Their panels exclude requests that matched no URL pattern.
VIEWS = 'view!~"<unnamed view>"'
# Metric, further filters, and the labels by which their panels group or filter.
ASKED = [
    ("django_http_requests_total_by_view_transport_method_total", VIEWS, ("view", "method")),
    ("django_http_responses_total_by_status_view_method_total", VIEWS, ("status", "view", "method")),
    ("django_http_responses_total_by_status_view_method_total", f'{VIEWS}, status=~"2.*"', ("status",)),
    ("django_http_responses_total_by_status_view_method_total", f'{VIEWS}, status=~"4.*"', ("status",)),
    ("django_http_responses_total_by_status_view_method_total", f'{VIEWS}, status=~"5.*"', ("status",)),
    ("django_http_requests_latency_seconds_by_view_method_bucket", VIEWS, ("view", "method", "le")),
    ("django_http_requests_latency_seconds_by_view_method_sum", VIEWS, ("view", "method")),
    ("django_http_requests_latency_seconds_by_view_method_count", VIEWS, ("view", "method")),
    ("django_http_requests_body_total_bytes_bucket", "", ("le",)),
    ("django_http_responses_total_by_templatename_total", 'templatename!~"None"', ("templatename",)),
    ("django_db_execute_total", "", ("alias",)),
    ("django_db_new_connections_total", "", ("vendor",)),
    ("django_db_query_duration_seconds_bucket", "", ("vendor", "le")),
    ("django_cache_get_total", "", ("backend",)),
    ("django_cache_get_hits_total", "", ("backend",)),
    ("django_cache_get_misses_total", "", ("backend",)),
    ("django_migrations_applied_total", "", ("connection",)),
    ("django_migrations_unapplied_total", "", ("connection",)),
    ("django_model_inserts_total", "", ("model",)),
    ("django_model_updates_total", "", ("model",)),
    ("django_model_deletes_total", "", ("model",)),
]


@pytest.mark.parametrize(("metric", "further", "labels"), ASKED, ids=lambda value: str(value))
def test_a_metric_of_a_panel_has_series_with_its_labels(
    metric: str, further: str, labels: tuple[str, ...], faults: None, backends: Backends
) -> None:
    selector = f"{metric}{{{', '.join(filter(None, (FILTER, further)))}}}"
    # New events show after the next scrape.
    series = eventually(
        lambda: backends.series(selector), f"series of {selector}", look_at=f"{backends.prometheus}/graph", timeout=30
    )
    assert set(labels) <= set(series[0]), f"expected labels {labels}, got {sorted(series[0])}"


def test_variables_have_values(backends: Backends) -> None:
    family = "django_http_responses_total_by_status_view_method_total"
    for label in ("job", "view", "method", "status"):
        variable = {"query": {"query": f"label_values({family}{{{FILTER}}}, {label})"}}
        assert backends.values_of(variable, {}), f"{label} would be an empty list"
