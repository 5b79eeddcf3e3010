"""Logs in a browser, on log lines that the running platform wrote."""

from __future__ import annotations

import os
import re

import pytest
import requests
from platform_testing.polling import eventually
from playwright.sync_api import Page, expect

from tests.browser.conftest import CONSOLE_URL, NewContext, Visitor

INVENTORY_URL = os.environ.get("TEST_INVENTORY_URL", "http://127.0.0.1:8002")
ELASTICSEARCH_URL = os.environ.get("TEST_ELASTICSEARCH_URL", "http://127.0.0.1:9200")
PATIENCE_SECONDS = 60.0


def make_a_line() -> str:
    """Send a request to the platform and wait until its log line is stored; returns the id of its trace."""
    answer = requests.get(f"{INVENTORY_URL}/api/v1/products", timeout=10)
    trace_id = answer.headers["traceresponse"].split("-")[1]
    query = {"query": {"term": {"trace.id": trace_id}}, "size": 0}
    eventually(
        lambda: requests.post(f"{ELASTICSEARCH_URL}/logs-django-*/_search", json=query, timeout=10),
        f"a log line of trace {trace_id}",
        accept=lambda answer: answer.ok and answer.json()["hits"]["total"]["value"],
        timeout=PATIENCE_SECONDS,
        longest_pause=0.5,
        look_at=ELASTICSEARCH_URL,
    )
    return trace_id


@pytest.fixture(scope="module")
def trace_id() -> str:
    """The trace of a request whose log line is stored."""
    return make_a_line()


def test_lines_and_their_histogram_are_shown(visit: Visitor, page: Page, trace_id: str) -> None:
    visit("/logs?from=now-1h&to=now", check=False)
    page.wait_for_selector("#histogram[data-drawn]")
    visit.screenshot("logs")
    visit.check()
    expect(page.locator(".log").first).to_be_visible()
    expect(page.locator("#log-count")).to_have_text(re.compile(r"^[\d,]+ lines?$"))


def test_a_line_opens_to_its_fields_narrows_the_search_and_links_to_its_trace(
    visit: Visitor, page: Page, trace_id: str
) -> None:
    visit(f'/logs?query=trace.id:"{trace_id}"&from=now-1h&to=now')
    page.locator("[data-expand]").first.click()
    detail = page.locator(".log-detail")
    expect(detail).to_contain_text(trace_id)
    visit.screenshot("logs-line")
    visit.check()
    detail.get_by_role("button", name="Surrounding lines").click()
    expect(detail.locator("[aria-current=true]")).to_be_visible()
    visit.check()
    detail.get_by_role("link", name="Filter out http.request.method GET").click()
    visit.settle()
    expect(page.get_by_role("searchbox", name="Query")).to_have_value(
        f'trace.id:"{trace_id}" NOT http.request.method:"GET"'
    )
    page.go_back()
    visit.settle()
    page.locator("[data-expand]").first.click()
    page.get_by_role("link", name="Open the trace").click()
    expect(page).to_have_url(re.compile(f"/traces/{trace_id}"))


def test_a_drag_over_the_histogram_narrows_the_time(visit: Visitor, page: Page) -> None:
    visit("/logs?from=now-1h&to=now", check=False)
    page.wait_for_selector("#histogram[data-drawn]")
    box = page.locator("#histogram").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"from=\d{13}&to=\d{13}"))
    span = re.search(r"from=(\d+)&to=(\d+)", page.url)
    assert span is not None
    minutes = (int(span[2]) - int(span[1])) / 60_000
    assert 8 < minutes < 18, f"a fifth of an hour was dragged over, {minutes:.1f} min were chosen"


def test_an_invalid_query_is_reported_at_the_input_and_corrected_by_a_click(visit: Visitor, page: Page) -> None:
    visit("/logs?query=level:error&from=now-1h&to=now")
    query = page.get_by_role("searchbox", name="Query")
    expect(query).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#query-error")).to_contain_text("No line has a field level. Did you mean log.level?")
    visit.screenshot("logs-wrong-query")
    page.get_by_role("link", name="log.level", exact=True).click()
    visit.settle()
    expect(page.get_by_role("searchbox", name="Query")).to_have_value("log.level:error")
    expect(page.locator("#query-error")).to_be_empty()


def test_columns_can_be_chosen(visit: Visitor, page: Page, trace_id: str) -> None:
    visit(f'/logs?query=trace.id:"{trace_id}"&from=now-1h&to=now')
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("http.route", exact=True).check()
    page.get_by_role("button", name="Apply").last.click()
    visit.settle()
    expect(page.get_by_role("columnheader", name="http.route")).to_be_visible()
    expect(page.locator(".log").first).to_contain_text("api/v1/products")


def test_the_tail_shows_new_lines_without_a_click(visit: Visitor, page: Page) -> None:
    visit("/logs?query=http.route:*products*&from=now-5m&to=now&tail=1")
    made = make_a_line()
    expect(page.locator(f'.log a[href*="{made}"]').first).to_be_visible()
    expect(page.locator("#log-count")).to_contain_text("Live:")
    expect(page.locator(f'.log a[href*="{made}"]')).to_have_count(1)
    # After several polls a line is still shown once.
    with page.expect_response(re.compile("/logs/tail")), page.expect_response(re.compile("/logs/tail")):
        pass
    expect(page.locator(f'.log a[href*="{made}"]')).to_have_count(1)
    visit.check()
    page.get_by_role("link", name="Stop").click()
    expect(page).not_to_have_url(re.compile("tail="))


def test_keys_move_from_line_to_line(visit: Visitor, page: Page, trace_id: str) -> None:
    visit("/logs?from=now-1h&to=now")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("[data-expand]").nth(1)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator(".log").first.locator(".log-detail")).to_be_visible()


def test_logs_are_readable_in_the_dark_theme_and_on_a_phone(new_context: NewContext, trace_id: str) -> None:
    dark = Visitor(new_context(color_scheme="dark").new_page())
    dark("/logs?from=now-1h&to=now", name="logs-dark")
    phone = Visitor(new_context(viewport={"width": 390, "height": 844}, is_mobile=True).new_page())
    phone(f'/logs?query=trace.id:"{trace_id}"&from=now-1h&to=now', name="logs-phone")
    phone.page.locator("[data-expand]").first.click()
    expect(phone.page.locator(".log-detail")).to_be_visible()
    assert phone.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    assert phone.page.url.startswith(CONSOLE_URL)
    phone.check()
