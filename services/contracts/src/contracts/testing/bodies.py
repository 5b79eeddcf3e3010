"""Bodies that every JSON endpoint must reject, and the check of the response."""

from __future__ import annotations

import re
from typing import Any

from contracts.api.problems import CONTENT_TYPE

# (what is wrong, body, content type, expected status)
BAD_BODIES: list[tuple[str, bytes, str, int]] = [
    ("empty", b"", "application/json", 400),
    ("cut off", b'{"a": ', "application/json", 400),
    ("not UTF-8", b'{"a": "\xff\xfe"}', "application/json", 400),
    ("a lone surrogate", b'{"a": "\\ud800"}', "application/json", 400),
    ("a lone surrogate as key", b'{"\\udfff": 1}', "application/json", 400),
    ("NaN", b'{"a": NaN}', "application/json", 400),
    ("a key twice", b'{"a": 1, "a": 2}', "application/json", 400),
    ("a list", b"[]", "application/json", 400),
    ("a string", b'"text"', "application/json", 400),
    ("null", b"null", "application/json", 400),
    ("nested too deep", b"[" * 20000, "application/json", 400),
    ("a number with 5000 digits", b'{"a": ' + b"9" * 5000 + b"}", "application/json", 400),
    ("over the size limit", b'{"a": "' + b"x" * 70000 + b'"}', "application/json", 413),
    ("a form", b"a=1", "application/x-www-form-urlencoded", 415),
    ("XML", b"<a/>", "text/xml", 415),
]


def assert_problem(response: Any, status: int, code: str | None = None) -> dict[str, Any]:
    """Assert that a response (of Django's test client) is a problem with that status and code; return its members."""
    shown = f"{response.status_code} {response.get('Content-Type')} {response.content[:500]!r}"
    assert response.status_code == status, f"expected {status}, got {shown}"
    assert response["Content-Type"].startswith(CONTENT_TYPE), f"expected {CONTENT_TYPE}, got {shown}"
    problem = response.json()
    assert problem["status"] == status, f"status member differs from the status line: {shown}"
    assert re.fullmatch(r"[0-9a-f]{32}", problem["trace_id"] or ""), f"expected a trace id, got {shown}"
    assert problem["request_id"], f"expected a request id, got {shown}"
    if code is not None:
        assert problem["code"] == code, f"expected code {code}, got {shown}"
    return problem
