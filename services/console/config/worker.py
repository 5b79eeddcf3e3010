"""The console's gunicorn worker: browsers get a page for a malformed request, such as one with too long an address."""

from __future__ import annotations

from html import escape
from typing import Any

from contracts.api.gunicorn import ProblemWorker

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{detail}</p><p>Request {request_id}</p><p><a href="/">Back to the incidents</a></p></body>
</html>
"""


class PageWorker(ProblemWorker):
    """Answers malformed requests with HTML. No template: Django never sees such a request."""

    def represent(self, problem: dict[str, Any]) -> tuple[str, bytes]:
        """Return the problem as a page."""
        shown = {name: escape(str(problem[name])) for name in ("title", "detail", "request_id")}
        return "text/html; charset=utf-8", _PAGE.format(**shown).encode()
