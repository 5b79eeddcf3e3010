"""A viewer and a responder, logged in."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from shell.roles import RESPONDER, VIEWER

PASSWORD = "correct horse battery staple"


def user_with(role: str, name: str = "") -> User:
    """A user with a role."""
    user = User.objects.create_user(name or f"{role}-of-tests", password=PASSWORD)
    user.groups.add(Group.objects.get(name=role))
    return user


def logged_in(user: User) -> Client:
    """Return a test client with this user's session."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def viewer(db: None) -> User:
    """A user who may only view."""
    return user_with(VIEWER)


@pytest.fixture
def responder(db: None) -> User:
    """A user who may act."""
    return user_with(RESPONDER)


@pytest.fixture
def viewer_client(viewer: User) -> Client:
    """A client of the viewer."""
    return logged_in(viewer)


@pytest.fixture
def responder_client(responder: User) -> Client:
    """A client of the responder."""
    return logged_in(responder)
