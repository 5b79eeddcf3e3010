"""A browser that is logged in to the running console, and checks of every page it visits.

Address and login: CONSOLE_URL, CONSOLE_USER, CONSOLE_PASSWORD. Without a user, one is created for the run in the
console's own database (CONSOLE_DATABASE_URL), and deleted afterwards.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.contrib.auth.hashers import make_password
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

CHROMIUM = "/usr/bin/chromium"
CONSOLE_URL = os.environ.get("CONSOLE_URL", "http://127.0.0.1:8000").rstrip("/")
REPOSITORY = Path(__file__).resolve().parents[4]
SCREENSHOTS = REPOSITORY / "var" / "screenshots"
ASSETS = Path(os.environ.get("CONSOLE_ASSETS_DIR") or Path(__file__).resolve().parents[2] / "node_modules")
# Time limit for a page to load its panels, in milliseconds. Generous: the whole platform shares the cores.
PATIENCE = 30_000
SERIOUS = ("serious", "critical")
SIZE = {"width": 1440, "height": 900}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests here: they need the running platform, and more time."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.timeout(300))


@dataclass
class Visitor:
    """Opens pages and records their errors."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"{self.page.url}: uncaught {error}"))
        self.page.on("request", self._on_request)

    def __call__(self, path: str, *, name: str = "", check: bool = True) -> Page:
        """Open a path, wait until its parts have loaded, and check the page; `name` also saves a screenshot."""
        response = self.page.goto(CONSOLE_URL + path)
        assert response is not None, path
        assert response.ok, f"{path} answered {response.status}"
        self.settle()
        if name:
            self.screenshot(name)
        if check:
            self.check()
        return self.page

    def settle(self) -> None:
        """Wait until all parts of the page have loaded."""
        self.page.wait_for_load_state("load")
        self.page.wait_for_function("() => !document.querySelector('.slot[aria-busy=true]')", timeout=PATIENCE)

    def screenshot(self, name: str) -> Path:
        """Save a screenshot in var/screenshots."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=str(path), full_page=False)
        return path

    def check(self) -> None:
        """Check that there was no console error, no request to another host and no serious accessibility issue."""
        assert not self.faults, "\n".join(self.faults)
        found = axe(self.page)
        assert not found, f"{self.page.url}: axe found\n" + "\n".join(found)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"{self.page.url}: console: {message.text} ({message.location.get('url', '')})")

    def _on_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("http", "https") and url.netloc != urlsplit(CONSOLE_URL).netloc:
            self.faults.append(f"{self.page.url}: asks another host: {request.url}")


def axe(page: Page) -> list[str]:
    """Return serious and critical issues that axe-core finds, one line each."""
    # Evaluated, not added as a script: the page's own policy forbids scripts of other origins.
    page.evaluate((ASSETS / "axe-core" / "axe.min.js").read_text())
    result: dict[str, Any] = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['impact']} {violation['id']}: {violation['help']}: {node['target']} {node['html'][:160]}"
        for violation in result["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"][:5]
    ]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        # As root, as CI runs it, Chromium has no sandbox.
        sandbox = [] if os.geteuid() else ["--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*sandbox, "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def credentials() -> Iterator[tuple[str, str]]:
    """The name and password of a responder."""
    name, password = os.environ.get("CONSOLE_USER", ""), os.environ.get("CONSOLE_PASSWORD", "")
    if name:
        yield name, password
        return
    database = os.environ.get("CONSOLE_DATABASE_URL", "")
    if not database:
        pytest.fail("Neither CONSOLE_USER nor CONSOLE_DATABASE_URL is set. Run these tests by: make test-browser")
    name, password = f"browser-{secrets.token_hex(4)}", secrets.token_urlsafe(16)
    with psycopg.connect(database, autocommit=True, connect_timeout=5) as connection:
        (user,) = _one(
            connection,
            "INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, is_staff,"
            " is_active, date_joined) VALUES (%s, %s, '', '', '', false, false, true, now()) RETURNING id",
            (name, make_password(password)),
        )
        connection.execute(
            "INSERT INTO auth_user_groups (user_id, group_id) SELECT %s, id FROM auth_group WHERE name = 'responder'",
            (user,),
        )
        yield name, password
        # Its incidents keep the user name; the account is deleted at the end of the run.
        connection.execute("DELETE FROM auth_user_groups WHERE user_id = %s", (user,))
        connection.execute("UPDATE auth_user SET is_active = false, password = '!' WHERE id = %s", (user,))


def _one(connection: psycopg.Connection[Any], statement: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    row = connection.execute(statement, values).fetchone()
    assert row is not None
    return tuple(row)


@pytest.fixture(scope="package")
def session(browser: Browser, credentials: tuple[str, str]) -> dict[str, Any]:
    """The cookies of a user who has logged in with the form."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{CONSOLE_URL}/login")
    page.get_by_label("Name").fill(credentials[0])
    page.get_by_label("Password").fill(credentials[1])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(re.compile(r"^(?!.*/login)"))
    state: dict[str, Any] = dict(context.storage_state())
    context.close()
    return state


NewContext = Callable[..., BrowserContext]


@pytest.fixture
def new_context(browser: Browser, session: dict[str, Any]) -> Iterator[NewContext]:
    """Logged-in browser contexts with other options (`viewport`, `color_scheme`, …)."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        chosen: dict[str, Any] = {"viewport": SIZE, "reduced_motion": "reduce", "storage_state": session, **options}
        context = browser.new_context(**chosen)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_context: NewContext) -> Page:
    """A logged-in page. `visit` checks it for errors."""
    return new_context().new_page()


@pytest.fixture
def visit(page: Page) -> Iterator[Visitor]:
    """Open pages on `page`: visit("/logs", name="logs"). Later errors fail the test at its end."""
    visitor = Visitor(page)
    yield visitor
    assert not visitor.faults, "\n".join(visitor.faults)
