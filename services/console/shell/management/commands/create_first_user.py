"""`manage.py create_first_user`: creates the first user. Idempotent."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from shell.roles import RESPONDER

PASSWORD_BYTES = 15


class Command(BaseCommand):
    """Creates the first user, with the role responder, if there is no user yet.

    The password is the content of a file, which can be read again later, or a random one.
    """

    help = "Create the first user and print name and password; does nothing when there is any user."

    def add_arguments(self, parser: CommandParser) -> None:
        """The name and where the password is."""
        parser.add_argument("--name", default="admin", help="the user's name (default: %(default)s)")
        parser.add_argument("--password-file", type=Path, help="a file with the password (default: a random one)")

    def handle(self, *args: Any, **options: Any) -> str | None:
        """Print `name password` on one line, or nothing: a random password is not stored anywhere else."""
        with transaction.atomic():
            # A second, concurrent call waits here and then finds the user created by the first.
            responders = Group.objects.select_for_update().get(name=RESPONDER)
            if User.objects.exists():
                return None
            password = _password(options["password_file"])
            user = User.objects.create_superuser(options["name"], password=password)
            user.groups.add(responders)
        return f"{user.get_username()} {password}"


def _password(file: Path | None) -> str:
    if file is None:
        return secrets.token_urlsafe(PASSWORD_BYTES)
    try:
        password = file.read_text().strip()
    except OSError as error:
        raise CommandError(f"--password-file: {error.strerror}: {file}") from error
    if not password:
        raise CommandError(f"--password-file: {file} is empty")
    return password
