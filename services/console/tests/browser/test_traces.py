"""Traces in a browser: those that the running platform stored, and those that the tests push over OTLP."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from platform_testing.polling import eventually
from playwright.sync_api import Page, expect

from tests.browser.conftest import CONSOLE_URL, SCREENSHOTS, NewContext, Visitor

OTLP_URL = os.environ.get("BENCH_OTLP_ENDPOINT", "http://127.0.0.1:4318")
JAEGER_URL = os.environ.get("TEST_JAEGER_URL", "http://127.0.0.1:16686")
INVENTORY_URL = os.environ.get("TEST_INVENTORY_URL", "http://127.0.0.1:8002")
PATIENCE_SECONDS = 60.0
PUSHED_AT_ONCE = 500
SPANS = 5000
# Services used by these tests only, so that no page about the platform's own changes.
SERVICES = ("browser-tests-shop", "browser-tests-stock", "browser-tests-bank")
ERROR = 2


@dataclass
class Pushed:
    """A trace that was pushed."""

    trace_id: str
    span_ids: list[str]


def push(size: int, *, slow: int = 1, fails: bool = True) -> Pushed:
    """Send a trace of `size` spans to Jaeger and wait until all are stored.

    A root with steps, each of which calls another service; the last span but two failed, with its callers. `slow`
    multiplies all durations.
    """
    trace_id = secrets.token_hex(16)
    ids = [secrets.token_hex(8) for _ in range(size)]
    start = time.time_ns() - 60_000_000_000
    step = 2_000_000 * slow
    failed = size - 3 if fails and size > 3 else -1
    failing = {failed, _parent_of(failed), 0} if failed > 0 else set()
    spans: list[tuple[str, dict[str, Any]]] = []
    for number, span_id in enumerate(ids):
        parent = _parent_of(number)
        begin = start if number == 0 else start + (number // 3) * step + (number % 3) * (step // 10)
        end = start + (size // 3 + 2) * step if number == 0 else begin + step - (number % 3) * (step // 5)
        spans.append(
            (
                SERVICES[number % 3],
                {
                    "traceId": trace_id,
                    "spanId": span_id,
                    **({"parentSpanId": ids[parent]} if parent >= 0 else {}),
                    "name": "GET /everything" if number == 0 else f"step {number % 40}",
                    "kind": 2 if number == 0 else 3,
                    "startTimeUnixNano": str(begin),
                    "endTimeUnixNano": str(end),
                    "attributes": [
                        {"key": "step.number", "value": {"intValue": str(number)}},
                        {"key": "http.route", "value": {"stringValue": f"/steps/{number % 40}"}},
                        {"key": "note", "value": {"stringValue": "<img src=x onerror=alert(1)>"}},
                    ],
                    "status": {"code": ERROR, "message": "the bank said no"} if number in failing else {},
                },
            )
        )
    for first in range(0, size, PUSHED_AT_ONCE):
        part = spans[first : first + PUSHED_AT_ONCE]
        resources = [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
                "scopeSpans": [{"spans": [span for name, span in part if name == service]}],
            }
            for service in SERVICES
        ]
        answer = requests.post(f"{OTLP_URL}/v1/traces", json={"resourceSpans": resources}, timeout=30)
        assert answer.ok, f"{OTLP_URL} took no spans: {answer.status_code} {answer.text[:200]}"
    wait_for(trace_id, size)
    return Pushed(trace_id, ids)


def _parent_of(number: int) -> int:
    # The root calls every third span, which calls the two after it.
    if number <= 0:
        return -1
    return 0 if number % 3 == 1 else number - (number - 1) % 3


def wait_for(trace_id: str, spans: int) -> None:
    """Wait until Jaeger has at least this many spans of a trace."""

    def stored() -> int:
        answer = requests.get(f"{JAEGER_URL}/api/traces/{trace_id}", timeout=30)
        return len(answer.json()["data"][0]["spans"]) if answer.ok else 0

    eventually(
        stored,
        f"{spans} spans of trace {trace_id}",
        accept=lambda actual: actual >= spans,
        timeout=PATIENCE_SECONDS,
        longest_pause=0.5,
        look_at=f"{JAEGER_URL}/trace/{trace_id}",
    )


def open_trace(visit: Visitor, path: str, *, name: str = "") -> Page:
    """Open a trace and wait for its spans and its log lines."""
    page = visit(path, check=False)
    page.wait_for_selector("[data-lines-loaded]", timeout=30_000)
    if name:
        visit.screenshot(name)
    visit.check()
    return page


@pytest.fixture(scope="module")
def pushed() -> Pushed:
    """A failing trace of 60 spans."""
    return push(60)


@pytest.fixture(scope="module")
def request_trace() -> str:
    """The trace of a request to the platform, with its log line."""
    answer = requests.get(f"{INVENTORY_URL}/api/v1/products", timeout=10)
    trace_id = answer.headers["traceresponse"].split("-")[1]
    wait_for(trace_id, 2)
    return trace_id


def test_a_search_lists_traces_and_a_point_opens_one(visit: Visitor, page: Page, pushed: Pushed) -> None:
    visit(f"/traces?service={SERVICES[0]}&error=true&from=now-15m&to=now", name="traces")
    row = page.get_by_role("row").filter(has_text=pushed.trace_id[:8])
    expect(row).to_contain_text("failed: browser-tests-")
    assert page.locator("[data-points] canvas").is_visible()
    row.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(f"/traces/{pushed.trace_id}"))


def test_the_points_of_the_scatter_plot_open_their_traces(visit: Visitor, page: Page, pushed: Pushed) -> None:
    visit(f"/traces?service={SERVICES[0]}&tags=step.number%3D57&min=1ms&from=now-15m&to=now")
    chart = page.locator("[data-points]")
    points = json.loads(chart.get_attribute("data-points") or "[]")
    place = page.evaluate(
        """async (point) => {
             const { echarts } = await import("/static/shell/chart.js");
             const element = document.querySelector("[data-points]");
             const chart = echarts.getInstanceByDom(element);
             const [x, y] = chart.convertToPixel({ seriesIndex: point[3] ? 1 : 0 }, [point[0], point[1]]);
             const box = element.getBoundingClientRect();
             return [box.left + x, box.top + y];
           }""",
        points[0],
    )
    page.mouse.click(*place)
    expect(page).to_have_url(re.compile(r"/traces/[0-9a-f]{32}$"))


def test_the_failing_span_is_one_click_away_and_its_url_can_be_shared(
    visit: Visitor, page: Page, pushed: Pushed, new_context: NewContext
) -> None:
    open_trace(visit, f"/traces/{pushed.trace_id}", name="trace")
    page.get_by_role("button", name="Go to the failure").click()
    details = page.get_by_role("complementary", name="Span")
    expect(details).to_contain_text("the bank said no")
    expect(details).to_contain_text("<img src=x onerror=alert(1)>")
    failing = pushed.span_ids[57]
    expect(page).to_have_url(f"{CONSOLE_URL}/traces/{pushed.trace_id}?span={failing}")
    visit.screenshot("trace-span")
    visit.check()
    other = Visitor(new_context().new_page())
    open_trace(other, f"/traces/{pushed.trace_id}?span={failing}")
    expect(other.page.get_by_role("complementary", name="Span")).to_contain_text(failing)


def test_the_waterfall_is_navigable_by_keyboard(visit: Visitor, page: Page, pushed: Pushed) -> None:
    open_trace(visit, f"/traces/{pushed.trace_id}")
    grid = page.get_by_role("treegrid")
    rows = lambda: int(grid.get_attribute("aria-rowcount") or 0)  # noqa: E731
    assert rows() == 60
    grid.focus()
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile(f"span={pushed.span_ids[0]}"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert rows() < 60
    page.keyboard.press("ArrowRight")
    assert rows() == 60
    page.get_by_role("button", name="Collapse all").click()
    assert rows() < 25
    page.get_by_role("button", name="Expand all").click()
    assert rows() == 60
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary", name="Span")).to_be_hidden()


def test_a_search_within_the_trace_moves_from_match_to_match(visit: Visitor, page: Page, pushed: Pushed) -> None:
    open_trace(visit, f"/traces/{pushed.trace_id}")
    find = page.get_by_role("searchbox", name="Find in this trace")
    find.fill("/steps/17")
    expect(page.locator("[data-find-count]")).to_have_text("2 found")
    find.press("Enter")
    find.press("Enter")
    expect(page.locator("[data-find-count]")).to_have_text("2 of 2")
    expect(page).to_have_url(re.compile(f"span={pushed.span_ids[57]}"))


def test_the_flame_view_keeps_the_chosen_span(visit: Visitor, page: Page, pushed: Pushed) -> None:
    open_trace(visit, f"/traces/{pushed.trace_id}?view=flame", name="trace-flame")
    flame = page.get_by_role("application")
    flame.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile(f"span={pushed.span_ids[1]}"))
    page.get_by_role("button", name="Waterfall").click()
    expect(page.get_by_role("row", selected=True)).to_contain_text("step 1")


def test_log_lines_are_shown_below_the_span_that_wrote_them(visit: Visitor, page: Page, request_trace: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    lines = page.locator(".wf-line")
    while True:
        open_trace(visit, f"/traces/{request_trace}")
        if lines.count() or time.monotonic() > deadline:
            break
    expect(lines.first).to_contain_text("GET api/v1/products 200")
    page.get_by_role("link", name="Log lines", exact=True).click()
    visit.settle()
    expect(page.get_by_text("GET api/v1/products 200").first).to_be_visible()
    page.get_by_role("link", name="Trace of this line").first.click()
    expect(page).to_have_url(re.compile(f"/traces/{request_trace}"))


def test_two_traces_can_be_chosen_and_compared(visit: Visitor, page: Page) -> None:
    push(30, fails=False)
    push(30, slow=5)
    visit(f"/traces?service={SERVICES[0]}&tags=step.number%3D27&from=now-15m&to=now")
    boxes = page.locator("[data-pick]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Compare the two chosen").click()
    visit.settle()
    visit.screenshot("trace-compare")
    visit.check()
    expect(page.get_by_role("table")).to_contain_text("step 1")
    expect(page.get_by_text(re.compile("B took"))).to_be_visible()


def test_an_unknown_trace_is_reported(visit: Visitor, page: Page) -> None:
    visit(f"/traces/{secrets.token_hex(16)}", check=False)
    expect(page.get_by_role("alert").filter(has_text="Unknown trace")).to_be_visible()
    visit.check()


def test_five_thousand_spans_open_and_the_time_is_recorded(new_context: NewContext) -> None:
    big = push(SPANS)
    took = []
    for _ in range(3):
        visit = Visitor(new_context().new_page())
        visit.page.goto(f"{CONSOLE_URL}/traces/{big.trace_id}")
        visit.page.wait_for_selector(".wf-row", timeout=30_000)
        shown = visit.page.evaluate("() => performance.getEntriesByName('trace-shown')[0].startTime")
        took.append(round(float(shown)))
        rows = visit.page.locator(".wf-row").count()
        assert rows < 120, f"{rows} rows are in the document: only those in sight should be"
        assert visit.page.get_by_role("treegrid").get_attribute("aria-rowcount") == str(SPANS)
    visit.page.wait_for_selector("[data-lines-loaded]", timeout=30_000)
    visit.screenshot("trace-5000-spans")
    visit.page.get_by_role("treegrid").focus()
    visit.page.keyboard.press("End")
    expect(visit.page.get_by_role("complementary", name="Span")).to_contain_text(big.span_ids[-1])
    visit.page.get_by_role("button", name="Flame").click()
    visit.screenshot("trace-5000-spans-flame")
    visit.check()
    (SCREENSHOTS / "trace-5000-spans.json").write_text(json.dumps({"ms": took}) + "\n")


def test_traces_are_readable_in_the_dark_theme_and_on_a_phone(new_context: NewContext, pushed: Pushed) -> None:
    dark = Visitor(new_context(color_scheme="dark").new_page())
    open_trace(dark, f"/traces/{pushed.trace_id}?span={pushed.span_ids[57]}", name="trace-dark")
    phone = Visitor(new_context(viewport={"width": 390, "height": 844}, is_mobile=True).new_page())
    open_trace(phone, f"/traces/{pushed.trace_id}", name="trace-phone")
    phone(f"/traces?service={SERVICES[0]}", name="traces-phone")
    assert phone.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
