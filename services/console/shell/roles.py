"""Roles and permissions: viewers read, responders also act on incidents."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

VIEWER = "viewer"
RESPONDER = "responder"
ROLES = (VIEWER, RESPONDER)

View = Callable[..., HttpResponseBase]


def is_responder(user: object) -> bool:
    """Return whether this user may acknowledge, silence, note and resolve. Superusers may."""
    if not (isinstance(user, User) and user.is_active):
        return False
    return user.is_superuser or user.groups.filter(name=RESPONDER).exists()


def responder_required(view: View) -> View:
    """A view for responders only; other users get 403 with the role's name."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not is_responder(request.user):
            raise PermissionDenied(f"This needs the role {RESPONDER}.")
        return view(request, *args, **kwargs)

    return checked
