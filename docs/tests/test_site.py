"""The site is built strictly, holds every page, and loads nothing from another host."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from platform_docs.hooks import SCRIPTS
from platform_docs.repository import ROOT

LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}
# Links that the browser doesn't fetch by itself.
NOT_FETCHED = {"canonical", "prev", "next", "edit", "alternate"}


class _Resources(HTMLParser):
    """Collects what a page makes the browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and set((given.get("rel") or "").split()) & NOT_FETCHED:
            return
        if tag in LOADED and given.get(LOADED[tag]):
            self.found.append(str(given[LOADED[tag]]))


def _pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


@pytest.mark.timeout(300)
def test_every_page_loads_only_what_the_site_has(site: Path) -> None:
    pages = _pages(site)
    assert len(pages) > 80
    for page in pages:
        resources = _Resources()
        resources.feed(page.read_text())
        for address in resources.found:
            assert not re.match(r"https?:|//", address), f"{page.relative_to(site)} loads {address}"
            # 404.html is served for any address, so its own addresses are absolute.
            start = site if address.startswith("/") else page.parent
            path = (start / address.lstrip("/").split("?")[0].split("#")[0]).resolve()
            assert path.is_file(), f"{page.relative_to(site)} loads {address}, which the site doesn't have"


def test_the_theme_finds_its_scripts_on_the_site(site: Path) -> None:
    for address in SCRIPTS:
        assert (site / address).stat().st_size > 500, address
    architecture = (site / "explanation" / "architecture.html").read_text()
    assert 'class="mermaid"' in architecture
    # The theme loads mermaid from a CDN unless a script of the page has defined it.
    assert re.search(r'<script src="[^"]*assets/mermaid.tiny.js"', architecture)


def test_every_runbook_is_a_page(site: Path) -> None:
    runbooks = {path.stem for path in (ROOT / "alerts" / "runbooks").glob("*.md")}
    published = {path.stem for path in (site / "reference" / "alerts" / "runbooks").glob("*.html")}
    assert runbooks
    assert published == runbooks


def test_the_search_index_has_generated_pages(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text())
    found = {entry["location"].split("#")[0] for entry in index["docs"]}
    assert {"reference/library-settings.html", "explanation/patches.html", "measurements.html"} <= found
