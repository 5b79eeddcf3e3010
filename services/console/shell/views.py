"""Login, runbooks, health, and error pages."""

from __future__ import annotations

from typing import Any

from contracts.api import clients, health
from django.conf import settings
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe
from django_htmx.middleware import HtmxDetails
from django_telemetry import context

from shell import runbooks
from shell.palette import places

livez = login_not_required(health.livez)
readyz = login_not_required(health.readyz)


@method_decorator(login_not_required, name="dispatch")
class LoginView(auth_views.LoginView):
    """The login page."""

    template_name = "shell/login.html"
    redirect_authenticated_user = True


def client_address(request: HttpRequest) -> str | None:
    """Return the client's address behind TRUSTED_PROXIES, for the limit on wrong passwords."""
    found = clients.address(request, settings.TRUSTED_PROXIES)
    return str(found) if found is not None else None


logout = auth_views.LogoutView.as_view()


@require_safe
def runbook_list(request: HttpRequest) -> HttpResponse:
    """All runbooks."""
    return render(request, "shell/runbooks.html", {"names": runbooks.names()})


@require_safe
def runbook(request: HttpRequest, alert: str) -> HttpResponse:
    """One alert's runbook."""
    found = runbooks.find(alert)
    if found is None:
        raise Http404(f"There is no runbook {alert}.")
    return render(request, "shell/runbook.html", {"runbook": found})


@require_safe
def palette(request: HttpRequest) -> JsonResponse:
    """The entries of the command palette."""
    return JsonResponse({"places": places()})


def locked_out(
    request: HttpRequest, credentials: dict[str, Any] | None = None, *args: Any, **kwargs: Any
) -> HttpResponse:
    """Too many wrong passwords: axes' response, with the time to wait in Retry-After (seconds)."""
    response = render(request, "shell/locked.html", status=429)
    response["Retry-After"] = "900"
    return response


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403, with the missing permission if the view named it."""
    said = str(exception) if isinstance(exception, PermissionDenied) and exception.args else "You may not do that."
    return _error(request, 403, "Not allowed", said)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404."""
    said = str(exception.args[0]) if isinstance(exception, Http404) and exception.args else ""
    return _error(request, 404, "Nothing here", said if said and "tried" not in said else "There is no such page.")


def server_error(request: HttpRequest) -> HttpResponse:
    """500, with the id of its trace."""
    return _error(request, 500, "Something went wrong here", "The trace leads to what it was.")


def _error(request: HttpRequest, status: int, title: str, said: str) -> HttpResponse:
    ids = context.trace_ids()
    body = {"status": status, "title": title, "said": said, "trace_id": ids[0] if ids else ""}
    template = "shell/_error.html" if HtmxDetails(request) else "shell/error.html"
    return render(request, template, body, status=status)
