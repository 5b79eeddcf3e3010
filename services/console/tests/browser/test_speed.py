"""How soon each page shows something. The figures are kept in var/screenshots/speed.json."""

from __future__ import annotations

import json
import statistics

from tests.browser.conftest import SCREENSHOTS, NewContext, Visitor

PAGES = ("/", "/dashboards/", "/d/platform-overview", "/traces", "/logs", "/services", "/services/orders")
LIMIT_MS = 1000.0
ROUNDS = 5
_FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def test_each_page_shows_its_first_content_within_a_second(new_context: NewContext) -> None:
    visit = Visitor(new_context().new_page())
    medians: dict[str, float] = {}
    for path in PAGES:
        paints = []
        for _ in range(ROUNDS):
            visit(path, check=False)
            first = visit.page.evaluate(_FIRST_PAINT)
            assert first is not None, f"{path} painted nothing"
            paints.append(float(first))
        medians[path] = round(statistics.median(paints))
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / "speed.json").write_text(json.dumps(medians, indent=1) + "\n")
    slow = {path: median for path, median in medians.items() if median >= LIMIT_MS}
    assert not slow, f"first content (median of {ROUNDS}, ms) over {LIMIT_MS:.0f}: {slow}; all: {medians}"
