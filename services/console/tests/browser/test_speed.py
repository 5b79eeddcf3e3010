"""Time to first content of each page: written to var/screenshots/speed.json, not judged on a busy machine."""

from __future__ import annotations

import json
import statistics

from tests.browser.conftest import SCREENSHOTS, NewContext, Visitor

PAGES = ("/", "/dashboards/", "/d/platform-overview", "/traces", "/logs", "/services", "/services/orders")
ROUNDS = 5
_FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
PATIENCE_MS = 10_000


def test_each_page_paints_and_its_time_is_recorded(new_context: NewContext) -> None:
    visit = Visitor(new_context().new_page())
    medians: dict[str, float] = {}
    for path in PAGES:
        paints = []
        for _ in range(ROUNDS):
            visit(path, check=False)
            # Chromium reports it a moment after the page has loaded.
            first = visit.page.wait_for_function(_FIRST_PAINT, timeout=PATIENCE_MS).json_value()
            paints.append(float(first))
        medians[path] = round(statistics.median(paints))
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / "speed.json").write_text(json.dumps(medians, indent=1) + "\n")
