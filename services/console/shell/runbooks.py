"""The runbooks (alerts/runbooks/*.md) as pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,99}")


@dataclass(frozen=True)
class Runbook:
    """One alert's runbook."""

    alert: str
    markdown: str

    @property
    def html(self) -> SafeString:
        """Return the HTML, without the first heading (the page has its own). HTML in the source stays text."""
        body = re.sub(r"\A# .*\n", "", self.markdown)
        return render(body)


def find(alert: str) -> Runbook | None:
    """Return the runbook of an alert; None if there is none, or if the name is invalid."""
    if not _NAME.fullmatch(alert):
        return None
    path = Path(settings.RUNBOOKS_DIR) / f"{alert}.md"
    return Runbook(alert, path.read_text()) if path.is_file() else None


def names() -> list[str]:
    """Return the names of all alerts that have a runbook."""
    return sorted(path.stem for path in Path(settings.RUNBOOKS_DIR).glob("*.md") if _NAME.fullmatch(path.stem))


def render(markdown: str) -> SafeString:
    """Render Markdown as HTML. Links with a scheme other than http(s) stay text, HTML is escaped."""
    return mark_safe(_MARKDOWN.render(markdown))  # noqa: S308  (html off: it escapes what isn't its own)


_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")
