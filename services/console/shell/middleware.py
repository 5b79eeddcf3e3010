"""Login is required by default; pages aren't kept by browsers, and show text of others in its true order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from shell.printable import show_unprintable


class PagesMiddleware:
    """Shows control and bidirectional characters in pages as escapes, and lets browsers keep no page after log-out.

    Names, messages and notes are written by others: such a character would hide or reorder what a page shows.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, no_store=True)
        if isinstance(response, HttpResponse) and not response.has_header("Content-Encoding"):
            show_unprintable(response)
        return response


class ZoneMiddleware:
    """Shows times in the zone of the cookie `timezone`, which the page sets; default: UTC.

    Only for reading: the times of forms are in UTC, as their labels state.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD") or (zone := _zone(request.COOKIES.get("timezone", ""))) is None:
            return self.get_response(request)
        with timezone.override(zone):
            return self.get_response(request)


def _zone(name: str) -> ZoneInfo | None:
    """Return the zone of that name; None if there is none."""
    try:
        return ZoneInfo(name) if 0 < len(name) < 64 else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


class LoginMiddleware(LoginRequiredMiddleware):
    """Django's LoginRequiredMiddleware; in addition, fragments redirect the whole page, and scripts get 401.

    Views that need no login are marked with `django.contrib.auth.decorators.login_not_required`.
    """

    def handle_no_permission(  # type: ignore[override]  # not always a redirect
        self, request: HttpRequest, view_func: Any
    ) -> HttpResponseBase:
        """Return the response for a client that must log in first."""
        if HtmxDetails(request):
            page = urlsplit(request.headers.get("HX-Current-URL", ""))
            back = f"{page.path or '/'}?{page.query}" if page.query else page.path or "/"
            return HttpResponseClientRedirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': back})}")
        if not request.accepts("text/html"):
            return JsonResponse({"error": "log in first"}, status=401)
        return super().handle_no_permission(request, view_func)
