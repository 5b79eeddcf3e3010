from __future__ import annotations

import json
from dataclasses import replace

from load.report import FAILURES_KEPT, SLOWEST_KEPT, EndpointFigures, Recorder, Sample, Summary, render

FIGURES = EndpointFigures("all", 200, 3, 20.0, 10, 50, 90, 120)


def summary_of(recorder: Recorder) -> Summary:
    return Summary(
        shape="steady",
        users=2,
        started_at="2026-01-01T00:00:00+00:00",
        seconds=10,
        interrupted=False,
        total=FIGURES,
        endpoints=(replace(FIGURES, endpoint="GET inventory /api/v1/products"),),
        faults=recorder.faults,
        slowest=recorder.slowest,
        failed=recorder.failed,
    )


def link(trace_id: str) -> str:
    return f"http://jaeger/{trace_id}"


def test_only_the_slowest_are_kept_in_order() -> None:
    recorder = Recorder()
    for milliseconds in (5, 900, 30, 30, 1, 700, 800, 2, 600, 3):
        recorder.add(Sample("GET x", milliseconds, None))
    assert [sample.milliseconds for sample in recorder.slowest] == [900, 800, 700, 600, 30]
    assert len(recorder.slowest) == SLOWEST_KEPT


def test_all_failures_are_counted_but_few_are_kept() -> None:
    recorder = Recorder()
    for _ in range(FAILURES_KEPT + 5):
        recorder.add(Sample("GET x", 1, None, "expected 200, got 500"))
    recorder.add(Sample("GET y", 1, None, "expected 200, got 404"))
    assert len(recorder.failed) == FAILURES_KEPT
    assert recorder.faults == {
        "GET x: expected 200, got 500": FAILURES_KEPT + 5,
        "GET y: expected 200, got 404": 1,
    }


def test_the_report_links_to_the_traces() -> None:
    recorder = Recorder()
    recorder.add(Sample("POST orders /api/v1/orders", 950, "a" * 32, "expected 201, got 503"))
    recorder.add(Sample("GET users /api/v1/users/me", 400, None, "no answer: TimeoutError"))
    text = render(summary_of(recorder), link)
    assert f"http://jaeger/{'a' * 32}" in text
    assert "expected 201, got 503" in text
    assert "no trace: nothing answered" in text
    assert "1.50%" in text
    assert "and 1 more" in text
    document = json.loads(json.dumps(summary_of(recorder).as_json(link)))
    assert document["slowest"][0]["trace_url"] == f"http://jaeger/{'a' * 32}"
    assert document["failed"][1]["trace_url"] is None
    assert document["endpoints"][0]["p95"] == 50


def test_a_run_without_requests_is_a_failure() -> None:
    nothing = replace(summary_of(Recorder()), total=replace(FIGURES, requests=0, failures=0))
    assert nothing.failure_ratio == 1.0
