"""The project's own code has the last word: headers, span names, answers to exceptions, labels of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client, override_settings
from django_telemetry._span import Template, finish
from django_telemetry.instrumentor import MIDDLEWARE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from . import inner
from .harness import Lines, MemoryProcessor, clean_environ, grown

ROOT = Path(__file__).resolve().parent.parent
PATHS = ("/ok", "/boom", "/not-found", "/forbidden", "/stream", "/graphql", "/own-id", "/nowhere")
OWN_HEADERS = {"x-request-id", "traceresponse"}


@pytest.fixture(autouse=True)
def _urls() -> Iterator[None]:
    with override_settings(ROOT_URLCONF="tests.inner"):
        yield


def _client(*middlewares: str) -> Client:
    """A client of a new handler, which loads its middlewares at the first request."""
    with override_settings(MIDDLEWARE=list(middlewares)):
        client = Client(raise_request_exception=False)
        client.handler.load_middleware()
    return client


def _path(middleware: type[inner.Middleware]) -> str:
    return f"{middleware.__module__}.{middleware.__qualname__}"


def test_a_request_id_that_a_view_sets_is_sent(http: Client) -> None:
    assert http.get("/own-id")["X-Request-ID"] == "own-id"
    assert http.get("/ok")["X-Request-ID"] != "own-id"


def test_headers_that_a_middleware_sets_are_sent(spans: MemoryProcessor, lines: Lines) -> None:
    response = _client(MIDDLEWARE, _path(inner.SetsRequestId)).get("/ok")
    assert (response["X-Request-ID"], response["traceresponse"]) == ("own-id", "own-trace")


def test_a_name_and_attributes_that_a_view_sets_on_the_span_stay(http: Client, spans: MemoryProcessor) -> None:
    http.get("/graphql")
    attributes = spans.named("graphql PlaceOrder").attributes
    assert attributes is not None
    assert attributes["http.route"] == "graphql/PlaceOrder"
    assert attributes["http.response.status_code"] == 200
    assert attributes["url.path"] == "/graphql"


def test_a_name_and_attributes_stay_with_the_tracer_of_the_sdk() -> None:
    tracer = TracerProvider().get_tracer("test")
    renamed, untouched = tracer.start_span("GET"), tracer.start_span("GET")
    renamed.update_name("own")
    renamed.set_attribute("http.route", "own")
    template = Template("GET route", {"http.route": "route", "http.request.method": "GET"})
    for span in (renamed, untouched):
        finish(span, template, {}, 2_000, "GET")
    assert (renamed.name, renamed.attributes["http.route"]) == ("own", "own")  # type: ignore[attr-defined]
    assert renamed.attributes["http.request.method"] == "GET"  # type: ignore[attr-defined]
    assert (untouched.name, untouched.attributes["http.route"]) == ("GET route", "route")  # type: ignore[attr-defined]


@pytest.mark.parametrize("sent", [{}, {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}])
def test_a_span_around_the_application_is_the_parent(
    http: Client, spans: MemoryProcessor, sent: dict[str, str]
) -> None:
    outer = SpanContext(0xC0FFEE, 0xBEEF, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    with trace.use_span(NonRecordingSpan(outer)):
        http.get("/ok", headers=sent)
    span = spans.named("GET ok")
    assert span.parent is not None
    assert (span.parent.trace_id, span.parent.span_id) == (outer.trace_id, outer.span_id)
    assert span.context is not None
    assert span.context.trace_id == outer.trace_id


@pytest.mark.parametrize("answering", [inner.AnswersExceptions, inner.AnswersExceptionsWell])
def test_an_exception_that_another_middleware_answers_is_counted(
    spans: MemoryProcessor, lines: Lines, answering: type[inner.Middleware]
) -> None:
    with (
        grown("django_http_exceptions_total_by_type_total", type="RuntimeError"),
        grown("django_http_exceptions_total_by_view_total", view="boom"),
    ):
        _client(MIDDLEWARE, _path(answering)).get("/boom")


def test_a_failure_that_another_middleware_answers_is_on_the_span_and_in_the_access_line(
    spans: MemoryProcessor, lines: Lines
) -> None:
    assert _client(MIDDLEWARE, _path(inner.AnswersExceptions)).get("/boom").status_code == 500
    span = spans.named("GET boom")
    assert span.attributes is not None
    assert span.attributes["error.type"] == "RuntimeError"
    assert [event.name for event in span.events] == ["exception"]
    assert lines.with_message("GET boom 500")["error.type"] == "RuntimeError"


def test_an_exception_that_another_middleware_answers_with_success_fails_nothing(
    spans: MemoryProcessor, lines: Lines
) -> None:
    assert _client(MIDDLEWARE, _path(inner.AnswersExceptionsWell)).get("/boom").status_code == 200
    assert spans.named("GET boom").status.is_ok or spans.named("GET boom").status.is_unset
    assert "error.type" not in lines.with_message("GET boom 200")


@given(st.lists(st.sampled_from(inner.MIDDLEWARES), max_size=4, unique=True), st.sampled_from(PATHS), st.data())
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_order_of_middlewares_answers_as_without_the_library(
    spans: MemoryProcessor, lines: Lines, chosen: list[type[inner.Middleware]], path: str, data: st.DataObject
) -> None:
    names = [_path(middleware) for middleware in chosen]
    position = data.draw(st.integers(0, len(names)), label="position of the library's middleware")
    expected = _client(*names).get(path)
    actual = _client(*names[:position], MIDDLEWARE, *names[position:]).get(path)
    assert actual.status_code == expected.status_code
    assert b"".join(actual) == b"".join(expected)
    own = {name: value for name, value in actual.items() if name.lower() not in OWN_HEADERS or name in expected}
    assert own == dict(expected.items())


# The documented way of adding labels to django-prometheus's families.
LABELLED = """
from django_prometheus.middleware import Metrics, PrometheusAfterMiddleware, PrometheusBeforeMiddleware

NAME = "django_http_requests_total_by_view_transport_method"

class TenantMetrics(Metrics):
    def register_metric(self, metric_cls, name, documentation, labelnames=(), **kwargs):
        if name == NAME:
            labelnames = [*labelnames, "tenant"]
        return super().register_metric(metric_cls, name, documentation, labelnames=labelnames, **kwargs)

class Before(PrometheusBeforeMiddleware):
    metrics_cls = TenantMetrics

class After(PrometheusAfterMiddleware):
    metrics_cls = TenantMetrics

    def label_metric(self, metric, request, response=None, **labels):
        if metric._name == NAME:
            labels["tenant"] = "acme"
        return super().label_metric(metric, request, response=response, **labels)
"""
SERVING = """
from tests import program
program.configure(MIDDLEWARE=["django_telemetry.middleware.TelemetryMiddleware", {before!r}, {after!r}])
program.requests(3)
from prometheus_client import REGISTRY, generate_latest
print(generate_latest(REGISTRY).decode())
"""


@pytest.mark.parametrize("derived", [False, True])
def test_the_middlewares_of_django_prometheus_count_each_request_once_with_their_own_labels(
    tmp_path: Path, derived: bool
) -> None:
    (tmp_path / "labelled.py").write_text(LABELLED)
    package = "django_prometheus.middleware.Prometheus{}Middleware"
    names = ("labelled.Before", "labelled.After") if derived else (package.format("Before"), package.format("After"))
    done = subprocess.run(
        [sys.executable, "-c", SERVING.format(before=names[0], after=names[1])],
        cwd=ROOT,
        env={**clean_environ(), "PYTHONPATH": os.pathsep.join((str(tmp_path), *sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    family = "django_http_requests_total_by_view_transport_method_total"
    assert "django_http_requests_before_middlewares_total 3.0" in done.stdout
    tenant = 'tenant="acme",' if derived else ""
    assert f'{family}{{method="GET",{tenant}transport="http",view="ok"}} 3.0' in done.stdout
