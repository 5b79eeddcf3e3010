"""The evidence on an incident's page: cause and paths, budget, charts, traces, log patterns, errors, changes."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import catalogue
import pytest
from backends import elasticsearch, error_store, jaeger, prometheus
from backends.prometheus import Sample, Series
from django.test import Client
from incidents.evidence import cause, changes, charts, errors, journeys, logs, patterns, traces
from incidents.evidence.scene import Scene
from incidents.models import Alert, Episode, Incident

from tests.incidents.conftest import Deliverer, alert, the_incident
from tests.incidents.fakes import Dead, FakeElasticsearch, FakeJaeger, FakePrometheus, span, trace

CATALOGUE = catalogue.load()
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
START = NOON.timestamp()


def an_alert(name: str, service: str, dependency: str = "", *, muted: bool = False, **labels: str) -> Alert:
    return Alert(
        fingerprint=uuid.uuid4().hex[:16],
        name=name,
        service=service,
        dependency=dependency,
        layer=labels.pop("layer", "cause"),
        starts_at=NOON,
        labels={"alertname": name, "service": service, "dependency": dependency, **labels},
        annotations={"summary": f"{name} summary"},
        muted_by=["x"] if muted else [],
    )


def scene(root: str, *alerts: Alert, minutes: float = 10) -> Scene:
    """An incident that began at noon and has ended."""
    ended = NOON + timedelta(minutes=minutes)
    incident = Incident(
        number=7,
        cause=root,
        root_service=root,
        title="t",
        severity="page",
        status="resolved",
        started_at=NOON,
        ended_at=ended,
        resolved_at=ended,
    )
    episode = Episode(incident=incident, title="t", started_at=NOON, ended_at=ended)
    return Scene(incident, (episode,), 1, alerts, CATALOGUE, START + 3600)


# --- the cause


def test_an_alert_about_the_service_itself_names_it_as_the_cause() -> None:
    found = cause.find(scene("payments", an_alert("ServiceDown", "payments")))
    assert found.title == "Payments"
    assert found.reasons[0] == "ServiceDown says so of payments itself."
    assert [way.journey.name for way in found.ways] == ["place-order", "order-mail"]


def test_several_failing_callers_point_to_the_callee() -> None:
    found = cause.find(
        scene(
            "users",
            an_alert("EdgeErrors", "orders", "users"),
            an_alert("EdgeErrors", "notifications", "users", muted=True),
        )
    )
    assert any("orders and notifications all see their calls to users fail" in reason for reason in found.reasons)


def test_one_failing_caller_of_several_may_point_to_the_connection() -> None:
    found = cause.find(scene("users", an_alert("EdgeTimeouts", "orders", "users")))
    assert any("notifications calls it without an alert" in reason for reason in found.reasons)


def test_symptoms_alone_give_no_cause() -> None:
    found = cause.find(
        scene("orders", an_alert("ErrorBudgetBurnsFast", "orders", layer="symptom", journey="place-order"))
    )
    assert any(reason.startswith("Only symptoms fire") for reason in found.reasons)
    assert found.ways[0].alerts[0].name == "ErrorBudgetBurnsFast"


def test_a_cause_outside_of_the_catalogue_is_still_named() -> None:
    found = cause.find(scene("alerting", an_alert("WatchdogSilent", "alerting", layer="telemetry")))
    assert (found.title, found.known, found.ways) == ("alerting", False, ())


def test_the_alert_of_an_edge_is_shown_on_the_path() -> None:
    found = cause.find(scene("card-provider", an_alert("EdgeErrors", "payments", "card-provider")))
    way = found.ways[0]
    assert [[item.name for item in step.alerts] for step in way.steps] == [[], ["EdgeErrors"]]


# --- lost budget


def slo(value: float, journey: str = "place-order", kind: str = "availability") -> Sample:
    return Sample({"journey": journey, "slo": kind, "service": "orders"}, value, START)


def test_the_lost_budget_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    # 1 event/s for 30 days at 99.5 % allows 12,960 bad ones.
    fake = FakePrometheus(
        samples={
            "slo:bad_events:rate1m": [slo(648.0)],
            "slo:events:rate1m": [slo(1296.0)],
            "slo:events:rate3d": [slo(1.0)],
            "slo:error_budget_left:ratio3d": [slo(-2.0)],
        }
    )
    monkeypatch.setattr(prometheus, "client", lambda: fake)
    found = {(loss.journey.name, loss.slo.kind): loss for loss in journeys.losses(scene("payments"))}
    loss = found["place-order", "availability"]
    assert loss.bad_ratio == pytest.approx(0.5)
    assert loss.lost == pytest.approx(0.05)
    assert loss.is_hit
    assert loss.left_words == "used up"
    unknown = found["place-order", "latency"]
    assert (unknown.bad, unknown.lost, unknown.left_words, unknown.is_hit) == (None, None, "–", False)


def test_rates_extrapolated_below_zero_count_as_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePrometheus(samples={"bad_events": [slo(-0.4)], "slo:events:rate1m": [slo(10)], "3d": [slo(math.nan)]})
    monkeypatch.setattr(prometheus, "client", lambda: fake)
    loss = journeys.losses(scene("payments"))[0]
    assert (loss.bad, loss.bad_ratio, loss.lost) == (0.0, 0.0, None)


def test_without_affected_journeys_no_query_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "client", lambda: Dead("prometheus"))
    assert journeys.losses(scene("elasticsearch")) == []


# --- charts


def test_charts_show_the_edges_of_the_cause_around_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {"service": "orders", "dependency": "payments", "outcome": "timeout"}
    points = [(START, 1.0), (START + 5, math.nan), (START + 10, 2.0)]
    fake = FakePrometheus(series={"edge:calls_by_outcome": [Series(labels, points)]})
    monkeypatch.setattr(prometheus, "client", lambda: fake)
    (chart,) = charts.charts(scene("payments"))
    document = json.loads(json.dumps(chart.document(), allow_nan=False))
    assert document["lines"] == [
        {"name": "orders → payments timeout", "points": [[START * 1000, 1.0], [(START + 10) * 1000, 2.0]]}
    ]
    assert document["from"] < START * 1000 < document["to"]
    assert {mark["label"] for mark in document["marks"]} == {"fires", "over"}


def test_malicious_names_do_not_leave_their_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePrometheus()
    monkeypatch.setattr(prometheus, "client", lambda: fake)
    queue = 'q"} or vector(1) #\n\\'
    charts.charts(scene("payments", an_alert("QueueBacklog", "notifications", queue=queue)))
    expression = next(expr for expr in fake.asked if "queue:messages_ready" in expr)
    assert expression == f"queue:messages_ready:sum{{queue={json.dumps(queue)}}}"


def test_lines_beyond_the_limit_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [Series({"status": str(number)}, [(START, float(number))]) for number in range(1, 21)]
    fake = FakePrometheus(series={"service:http_responses": many})
    monkeypatch.setattr(prometheus, "client", lambda: fake)
    (chart,) = charts.charts(scene("payments"))
    assert (len(chart.lines), chart.left_out) == (12, 8)
    assert chart.lines[0][0] == "20", "the largest first"


def test_lines_at_zero_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    flat, high = Series({"status": "500"}, [(START, 0.0)]), Series({"status": "200"}, [(START, 1.0)])
    monkeypatch.setattr(prometheus, "client", lambda: FakePrometheus(series={"service:http_responses": [flat, high]}))
    (chart,) = charts.charts(scene("payments"))
    assert [name for name, _ in chart.lines] == ["200"]
    monkeypatch.setattr(prometheus, "client", lambda: FakePrometheus(series={"service:http_responses": [flat]}))
    (chart,) = charts.charts(scene("payments"))
    assert [name for name, _ in chart.lines] == ["500"], "nothing at all happened, and that is said"


# --- traces


def failed_order(number: int, start: float = 0.0, **tags: Any) -> jaeger.Trace:
    return trace(
        number,
        span("POST api/v1/orders", "orders", start=start, seconds=1.0, error=True),
        span(
            "POST /internal/v1/charges",
            "orders",
            "POST api/v1/orders",
            start=start + 0.2,
            seconds=0.6,
            error=True,
            kind="client",
            **tags,
        ),
    )


def found_traces(monkeypatch: pytest.MonkeyPatch, where: Scene, *known: jaeger.Trace) -> list[traces.Example]:
    monkeypatch.setattr(jaeger, "client", lambda: FakeJaeger(known))
    return traces.examples(where)


@pytest.fixture(autouse=True)
def _calm_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without figures of its own, a test has a Prometheus that has none."""
    monkeypatch.setattr(prometheus, "client", FakePrometheus)


def test_the_path_ends_at_the_span_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = found_traces(monkeypatch, scene("payments"), failed_order(1, error__type="ConnectionRefusedError"))
    assert [line.span.operation for line in example.lines] == ["POST api/v1/orders", "POST /internal/v1/charges"]
    assert [line.is_failing for line in example.lines] == [False, True]
    assert example.failure == "ConnectionRefusedError"
    assert [(line.left, line.width) for line in example.lines] == [(0, 20), (4, 12)]


def test_a_declined_card_is_not_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    declined = failed_order(1, http__response__status_code=402)
    declined = trace(1, declined.spans[0].__class__(**{**fields(declined.spans[0]), "error": False}), declined.spans[1])
    failed = failed_order(2, http__response__status_code=503)
    examples = found_traces(monkeypatch, scene("payments"), declined, failed)
    assert [example.trace.trace_id for example in examples] == [failed.trace_id]


def fields(item: jaeger.Span) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__dataclass_fields__}


def test_each_example_has_a_different_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    same = [failed_order(number, start=number) for number in range(1, 6)]
    other = trace(9, span("GET /x", "payments", error=True, start=50, exception="ValueError"))
    examples = found_traces(monkeypatch, scene("payments"), *same, other)
    assert len(examples) == traces.MOST
    assert {example.failing.operation for example in examples} == {"GET /x", "POST /internal/v1/charges"}
    assert examples[0].failure == "ValueError: why", "what failed in the cause itself comes first"


def test_health_checks_and_requests_of_the_console_are_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = trace(7, span("grpc.health.v1.Health/Watch", "inventory", error=True, error__type="UNIMPLEMENTED"))
    ready = trace(8, span("GET readyz", "inventory", error=True))
    own = trace(
        9, span("GET incidents", "console", error=True), span("GET x", "inventory", "GET incidents", error=True)
    )
    assert found_traces(monkeypatch, scene("inventory"), watch, ready, own) == []


def rising(at: float) -> Series:
    """A rate of failures that is zero until a time, in seconds from the start of the incident."""
    labels = {"service": "orders", "dependency": "payments"}
    return Series(labels, [(START + second, float(second >= at)) for second in range(-120, 1, 5)])


def test_failures_before_the_fault_are_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    before, during = failed_order(1, start=-90), failed_order(2, start=-38)
    monkeypatch.setattr(prometheus, "client", lambda: FakePrometheus(series={"edge:calls": [rising(-35)]}))
    examples = found_traces(monkeypatch, scene("payments"), before, during)
    assert [example.trace.trace_id for example in examples] == [during.trace_id]


@pytest.mark.parametrize("client", [FakePrometheus(), Dead("prometheus")])
def test_without_figures_examples_are_searched_from_two_minutes_before_the_alert(
    monkeypatch: pytest.MonkeyPatch, client: Any
) -> None:
    fake = FakeJaeger()
    monkeypatch.setattr(prometheus, "client", lambda: client)
    monkeypatch.setattr(jaeger, "client", lambda: fake)
    traces.examples(scene("payments"))
    assert {query.start for query in fake.asked} == {START - 120}


def test_evidence_of_an_episode_begins_after_the_episode_before() -> None:
    first = scene("payments").episode
    again = Episode(
        incident=first.incident,
        title="again",
        started_at=NOON + timedelta(minutes=10, seconds=30),
        ended_at=NOON + timedelta(minutes=15),
    )
    second = Scene(first.incident, (first, again), 2, (), CATALOGUE, START + 3600)
    assert second.start == START + 630
    assert second.onset == START + 600
    assert second.end == START + 900


def test_unrelated_failures_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    unrelated = trace(3, span("consume", "notifications", error=True))
    examples = found_traces(monkeypatch, scene("payments"), failed_order(1), unrelated)
    assert [example.trace.trace_id for example in examples] == [f"{1:032x}"]


def test_without_failures_the_slowest_traces_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = trace(
        4,
        span("POST api/v1/orders", "orders", seconds=3.0),
        span("SELECT stock", "inventory", "POST api/v1/orders", start=0.1, seconds=2.8),
    )
    (example,) = found_traces(monkeypatch, scene("inventory"), slow)
    assert example.failure == ""
    assert example.failing.operation == "SELECT stock", "the span with most time of its own"


def test_finding_no_trace_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found_traces(monkeypatch, scene("payments")) == []


# --- log patterns


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("order 4dc2a9d1-3a4f-4c3e-9f5e-1c2d3e4f5a6b took 12.5 ms", "order <UUID> took <NUM> ms"),
        ("connect to 127.0.0.1:5432 failed", "connect to <ADDRESS> failed"),
        ("trace 4bf92f3577b34da6a3ce929d0e0e4736", "trace <HEX>"),
        ("at 2026-11-22T13:31:51.383Z", "at <TIME>"),
        ("retry in 250ms, attempt 3", "retry in <NUM>ms, attempt <NUM>"),
        ("POST api/v1/orders", "POST api/v1/orders"),
        ("no figures", "no figures"),
    ],
)
def test_identifiers_and_numbers_are_masked(text: str, masked: str) -> None:
    assert patterns.mask(text) == masked


def test_texts_that_differ_in_numbers_are_one_pattern() -> None:
    texts = [patterns.Text("g", f"Order {uuid.uuid4()} failed after {number} ms", number >= 3) for number in range(10)]
    (found,) = patterns.find(texts)
    assert (found.before, found.after, found.is_new) == (3, 7, False)
    assert found.example == 3, "the first one from after"
    assert found.template == "Order <UUID> failed after <NUM> ms"


def test_only_texts_of_one_group_are_compared() -> None:
    texts = [patterns.Text("orders", "Down", False), patterns.Text("users", "Down", True)]
    assert [found.is_new for found in patterns.find(texts)] == [False, True]


@pytest.mark.parametrize(
    ("before", "after", "grew"), [(10, 20, True), (10, 19, False), (1, 3, False), (1, 6, True), (0, 50, False)]
)
def test_growth_requires_the_factor_and_more_than_a_few_texts(before: int, after: int, grew: bool) -> None:
    assert patterns.Pattern("g", "t", before, after, 0).grew(600, 600, 2.0) is grew


def test_growth_compares_rates() -> None:
    assert patterns.Pattern("g", "t", 20, 20, 0).grew(600, 200, 2.0), "a third of the time"


def line(seconds: float, message: str, level: str = "error", service: str = "orders", **more: Any) -> tuple[float, Any]:
    return START + seconds, {"message": message, "log.level": level, "service.name": service, **more}


def compared(monkeypatch: pytest.MonkeyPatch, where: Scene, lines: Sequence[tuple[float, Any]]) -> logs.Comparison:
    monkeypatch.setattr(elasticsearch, "client", lambda: FakeElasticsearch(lines))
    return logs.compare(where)


def test_new_patterns_are_listed_first_and_normal_ones_are_omitted(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = [line(second, "Order placed", "info") for second in range(-700, 500, 10)]
    grew = [line(second, f"Timeout after {second} ms", "warning") for second in (-300, *range(-100, 100, 10))]
    new = [line(second, "Card provider unreachable", trace__id="x") for second in (0, 1, 2)]
    comparison = compared(monkeypatch, scene("payments"), [*usual, *grew, *new])
    assert [(found.template, found.before, found.after, found.is_new) for found in comparison.patterns] == [
        ("Card provider unreachable", 0, 3, True),
        ("Timeout after <NUM> ms", 1, 20, False),
    ]
    assert (
        comparison.patterns[0].query
        == 'service.name:"orders" and log.level:"error" and message:"Card provider unreachable"'
    )


def test_the_text_of_a_pattern_cannot_break_its_search(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = compared(monkeypatch, scene("payments"), [line(0, 'it said "x" or *:* \\')])
    assert comparison.patterns[0].query.endswith('message:"it said \\"x\\" or *:* \\\\"')


def test_lines_beyond_the_limit_are_reported_and_rates_use_the_covered_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_LINES", 50)
    lines = [line(-100 + second, f"n {second}") for second in range(100)]
    comparison = compared(monkeypatch, scene("payments"), lines)
    assert (comparison.looked_at, comparison.left_out) == (50, 50)
    assert comparison.after_seconds == pytest.approx(69)


def test_only_affected_services_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeElasticsearch()
    monkeypatch.setattr(elasticsearch, "client", lambda: fake)
    logs.compare(scene("users"))
    assert fake.asked[0]["bool"]["filter"] == [
        {"terms": {"service.name": ["users", "orders", "payments", "notifications"]}}
    ]


# --- errors


def a_group(title: str, before: int, after: int) -> dict[str, Any]:
    """A bucket as Elasticsearch returns it."""
    source = {
        "@timestamp": "2026-11-22T12:00:00.500+00:00",
        "event": {"id": "e1"},
        "error": {"type": "OldError", "grouping_name": title, "culprit": "m in f", "grouping_key": "k"},
        "service": {"name": "orders", "node": {"name": "orders-relay"}},
        "trace": {"id": "t1"},
    }
    return {
        "doc_count": before + after,
        "after": {"doc_count": after},
        "latest": {"hits": {"hits": [{"_source": source}]}},
    }


def test_groups_of_errors_since_the_fault_are_found_and_new_ones_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    buckets = [a_group("OldError: 8 left", 1, 2), a_group("PastError", 3, 0), a_group("NewError: x", 0, 1)]

    class Fake:
        def logs(self, query: Any, **options: Any) -> dict[str, Any]:
            asked.append((query, options))
            return {"hits": {"hits": []}, "aggregations": {"groups": {"buckets": buckets}}}

    monkeypatch.setattr(error_store, "client", Fake)
    found = errors.find(scene("payments"))
    assert [(group.latest.title, group.before, group.after) for group in found.groups] == [
        ("NewError: x", 0, 1),
        ("OldError: 8 left", 1, 2),
    ]
    assert found.groups[0].latest.process == "orders-relay"
    ((query, options),) = asked
    assert query["bool"]["filter"] == [{"terms": {"service.name": ["payments", "orders", "notifications"]}}]
    assert options["start"] < START < options["end"]


# --- changes


def started(process: str, seconds: float, version: str = "1") -> Sample:
    service = "orders" if process.startswith("orders") else process
    return Sample({"service": service, "process": process, "version": version}, START + seconds, START)


def test_starts_distinguish_deploys_from_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [
        started("orders", -100_000, "1"),
        started("orders", -60, "2"),
        started("users", -30),
        started("inventory", -4000),
    ]
    monkeypatch.setattr(prometheus, "client", lambda: FakePrometheus(samples={"process_start_time": samples}))
    found = changes.starts(scene("payments"))
    assert [(start.process, start.is_deploy, start.concerns) for start in found] == [
        ("users", False, False),
        ("orders", True, True),
    ]


def test_marks_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {
        "@timestamp": NOON.isoformat(),
        "message": "payments-killed: injected",
        "event": {"category": "drill", "action": "injected"},
    }
    monkeypatch.setattr(
        elasticsearch, "client", lambda: FakeElasticsearch([(START, fields), (START, {"message": "?"})])
    )
    (mark,) = changes.marks(scene("payments"))
    assert (mark.at, mark.kind, mark.action, mark.message) == (START, "drill", "injected", "payments-killed: injected")


# --- the fragments

FRAGMENTS = {
    "journeys": "prometheus",
    "charts": "prometheus",
    "traces": "jaeger",
    "logs": "elasticsearch",
    "errors": "elasticsearch",
    "starts": "prometheus",
    "marks": "elasticsearch",
}


@pytest.mark.parametrize(("part", "backend"), FRAGMENTS.items())
def test_a_backend_that_is_down_is_a_note_in_its_part(
    viewer_client: Client, deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch, part: str, backend: str
) -> None:
    deliverer.send(alert())
    for module in (prometheus, jaeger, elasticsearch, error_store):
        monkeypatch.setattr(module, "client", lambda module=module: Dead(module.NAME))
    response = viewer_client.get(f"/incidents/{the_incident().uid}/evidence/{part}")
    assert response.status_code == 200
    assert f'data-backend-down="{backend}"' in response.content.decode()
    assert viewer_client.get(f"/incidents/{the_incident().uid}/").status_code == 200


@pytest.mark.parametrize("part", FRAGMENTS)
def test_empty_evidence_is_reported(
    viewer_client: Client, deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    deliverer.send(alert())

    for module, empty in ((prometheus, FakePrometheus()), (jaeger, FakeJaeger()), (elasticsearch, FakeElasticsearch())):
        monkeypatch.setattr(module, "client", lambda empty=empty: empty)
    monkeypatch.setattr(error_store, "client", lambda: FakeElasticsearch())
    response = viewer_client.get(f"/incidents/{the_incident().uid}/evidence/{part}")
    assert response.status_code == 200
    assert "data-backend-down" not in response.content.decode()
    assert response.content.strip()


def test_evidence_is_rendered(viewer_client: Client, deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch) -> None:
    deliverer.send(alert(starts_at=NOON))
    uid = the_incident().uid
    monkeypatch.setattr(jaeger, "client", lambda: FakeJaeger([failed_order(1, error__type="<b>Refused</b>")]))
    lines = [line(0, "<i>lost</i> for good", **{"trace.id": "a" * 32})]
    monkeypatch.setattr(elasticsearch, "client", lambda: FakeElasticsearch(lines))
    series = [Series({"service": "orders", "dependency": "payments", "outcome": "</script>"}, [(START, 1.0)])]
    monkeypatch.setattr(prometheus, "client", lambda: FakePrometheus(series={"edge:calls_by": series}))

    def part(name: str) -> str:
        return viewer_client.get(f"/incidents/{uid}/evidence/{name}").content.decode()

    html = part("traces")
    assert "failed here" in html
    assert f"/traces/{1:032x}?span=POST" in html
    assert "<b>Refused" not in html
    html = part("logs")
    assert "&lt;i&gt;lost&lt;/i&gt; for good" in html
    assert f"/traces/{'a' * 32}" in html
    assert html.count("new</span>") == 1
    html = part("charts")
    assert 'data-incident-chart="chart-0"' in html
    assert '</script>"' not in html
