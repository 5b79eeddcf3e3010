"""Parts of pages that load separately. While a backend is unavailable, its part shows a note; the page still works."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from backends.errors import BackendDown, BackendRejected
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]


def fragment(name: str) -> Callable[[View], View]:
    """A view that renders a part of a page, called `name` for users. Login is required, as everywhere.

    BackendDown becomes a note with status 200 and `data-backend-down`, so that the page shows it in place of the part.
    """

    def decorate(view: View) -> View:
        @never_cache
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                return view(request, *args, **kwargs)
            except BackendDown as error:
                logger.warning("No %s: %s", name, error)
                return note(request, name, error)

        return guarded

    return decorate


def note(request: HttpRequest, name: str, error: BackendDown) -> HttpResponseBase:
    """Return the note shown in place of the part `name` when it is unavailable."""
    context = {
        "name": name,
        "backend": error.backend,
        "reason": error.reason,
        "rejected": isinstance(error, BackendRejected),
        "retry_url": request.get_full_path(),
    }
    return render(request, "shell/_note.html", context)
