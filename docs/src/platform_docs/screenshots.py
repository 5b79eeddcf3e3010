"""`python -m platform_docs.screenshots`: pictures of the console during a real drill, and the animation of the README.

The platform should be quiet, have had an hour of traffic, and no test runs before: the pictures show what it did in
that time. Needs Debian's Chromium.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, sync_playwright

from load.drills import descriptor, engine, interrupts, notifications
from load.drills.world import World
from platform_docs.animation import Frame, animate
from platform_docs.repository import DOCS

CHROMIUM = "/usr/bin/chromium"
DRILL = "payments-hangs"
CONSOLE = "console"
ASSETS = DOCS / "assets"
SIZE: ViewportSize = {"width": 1440, "height": 900}
TRAFFIC_SECONDS = 3600
PAGE_TIMEOUT_MS = 60_000
POLL_SECONDS = 1.0
PANELS_IN_VIEW_ARE_LOADED = """() => [...document.querySelectorAll("[data-panel], article.trace")].every((panel) => {
  const box = panel.getBoundingClientRect();
  const isInView = box.height > 0 && box.top < innerHeight && box.bottom > 0;
  return !isInView || panel.getAttribute("aria-busy") === "false";
})"""


class NotReady(RuntimeError):
    """The platform is not in a state to be photographed. The message says what to do."""


def main() -> int:
    """Returns the exit code: 0 done, 1 not possible, with the reason."""
    parser = argparse.ArgumentParser(prog="python -m platform_docs.screenshots", description=__doc__)
    parser.add_argument(
        "--anyway", action="store_true", help="accept less than an hour of traffic, and tests' incidents"
    )
    parser.add_argument("--folder", type=Path, default=ASSETS, help="where pictures go (default: docs/assets)")
    options = parser.parse_args()
    interrupts.install()
    world = World()
    try:
        if not options.anyway:
            _wait_for_traffic(world)
        _run(world, options.folder, anyway=options.anyway)
    except (NotReady, engine.NotClean) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def say(text: str) -> None:
    """One line of progress."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def _run(world: World, folder: Path, *, anyway: bool) -> None:
    """Run the drill in this thread, as it handles signals, and take pictures in another one."""
    photographer = Photographer(world, folder, anyway)
    thread = threading.Thread(target=photographer.run, name="photographer")
    thread.start()
    try:
        photographer.is_before_done.wait()
        if photographer.problem is None:
            result = engine.run(world, descriptor.load()[DRILL], say)
            say(f"the drill {'passed' if result.passed else 'FAILED'}: {result.first} in {result.seconds_to_notice} s")
    finally:
        say("waiting for the last pictures")
        thread.join()
    if photographer.problem is not None:
        raise photographer.problem
    animate(photographer.frames, folder / "drill.webp")
    say(f"pictures are in {folder}")


def _wait_for_traffic(world: World) -> None:
    """Wait until there have been orders for an hour. Raises NotReady without traffic."""
    while (age := _age_of_traffic(world)) < TRAFFIC_SECONDS:
        say(f"traffic for {age / 60:.0f} of {TRAFFIC_SECONDS / 60:.0f} minutes; --anyway doesn't wait")
        time.sleep(min(60.0, TRAFFIC_SECONDS - age))


def _age_of_traffic(world: World) -> float:
    """Seconds since the oldest order that Prometheus knows of, at most a little more than wanted."""
    oldest = f"min_over_time(timestamp(orders_placed_total > 0)[{TRAFFIC_SECONDS + 60}s:15s])"
    found = world.query(f"time() - {oldest}", time.time())
    if not found:
        raise NotReady("no order was placed in the last hour: make up, with TRAFFIC=on")
    return max(float(entry["value"][1]) for entry in found)


@dataclass
class Photographer:
    """Takes pictures from before the fault until the incident is resolved. `problem` is why it stopped early."""

    world: World
    folder: Path
    anyway: bool
    frames: list[Frame] = field(default_factory=list)
    is_before_done: threading.Event = field(default_factory=threading.Event)
    problem: NotReady | None = None

    def run(self) -> None:
        """Never raises: the drill in the other thread goes on and repairs what it broke."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with self._page() as page:
                self._before(page)
                mark = notifications.last_number(self.world)
                self.is_before_done.set()
                incident = self._during(page, mark)
                self._after(page, incident)
        except NotReady as problem:
            self.problem = problem
        except Exception as error:
            self.problem = NotReady(f"{type(error).__name__}: {error}")
        finally:
            self.is_before_done.set()

    def _before(self, page: Page) -> None:
        self._visit(page, "/")
        rows = page.locator("#history tbody tr", has_text="test")
        if rows.count() and not self.anyway:
            raise NotReady("incidents of tests would be in the pictures: `make reset up`, then wait for an hour")
        self._open(page, "/services", "services")
        self._open(page, "/d/platform-overview?from=now-1h&to=now", "overview")
        self._open(page, "/logs", "logs")
        self._open(page, "/", "home")

    def _during(self, page: Page, mark: int) -> str:
        """Returns the incident's address."""
        journal = engine.journal_of(self.world)
        self._until(lambda: bool(journal.entries()), 600, "the fault was not injected")
        injected = time.monotonic()
        self._frame("home", "The fault: payments hangs. It accepts connections and answers nothing.")
        self._until(lambda: self._is_paged(mark), 180, "no page arrived")
        seconds = time.monotonic() - injected
        self._visit(page, "/")
        self._until(lambda: self._is_open(page), 30, "the console shows no incident")
        self._take(page, "page")
        self._frame("page", f"The page, after {seconds:.0f} s: a single one, and it names the cause.")
        page.locator(".open-incident a").first.click()
        page.wait_for_url(re.compile("/incidents/"))
        incident = page.url
        self._settle(page)
        self._take(page, "incident")
        self._frame("incident", "The incident: cause, affected journeys, evidence, timeline, runbook.")
        trace = page.locator("article.example a").first
        if not trace.count():
            raise NotReady("the incident shows no failed trace")
        trace.click()
        page.wait_for_url(re.compile("/traces/"))
        self._settle(page)
        self._take(page, "trace")
        self._frame("trace", "The trace: orders waits for payments until the deadline.")
        self._open(page, "/d/platform-service?var-service=orders&from=now-15m&to=now", "dashboard")
        self._frame("dashboard", "The dashboard of orders: what its callers get, with the drill marked.")
        return incident

    def _after(self, page: Page, incident: str) -> None:
        say("waiting until the console shows the incident as resolved")
        page.goto(incident)
        self._until(lambda: self._is_resolved(page), 400, "the incident was not resolved")
        self._take(page, "resolved")
        self._frame("resolved", "Resolved: payments continues, the alerts have ended, the timeline remains.")

    def _is_paged(self, mark: int) -> bool:
        return any(entry.has("page") for entry in notifications.read(self.world, mark))

    def _is_open(self, page: Page) -> bool:
        self._reload(page)
        return page.locator(".open-incident a").count() > 0

    def _is_resolved(self, page: Page) -> bool:
        self._reload(page)
        return "resolved" in page.locator("#head").inner_text().lower()

    def _reload(self, page: Page) -> None:
        page.reload()
        self._settle(page)

    def _open(self, page: Page, path: str, name: str) -> None:
        self._visit(page, path)
        self._take(page, name)

    def _visit(self, page: Page, path: str) -> None:
        page.goto(f"{self.world.platform.process(CONSOLE).url.rstrip('/')}{path}")
        self._settle(page)

    def _settle(self, page: Page) -> None:
        """Wait until nothing in view is loading."""
        page.wait_for_load_state("load")
        page.wait_for_function("() => !document.querySelector('.slot[aria-busy=true]')", timeout=PAGE_TIMEOUT_MS)
        page.wait_for_function(PANELS_IN_VIEW_ARE_LOADED, timeout=PAGE_TIMEOUT_MS)

    def _take(self, page: Page, name: str) -> None:
        page.screenshot(path=str(self.folder / f"{name}.png"))
        say(f"picture: {name}")

    def _frame(self, name: str, caption: str) -> None:
        self.frames.append(Frame(self.folder / f"{name}.png", caption))

    def _until(self, condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
        """Poll. Raises NotReady after so many seconds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise NotReady(f"{otherwise} within {seconds:.0f} s")
            time.sleep(POLL_SECONDS)

    @contextmanager
    def _page(self) -> Iterator[Page]:
        """A page of a browser that is logged in as a user made for this run."""
        name, password = self._create_user()
        try:
            with sync_playwright() as playwright:
                # As root Chromium has no sandbox.
                sandbox = [] if os.geteuid() else ["--no-sandbox"]
                browser = playwright.chromium.launch(
                    executable_path=CHROMIUM, args=[*sandbox, "--disable-dev-shm-usage"]
                )
                page = browser.new_page(viewport=SIZE, reduced_motion="reduce", color_scheme="light")
                page.set_default_timeout(PAGE_TIMEOUT_MS)
                self._log_in(page, name, password)
                yield page
                browser.close()
        finally:
            self._delete_user(name)

    def _log_in(self, page: Page, name: str, password: str) -> None:
        page.goto(f"{self.world.platform.process(CONSOLE).url.rstrip('/')}/login")
        page.locator("input[name=username]").fill(name)
        page.locator("input[name=password]").fill(password)
        page.locator("form:has(input[name=password]) button[type=submit]").click()
        page.wait_for_url(re.compile(r"^(?!.*/login)"))

    def _create_user(self) -> tuple[str, str]:
        printed = self._manage("create_user", f"ada-{secrets.token_hex(2)}", "--role", "responder")
        name, _, password = printed.strip().partition(" ")
        return name, password

    def _delete_user(self, name: str) -> None:
        code = f"from django.contrib.auth.models import User; User.objects.filter(username={name!r}).delete()"
        self._manage("shell", "--command", code)

    def _manage(self, *arguments: str) -> str:
        """A management command of the console. Raises CalledProcessError."""
        platform = self.world.platform
        return subprocess.run(
            [str(platform.paths.python), "manage.py", *arguments],
            cwd=platform.paths.root / "services" / CONSOLE,
            env=os.environ | platform.environment.of_command(CONSOLE),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout


if __name__ == "__main__":
    sys.exit(main())
