"""Permissions of the roles."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from shell.roles import is_responder, responder_required


@responder_required
def act(request: HttpRequest) -> HttpResponse:
    """A view for responders only."""
    return HttpResponse("done")


def request_of(user: User) -> HttpRequest:
    """Build a request of a user."""
    request = RequestFactory().post("/")
    request.user = user
    return request


def test_a_responder_may_act(responder: User) -> None:
    assert act(request_of(responder)).status_code == 200


def test_a_viewer_may_not_act(viewer: User) -> None:
    with pytest.raises(PermissionDenied, match="responder"):
        act(request_of(viewer))


def test_an_inactive_responder_may_not_act(responder: User) -> None:
    responder.is_active = False
    assert not is_responder(responder)
