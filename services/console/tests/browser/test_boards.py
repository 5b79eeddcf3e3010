"""Dashboards in a browser, on the running platform: panels that load, choices, zoom, and links."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PATIENCE, NewContext, Visitor

DASHBOARDS = (
    "platform-overview",
    "platform-service",
    "platform-edges",
    "platform-messaging",
    "platform-databases",
    "platform-telemetry",
    "platform-django",
    "platform-drills",
)
AT_ONCE = 6


def settle(page: Page) -> None:
    """Wait until every panel in view has its data."""
    page.wait_for_function(
        """() => [...document.querySelectorAll("[data-panel]")].every((panel) => {
          const box = panel.getBoundingClientRect();
          const isSeen = box.height > 0 && box.top < innerHeight && box.bottom > 0;
          return !isSeen || panel.getAttribute("aria-busy") === "false";
        })""",
        timeout=PATIENCE,
    )


def load_all(page: Page) -> None:
    """Scroll through the page, so that every panel is in view once."""
    for panel in page.locator("[data-panel]").all():
        panel.scroll_into_view_if_needed()
        settle(page)
    page.evaluate("scrollTo(0, 0)")


def panel_of(page: Page, kind: str, nth: int = 0) -> Locator:
    """Return a panel of that kind, in view and drawn."""
    found = page.locator(f'[data-panel][data-type="{kind}"]').nth(nth)
    found.scroll_into_view_if_needed()
    expect(found.locator(f'[data-drawn="{kind}"]')).to_be_visible(timeout=PATIENCE)
    return found


def panel_requests(page: Page) -> list[dict[str, Any]]:
    """Return the page's panel requests: name, start and end (milliseconds since the page's start; end 0: running)."""
    found: list[dict[str, Any]] = page.evaluate(
        """() => performance.getEntriesByType("resource")
          .filter((one) => one.initiatorType === "fetch" && one.name.includes("/panels/"))
          .map((one) => ({ name: one.name, start: one.startTime, end: one.responseEnd }))"""
    )
    return found


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_every_panel_of_a_dashboard_is_drawn(uid: str, visit: Visitor) -> None:
    page = visit(f"/d/{uid}?refresh=", check=False)
    load_all(page)
    # The platform shares its cores with everything else: a panel that timed out is reloaded once, as a user would.
    for again in page.get_by_role("button", name="Try again").all():
        again.click()
    load_all(page)
    drawn = page.evaluate(
        """() => [...document.querySelectorAll("[data-panel]")].map((panel) => ({
          title: panel.querySelector("h3").textContent, type: panel.dataset.type,
          drawn: panel.querySelector("[data-body]").dataset.drawn,
          notes: [...panel.querySelectorAll("[data-body] > .note")].map((note) => note.textContent) }))"""
    )
    assert drawn
    wrong = [one for one in drawn if one["drawn"] != one["type"] or one["notes"]]
    assert not wrong, json.dumps(wrong, indent=1)
    visit.screenshot(f"dashboard-{uid.removeprefix('platform-')}")
    visit.check()


def test_dashboards_are_found_by_search(visit: Visitor) -> None:
    page = visit("/dashboards/", name="dashboards")
    page.get_by_role("searchbox", name="Find a dashboard or row").fill("dead letters")
    expect(page.locator("[data-board]:visible")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/d/platform-messaging"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_dashboard_is_readable_on_a_phone(scheme: str, new_context: NewContext) -> None:
    page = new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True).new_page()
    visit = Visitor(page)
    visit("/d/platform-overview", check=False)
    settle(page)
    visit.screenshot(f"dashboard-phone-{scheme}")
    overflow = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"the page is {overflow} px wider than the phone"
    widths = page.evaluate("() => [...document.querySelectorAll('[data-panel]')].map((one) => one.clientWidth)")
    assert min(widths) > 300
    visit.check()


def test_dragging_over_a_graph_zooms_into_its_time(visit: Visitor) -> None:
    page = visit("/d/platform-overview?refresh=", check=False)
    graph = panel_of(page, "timeseries").locator(".board-plot")
    box = graph.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"from=\d{13}&to=\d{13}"), timeout=PATIENCE)
    chosen = parse_qs(urlsplit(page.url).query)
    seconds = (int(chosen["to"][0]) - int(chosen["from"][0])) / 1000
    # A quarter of the panel's width, which shows an hour, less the axis's labels.
    assert 700 < seconds < 1300, page.url


def test_a_choice_is_kept_in_the_address_and_reaches_the_panels(visit: Visitor) -> None:
    page = visit("/d/platform-service?refresh=", check=False)
    page.locator('[data-variable="service"] > summary').click()
    page.get_by_role("checkbox", name="orders", exact=True).check()
    expect(page.get_by_role("checkbox", name="All", exact=True)).not_to_be_checked()
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("var-service=orders"))
    settle(page)
    asked = [one["name"] for one in panel_requests(page)]
    assert asked
    assert all("var-service=orders" in url for url in asked)
    expect(page.locator('[data-variable="service"] > summary')).to_contain_text("orders")


def test_a_point_of_a_graph_opens_its_trace(visit: Visitor) -> None:
    page = visit("/d/platform-overview?refresh=", check=False)
    panel = page.get_by_role("region", name="Latency p95", exact=True)
    panel.scroll_into_view_if_needed()
    settle(page)
    panel.locator("[data-menu] summary").click()
    panel.get_by_role("link", name="Trace of the highest point").click()
    expect(page).to_have_url(re.compile(r"/traces/[0-9a-f]{32}"))


def test_a_click_on_a_line_offers_links_to_what_the_service_did_then(visit: Visitor) -> None:
    page = visit("/d/platform-overview?refresh=", check=False)
    panel = page.get_by_role("region", name="Request rate", exact=True)
    panel.scroll_into_view_if_needed()
    settle(page)
    box = panel.locator(".board-plot").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.75)
    tooltip = page.locator(".board-tooltip.pinned")
    expect(tooltip).to_be_visible()
    expect(tooltip.get_by_role("link", name="Traces", exact=True)).to_have_attribute(
        "href", re.compile(r"^/traces\?service=")
    )
    page.keyboard.press("Escape")
    expect(tooltip).to_be_hidden()


def test_a_series_can_be_shown_alone_by_keyboard(visit: Visitor) -> None:
    page = visit("/d/platform-overview?refresh=", check=False)
    panel = panel_of(page, "timeseries")
    name = panel.locator(".board-legend-name").first
    name.focus()
    page.keyboard.press("Enter")
    expect(name).to_have_attribute("aria-pressed", "true")
    assert panel.locator("tbody tr.off").count() == panel.locator("tbody tr").count() - 1
    page.keyboard.press("Enter")
    expect(panel.locator("tbody tr.off")).to_have_count(0)


def test_an_unavailable_backend_shows_a_note_on_its_panel_only(page: Page) -> None:
    visit = Visitor(page)
    down = {"error": {"backend": "prometheus", "reason": "no answer within 5 s", "rejected": False}}
    page.route(re.compile("/panels/2\\?"), lambda route: route.fulfill(json=down))
    visit("/d/platform-overview?refresh=", check=False)
    settle(page)
    note = page.locator("#panel-2 [data-backend-down=prometheus]")
    expect(note).to_contain_text("prometheus doesn't answer")
    expect(page.locator('#panel-3 [data-drawn="bargauge"]')).to_be_visible()
    visit.check()
    page.unroute_all()
    note.get_by_role("button", name="Try again").click()
    expect(page.locator('#panel-2 [data-drawn="bargauge"]')).to_be_visible()


def test_panels_load_a_few_at_a_time_and_only_those_in_view(visit: Visitor) -> None:
    page = visit("/d/platform-service?refresh=", check=False)
    settle(page)
    requests = panel_requests(page)
    at_once = [
        sum(other["start"] <= one["start"] < other["end"] for other in requests) for one in requests if one["end"]
    ]
    assert 1 <= max(at_once) <= AT_ONCE
    waiting = page.locator('[data-panel][aria-busy="true"]').count()
    assert waiting > 5, "expected panels far below to wait until they come into view"


def test_light_and_dark_themes_are_both_drawn(visit: Visitor, page: Page) -> None:
    visit("/d/platform-overview?refresh=", check=False)
    panel_of(page, "timeseries")
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    settle(page)
    visit.screenshot("dashboard-overview-dark")
    visit.check()
