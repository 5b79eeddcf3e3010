"""From a metric's point to its trace, the log lines, the service and the dashboard: one click each."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, Visitor

# Any request of the last hour left an exemplar. Not of this minute: its trace may not be stored yet.
BOARD = "/d/platform-service?var-service=orders&from=now-1h&to=now-1m"
TRACE = re.compile(r"/traces/([0-9a-f]{32})")


def test_one_click_leads_from_each_signal_to_the_next(visit: Visitor, page: Page) -> None:
    visit(BOARD, check=False)

    # Metric → trace: each panel's menu has the trace behind its highest point.
    to_trace = page.locator("a", has_text="Trace of the highest point")
    expect(to_trace.first).to_be_attached(timeout=PATIENCE)
    visit.screenshot("dashboard")
    visit.check()
    to_trace.first.locator("xpath=ancestor::details[1]/summary").click()
    to_trace.first.click()
    page.wait_for_url(TRACE)
    found = TRACE.search(page.url)
    assert found
    trace_id = found[1]
    expect(page.locator("[data-waterfall]")).to_be_visible(timeout=PATIENCE)
    visit.check()

    # Trace → its log lines, of every service.
    page.locator("[data-logs-link]").click()
    page.wait_for_url(re.compile(r"/logs\?"))
    assert trace_id in page.url
    visit.settle()
    rows = page.locator("tbody.log")
    expect(rows.first).to_be_visible(timeout=PATIENCE)
    visit.screenshot("logs-of-a-trace")
    visit.check()

    # Log line → its trace, and back.
    page.get_by_role("link", name="Trace of this line").first.click()
    page.wait_for_url(TRACE)
    assert trace_id in page.url
    page.go_back()
    visit.settle()

    # Log line → service.
    rows.first.locator("[data-expand]").click()
    page.get_by_role("link", name=re.compile(r"^Service ")).first.click()
    page.wait_for_url(re.compile(r"/services/[a-z-]+"))
    visit.settle()
    service = page.url.rpartition("/services/")[2].partition("?")[0]
    visit.check()

    # Service → its dashboard.
    page.get_by_role("link", name="Dashboard", exact=True).click()
    page.wait_for_url(re.compile(rf"/d/platform-service\?var-service={service}"))
    visit.settle()
    expect(page.locator("[data-drawn]").first).to_be_attached(timeout=PATIENCE)
    visit.check()


def test_an_alerts_links_open(visit: Visitor, page: Page) -> None:
    for path in (
        "/runbooks/EdgeErrors",
        "/dashboards/platform-edges?var-service=orders",
        "/traces?service=orders",
        "/logs?query=service.name:%22orders%22%20and%20log.level:(warning%20or%20error)",
    ):
        visit(path)
        assert not page.locator("[data-error]").count(), path
