"""Reference pages, made at every build from what they describe, so that they can't go stale."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from platform_docs.reference import (
    alerts,
    attributes,
    catalogue,
    commands,
    drills,
    library_api,
    library_settings,
    metrics,
    patches,
    settings,
)

PAGES: Mapping[str, Callable[[], str]] = {
    "reference/settings.md": settings.page,
    "reference/library-settings.md": library_settings.page,
    "reference/library-api.md": library_api.page,
    "reference/metrics.md": metrics.page,
    "reference/attributes.md": attributes.page,
    "reference/catalogue.md": catalogue.page,
    "reference/drills.md": drills.page,
    "reference/commands.md": commands.page,
    "explanation/patches.md": patches.page,
}


def pages() -> dict[str, str]:
    """Address on the site → Markdown."""
    return {address: page() for address, page in PAGES.items()} | alerts.pages()
