"""A service's response, and the check against the response that the journey expects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROBLEM_TYPE = "application/problem+json"
TRACE_RESPONSE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
TRACE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Answer:
    """One response: the status (0: no response), the decoded JSON (None: not JSON) and the trace id."""

    status: int
    content_type: str
    body: Any
    trace_id: str | None


def trace_id_of(headers: Mapping[str, str], body: Any = None) -> str | None:
    """The trace id of the `traceresponse` header, else the one in the problem document, else None."""
    if match := TRACE_RESPONSE.fullmatch(headers.get("traceresponse", "").strip()):
        return match[1]
    named = body.get("trace_id") if isinstance(body, dict) else None
    return named if isinstance(named, str) and TRACE_ID.fullmatch(named) else None


def fault_in(answer: Answer, expect: int, code: str | None) -> str | None:
    """Describe what is wrong with the response, or return None. An expected error must be a problem with a trace id."""
    if answer.status != expect:
        return f"expected {expect}, got {_describe(answer)}"
    if answer.status < 400:
        return None
    if not answer.content_type.startswith(PROBLEM_TYPE):
        return f"expected {PROBLEM_TYPE}, got {answer.content_type or 'no content type'}"
    if not isinstance(answer.body, dict) or answer.body.get("status") != answer.status:
        return "the problem's `status` is not the answer's"
    if answer.trace_id is None:
        return "the problem names no trace"
    if code is not None and answer.body.get("code") != code:
        return f"expected code {code}, got {answer.body.get('code')}"
    return None


def _describe(answer: Answer) -> str:
    if answer.status == 0:
        return "no answer"
    words = [str(answer.status)]
    if isinstance(answer.body, dict):
        words += [str(answer.body[key]) for key in ("code", "dependency") if answer.body.get(key)]
    return " ".join(words)
