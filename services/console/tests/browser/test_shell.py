"""Login, keyboard, palette, themes and small screens, in a browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import CONSOLE_URL, NewContext, Visitor

PAGES = ("/", "/dashboards/", "/traces", "/logs", "/services", "/runbooks", "/runbooks/EdgeErrors")


def test_an_anonymous_user_is_sent_to_the_login_and_then_to_the_requested_page(
    browser: Browser, credentials: tuple[str, str]
) -> None:
    context = browser.new_context()
    page = context.new_page()
    visit = Visitor(page)
    visit("/services", name="login")
    expect(page).to_have_url(re.compile(r"/login\?next=/services$"))
    page.get_by_label("Name").fill(credentials[0])
    page.get_by_label("Password").fill(credentials[1])
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{CONSOLE_URL}/services")
    visit.settle()
    visit.check()
    page.get_by_text(credentials[0]).click()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(re.compile(r"/login"))
    context.close()


@pytest.mark.parametrize(
    ("key", "path"), [("i", "/"), ("d", "/dashboards/"), ("t", "/traces"), ("l", "/logs"), ("s", "/services")]
)
def test_two_keys_open_each_page(visit: Visitor, page: Page, key: str, path: str) -> None:
    visit("/runbooks")
    page.keyboard.press("g")
    page.keyboard.press(key)
    page.wait_for_url(re.compile(f"^{re.escape(CONSOLE_URL + path)}([?].*)?$"))
    visit.settle()


def test_keys_in_a_field_are_text(visit: Visitor, page: Page) -> None:
    visit("/logs")
    page.keyboard.press("/")
    page.keyboard.type("gs?")
    expect(page).to_have_url(re.compile(r"/logs"))
    assert page.evaluate("document.activeElement.value").endswith("gs?")


def test_the_help_opens_by_its_key_and_closes(visit: Visitor, page: Page) -> None:
    visit("/runbooks")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    visit.check()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()


def test_the_palette_opens_a_service(visit: Visitor, page: Page) -> None:
    visit("/runbooks")
    page.keyboard.press("Control+k")
    page.keyboard.type("payments serv")
    expect(page.get_by_role("option").first).to_contain_text("payments")
    visit.check()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{CONSOLE_URL}/services/payments")
    visit.settle()


def test_the_palette_opens_a_trace_by_its_id(visit: Visitor, page: Page) -> None:
    visit("/runbooks")
    page.keyboard.press("Control+k")
    page.keyboard.type("0123456789abcdef0123456789abcdef")
    expect(page.get_by_role("option").first).to_contain_text("trace")


def test_the_chosen_theme_is_kept(visit: Visitor, page: Page) -> None:
    visit("/runbooks")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Light or dark").click()
    dark = page.evaluate(background)
    assert light != dark
    page.reload()
    assert page.evaluate(background) == dark


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_readable_in_the_dark_theme(new_context: NewContext, path: str) -> None:
    visit = Visitor(new_context(color_scheme="dark").new_page())
    visit(path)
    visit.check()


@pytest.mark.parametrize("path", PAGES)
def test_each_page_fits_a_phone(new_context: NewContext, path: str) -> None:
    page = new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).new_page()
    visit = Visitor(page)
    visit(path)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{path} is {overflow} px wider than the phone"
