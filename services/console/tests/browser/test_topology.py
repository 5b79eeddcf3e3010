"""The map of services and their pages, in a browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import CONSOLE_URL, NewContext, Visitor


def test_the_map_and_its_tables_are_shown(visit: Visitor, page: Page) -> None:
    visit("/services", name="services")
    expect(page.locator("[data-map] canvas")).to_be_visible()
    edges = page.get_by_role("table").last
    expect(edges.get_by_role("row").filter(has_text="orders").filter(has_text="grpc")).to_have_count(1)
    assert not page.locator("[data-backend-down]").count()


def test_a_service_links_to_its_page_and_on_to_its_dashboard(visit: Visitor, page: Page) -> None:
    visit("/services")
    page.get_by_role("link", name="orders", exact=True).first.click()
    expect(page).to_have_url(f"{CONSOLE_URL}/services/orders")
    visit.settle()
    visit.screenshot("service")
    visit.check()
    expect(page.locator("[data-node-chart] canvas").first).to_be_visible()
    page.get_by_role("link", name="Dashboard", exact=True).click()
    visit.settle()
    assert "/d/platform-service?var-service=orders" in page.url


def test_the_map_is_drawn_in_the_dark_theme_and_on_a_phone(new_context: NewContext) -> None:
    dark = Visitor(new_context(color_scheme="dark").new_page())
    dark("/services", name="services-dark")
    phone = Visitor(new_context(viewport={"width": 390, "height": 844}, is_mobile=True).new_page())
    phone("/services", name="services-phone")
