"""Login is required by default; anonymous requests are redirected in a way that their client can follow."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails


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
