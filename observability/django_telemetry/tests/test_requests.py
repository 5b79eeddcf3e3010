"""The span, metrics and access line of one request."""

from __future__ import annotations

import re

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from django_telemetry import middleware
from django_telemetry.conf import load
from django_telemetry.deadlines import current_deadline
from opentelemetry.trace import SpanKind, StatusCode

from .harness import Lines, MemoryProcessor, grown, sample, tracing_with

TOKEN = {"Authorization": "Bearer orders-token-0123456789"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def test_a_request_creates_one_server_span_named_after_its_route(http: Client, spans: MemoryProcessor) -> None:
    http.get("/api/v1/orders/11111111-2222-4333-8444-555555555555?secret=1", headers={"Host": "testserver:81"})
    span = spans.only()
    assert span.name == "GET api/v1/orders/<uuid:order_id>"
    assert span.kind is SpanKind.SERVER
    assert span.parent is None
    attributes = dict(span.attributes or {})
    assert attributes["http.request.method"] == "GET"
    assert attributes["http.route"] == "api/v1/orders/<uuid:order_id>"
    assert attributes["url.path"] == "/api/v1/orders/11111111-2222-4333-8444-555555555555"
    assert attributes["http.response.status_code"] == 200
    assert (attributes["server.address"], attributes["server.port"]) == ("testserver", 81)
    assert span.status.status_code is StatusCode.UNSET


def test_the_response_names_its_request_and_its_trace(http: Client, spans: MemoryProcessor) -> None:
    response = http.get("/ok")
    context = spans.only().context
    assert context is not None
    assert re.fullmatch(r"[0-9a-f-]{36}", response.headers["X-Request-ID"])
    assert response.headers["traceresponse"].startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")
    assert int(response.headers["traceresponse"][-2:], 16) & 1 == 1


def test_the_access_line_is_written_inside_the_span(http: Client, spans: MemoryProcessor, lines: Lines) -> None:
    response = http.get("/ok")
    line = lines.with_message("GET ok 200")
    context = spans.only().context
    assert context is not None
    assert line["trace.id"] == f"{context.trace_id:032x}"
    assert line["span.id"] == f"{context.span_id:016x}"
    assert line["trace.sampled"] is True
    assert line["request.id"] == response.headers["X-Request-ID"]
    assert line["http.response.status_code"] == 200
    assert line["http.response.body.bytes"] == 2
    assert line["event.duration"] > 0
    assert re.fullmatch(r"[0-9a-f]{32}", line["event.id"])
    assert line["log.level"] == "info"


def test_log_lines_of_the_view_have_the_same_ids(http: Client, lines: Lines) -> None:
    answer = http.get("/ids").json()
    line = lines.with_message("in view")
    assert [line["trace.id"], line["span.id"]] == answer["trace"]
    assert line["request.id"] == answer["request_id"] == answer["x-request-id"]
    assert line["order.id"] == "o-1"
    assert line["labels.attempt"] == "3"


@pytest.mark.parametrize("given", ["abc", "A" * 128, "a.b_c-D9"])
def test_a_valid_request_id_is_kept(http: Client, given: str) -> None:
    assert http.get("/ok", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["A" * 129, "a b", "a\nb", "ä", "<script>", "a/b", ""])
def test_an_invalid_request_id_is_replaced(http: Client, given: str) -> None:
    returned = http.get("/ok", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert returned != given
    assert re.fullmatch(r"[0-9a-f-]{36}", returned)


def test_a_caller_with_a_service_token_continues_its_trace(http: Client, spans: MemoryProcessor) -> None:
    http.get("/ok", headers={"traceparent": f"00-{TRACE}-{SPAN}-01", **TOKEN})
    span = spans.only()
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == SPAN


@pytest.mark.parametrize("credential", [{}, {"Authorization": "Bearer wrong-token-0123456789"}])
def test_a_public_caller_starts_a_new_trace_that_links_to_its_own(
    http: Client, spans: MemoryProcessor, credential: dict[str, str]
) -> None:
    http.get("/ok", headers={"traceparent": f"00-{TRACE}-{SPAN}-01", **credential})
    span = spans.only()
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" != TRACE
    assert span.parent is None
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [TRACE]


def test_a_public_caller_cannot_force_sampling(lines: Lines) -> None:
    with tracing_with(sampler="parentbased_traceidratio", sampler_ratio=0.0) as spans:
        client = Client()
        client.get("/ok", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
        assert spans.spans == []
        client.get("/ok", headers={"traceparent": f"00-{TRACE}-{SPAN}-01", **TOKEN})
        assert len(spans.spans) == 1


@pytest.mark.parametrize(
    "given",
    [
        "",
        "nonsense",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-extra",
        f"00-{TRACE}-{SPAN}",
    ],
)
def test_a_malformed_traceparent_starts_a_new_trace(http: Client, spans: MemoryProcessor, given: str) -> None:
    response = http.get("/ok", headers={"traceparent": given, **TOKEN})
    assert response.status_code == 200
    span = spans.only()
    assert span.parent is None
    assert span.links == ()


def test_an_exception_is_recorded_once_and_answered_with_500(
    http: Client, spans: MemoryProcessor, lines: Lines
) -> None:
    with grown("django_http_exceptions_total_by_type_total", type="RuntimeError"):
        response = http.get("/boom?who=me")
    assert response.status_code == 500
    span = spans.only()
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {})["error.type"] == "RuntimeError"
    (event,) = span.events
    assert dict(event.attributes or {})["exception.type"] == "RuntimeError"
    line = lines.with_message("Internal Server Error: /boom")
    assert line["error.type"] == "RuntimeError"
    assert "in boom" in line["error.stack_trace"]


def test_log_lines_of_django_after_the_last_middleware_have_the_ids_of_the_trace(
    http: Client, spans: MemoryProcessor, lines: Lines
) -> None:
    response = http.get("/status/503")
    (line,) = (line for line in lines.documents() if line["log.logger"] == "django.request")
    context = spans.only().context
    assert context is not None
    assert line["trace.id"] == f"{context.trace_id:032x}"
    assert line["span.id"] == f"{context.span_id:016x}"
    assert line["request.id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize(("path", "code"), [("/not-found", 404), ("/forbidden", 403), ("/suspicious", 400)])
def test_a_client_error_is_not_a_server_error(http: Client, spans: MemoryProcessor, path: str, code: int) -> None:
    assert http.get(path).status_code == code
    span = spans.only()
    assert span.status.status_code is StatusCode.UNSET
    assert span.events == ()


def test_an_invalid_host_still_has_a_span_and_metrics(http: Client, spans: MemoryProcessor, lines: Lines) -> None:
    with grown("django_http_responses_total_by_status_total", status="400"):
        response = http.get("/ok", headers={"Host": "evil.example"})
    assert response.status_code == 400
    span = spans.only()
    assert dict(span.attributes or {})["http.response.status_code"] == 400
    assert "server.address" not in (span.attributes or {})
    assert not any(b"evil.example" in line for line in lines.raw)


@pytest.mark.parametrize("given", ["-1", "abc", "1e9", "", "٣", "9" * 40, " 5"])
def test_a_malformed_content_length_does_not_cause_a_500(http: Client, spans: MemoryProcessor, given: str) -> None:
    response = http.generic("POST", "/ok", b"", CONTENT_LENGTH=given)
    assert response.status_code == 200
    assert len(spans.spans) == 1


def test_methods_outside_the_closed_list_share_one_label(http: Client, spans: MemoryProcessor, lines: Lines) -> None:
    with grown("django_http_requests_total_by_method_total", 2, method="<invalid method>"):
        http.generic("BREW", "/ok")
        http.generic("SECRET123", "/ok")
    assert [span.name for span in spans.spans] == ["HTTP", "HTTP"]
    assert not any(b"SECRET123" in line for line in lines.raw)


def test_an_unmatched_path_is_not_recorded(http: Client, spans: MemoryProcessor, lines: Lines) -> None:
    assert http.get("/ok/typed-by-a-client").status_code == 404
    span = spans.only()
    assert span.name == "GET"
    assert dict(span.attributes or {})["url.path"] == "/ok/*"
    assert not any(b"typed-by-a-client" in line for line in lines.raw)


def test_the_latency_histogram_has_an_exemplar_of_a_sampled_trace(http: Client, spans: MemoryProcessor) -> None:
    from prometheus_client import REGISTRY
    from prometheus_client.openmetrics.exposition import generate_latest

    http.get("/ok")
    context = spans.only().context
    assert context is not None
    text = generate_latest(REGISTRY).decode()
    wanted = f'trace_id="{context.trace_id:032x}"'
    families = {line.split("_bucket")[0] for line in text.splitlines() if wanted in line}
    assert "django_http_requests_latency_seconds_by_view_method" in families
    assert "django_http_requests_latency_including_middlewares_seconds" in families


def test_an_unsampled_trace_leaves_no_exemplar(lines: Lines) -> None:
    from prometheus_client import REGISTRY
    from prometheus_client.openmetrics.exposition import generate_latest

    with tracing_with(sampler="always_off") as spans:
        response = Client().get("/ok")
    assert spans.spans == []
    trace_id = response.headers["traceresponse"].split("-")[1]
    assert trace_id not in generate_latest(REGISTRY).decode()
    line = lines.with_message("GET ok 200")
    assert line["trace.id"] == trace_id
    assert line["trace.sampled"] is False


@pytest.mark.django_db  # closing a response closes old connections
def test_a_streaming_response_ends_its_span_when_it_is_closed(
    http: Client, spans: MemoryProcessor, lines: Lines
) -> None:
    response = http.get("/stream")
    assert spans.spans == []
    parts = iter(response.streaming_content)  # type: ignore[attr-defined]
    assert next(parts) == b"one "
    assert spans.spans == [], "the span ended before the body was sent"
    assert list(parts) == [b"two"]
    response.close()
    span = spans.only()
    assert span.name == "GET stream"
    assert span.context is not None
    assert lines.with_message("first part")["trace.id"] == f"{span.context.trace_id:032x}"
    assert lines.with_message("GET stream 200")["trace.id"] == f"{span.context.trace_id:032x}"


@pytest.mark.django_db  # closing a response closes old connections
def test_no_context_remains_after_a_request(http: Client) -> None:
    from django_telemetry.context import request_id, trace_ids

    http.get("/ok")
    http.get("/boom")
    http.get("/stream").close()
    assert request_id() is None
    assert trace_ids() is None
    assert current_deadline() is None


def test_an_async_view_has_the_same_signals(ahttp: AsyncClient, spans: MemoryProcessor, lines: Lines) -> None:
    response = async_to_sync(ahttp.get)("/async")
    assert response.status_code == 200
    span = spans.only()
    assert span.name == "GET async"
    assert span.context is not None
    trace_id = f"{span.context.trace_id:032x}"
    assert lines.with_message("in async view")["trace.id"] == trace_id
    assert lines.with_message("GET async 200")["trace.id"] == trace_id


def test_an_async_exception_is_recorded(ahttp: AsyncClient, spans: MemoryProcessor) -> None:
    response = async_to_sync(ahttp.get)("/async-boom")
    assert response.status_code == 500
    span = spans.only()
    assert [dict(event.attributes or {})["exception.message"] for event in span.events] == ["async boom"]


@pytest.mark.django_db  # closing a response closes old connections
def test_an_async_stream_ends_its_span_when_it_is_closed(
    ahttp: AsyncClient, spans: MemoryProcessor, lines: Lines
) -> None:
    async def read() -> bytes:
        response = await ahttp.get("/async-stream")
        assert spans.spans == []
        parts = [part async for part in response.streaming_content]  # type: ignore[attr-defined]
        response.close()
        return b"".join(parts)

    assert async_to_sync(read)() == b"one two"
    span = spans.only()
    assert span.context is not None
    assert lines.with_message("first part")["trace.id"] == f"{span.context.trace_id:032x}"


@pytest.mark.django_db  # closing a response closes old connections
def test_a_stream_that_raises_is_a_failure(http: Client, spans: MemoryProcessor, lines: Lines) -> None:
    response = http.get("/broken-stream?who=planted-name")
    with pytest.raises(RuntimeError):
        list(response.streaming_content)  # type: ignore[attr-defined]
    response.close()
    _check_broken_stream(spans, lines)


def test_an_async_stream_that_raises_is_a_failure(ahttp: AsyncClient, spans: MemoryProcessor, lines: Lines) -> None:
    async def read() -> None:
        response = await ahttp.get("/async-broken-stream?who=planted-name")
        with pytest.raises(RuntimeError):
            [part async for part in response.streaming_content]  # type: ignore[attr-defined]
        response.close()

    async_to_sync(read)()
    _check_broken_stream(spans, lines)


def _check_broken_stream(spans: MemoryProcessor, lines: Lines) -> None:
    span = spans.only()
    assert span.context is not None
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {})["error.type"] == "RuntimeError"
    assert [dict(event.attributes or {})["exception.message"] for event in span.events] == ["broken off for [redacted]"]
    (line,) = (each for each in lines.documents() if each["log.level"] == "error")
    assert line["trace.id"] == f"{span.context.trace_id:032x}"
    assert line["error.message"] == "broken off for [redacted]"


def test_the_deadline_header_limits_the_work(http: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from . import urls

    seen: list[float] = []

    def note(*_: object, **__: object) -> None:
        deadline = current_deadline()
        assert deadline is not None
        seen.append(deadline.remaining())

    monkeypatch.setattr(urls.logger, "info", note)
    for header in (
        {"X-Request-Deadline-Ms": "250"},
        {"X-Request-Deadline-Ms": "999999"},
        {"X-Request-Deadline-Ms": "x"},
        {},
    ):
        http.get("/ids", headers=header)
    assert 0 < seen[0] <= 0.25
    assert all(9 < left <= 10 for left in seen[1:]), seen


def test_views_without_a_name_and_templates_count_as_in_django_prometheus(http: Client) -> None:
    before = sample("django_http_responses_total_by_templatename_total", templatename="page.html")
    http.get("/page")
    assert sample("django_http_responses_total_by_templatename_total", templatename="page.html") == before + 1


@pytest.mark.parametrize("patterns", ["ok$", "boom,testserver/ok"])
def test_an_excluded_url_has_no_span_and_no_access_line_and_is_counted(
    spans: MemoryProcessor, lines: Lines, monkeypatch: pytest.MonkeyPatch, patterns: str
) -> None:
    config = load({"OTEL_PYTHON_EXCLUDED_URLS": patterns})
    monkeypatch.setattr(middleware, "get_config", lambda: config)
    client = Client(raise_request_exception=False)
    with grown("django_http_requests_before_middlewares_total", 2):
        excluded, other = client.get("/ok?x=boom"), client.get("/go")
    assert (excluded.status_code, other.status_code) == (200, 302)
    assert excluded["X-Request-ID"]
    assert [span.name for span in spans.spans] == ["GET go"]
    assert [line["message"] for line in lines.documents()] == ["GET go 302"]
