"""Turns errors outside of REST framework (bad Host, unknown path, oversized body, crash) into problem+json."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from contracts.api.problems import CONTENT_TYPE, problem_response

_CODES = {
    400: ("bad_request", "The request can't be understood."),
    403: ("forbidden", "You may not do that."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address doesn't take that method."),
    413: ("payload_too_large", "The request body is too large."),
    500: ("internal_error", "Something went wrong here. The trace id leads to what it was."),
}


class ProblemMiddleware:
    """Second in MIDDLEWARE, after the telemetry: refuses a bad Content-Length, rewrites Django's own HTML errors."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        refusal = _refuse_content_length(request)
        if refusal is not None:
            return refusal
        response = self.get_response(request)
        if response.status_code < 400 or response.streaming:
            return response
        content_type = response.get("Content-Type", "")
        if content_type.startswith((CONTENT_TYPE, "application/json")):
            return response
        phrase = HTTPStatus(response.status_code).phrase
        code, detail = _CODES.get(response.status_code, (phrase.lower().replace(" ", "_"), phrase))
        problem = problem_response(response.status_code, code, detail)
        for header in ("Allow", "Retry-After", "WWW-Authenticate"):
            if header in response:
                problem[header] = response[header]
        problem.cookies = response.cookies
        return problem


def _refuse_content_length(request: HttpRequest) -> HttpResponse | None:
    if "HTTP_TRANSFER_ENCODING" in request.META:
        # Django doesn't read a body without a length: it would appear empty.
        return problem_response(411, "length_required", "Send the body with a Content-Length, not in chunks.")
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if not (declared.isascii() and declared.isdigit()):
        return problem_response(400, "bad_content_length", "Content-Length is not a number.")
    if len(declared) > 18 or int(declared) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        return problem_response(413, "payload_too_large", f"The request body is over {limit} bytes.")
    return None
