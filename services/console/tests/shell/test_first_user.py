"""`manage.py create_first_user`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from shell.roles import is_responder

pytestmark = pytest.mark.django_db


def run(**options: object) -> str:
    """Return what the command prints."""
    out = io.StringIO()
    call_command("create_first_user", stdout=out, **options)
    return out.getvalue().strip()


def test_the_first_user_can_log_in_and_act() -> None:
    name, password = run().split(" ")
    assert Client().post("/login", {"username": name, "password": password}).status_code == 302
    assert is_responder(User.objects.get(username=name))


def test_a_second_run_changes_nothing_and_prints_nothing() -> None:
    name, password = run().split(" ")
    assert run(name="someone-else") == ""
    assert [user.username for user in User.objects.all()] == [name]
    assert User.objects.get().check_password(password)


def test_passwords_are_random(django_user_model: type[User]) -> None:
    first = run().split(" ")[1]
    django_user_model.objects.all().delete()
    second = run().split(" ")[1]
    assert first != second
    assert min(len(first), len(second)) >= 20


def test_the_password_is_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from-a-store\n")
    assert run(password_file=file) == "admin from-a-store"
    assert User.objects.get().check_password("from-a-store")


@pytest.mark.parametrize("content", [None, "\n"])
def test_a_password_file_without_a_password_creates_no_user(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)
    with pytest.raises(CommandError, match="--password-file: "):
        run(password_file=file)
    assert not User.objects.exists()


def test_further_users_get_the_requested_role() -> None:
    out = io.StringIO()
    call_command("create_user", "eve", "--role", "viewer", stdout=out)
    name, password = out.getvalue().split()
    assert Client().post("/login", {"username": name, "password": password}).status_code == 302
    assert not is_responder(User.objects.get(username="eve"))


def test_a_user_name_is_unique() -> None:
    call_command("create_user", "eve", stdout=io.StringIO())
    with pytest.raises(CommandError, match="there is a user eve already"):
        call_command("create_user", "eve", stdout=io.StringIO())
