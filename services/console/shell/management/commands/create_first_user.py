"""`manage.py create_first_user`: creates the first user. Idempotent."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from shell.roles import RESPONDER

PASSWORD_BYTES = 15


class Command(BaseCommand):
    """Creates the first user, with the role responder and a random password, if there is no user yet."""

    help = "Create the first user and print name and password; does nothing when there is any user."

    def add_arguments(self, parser: CommandParser) -> None:
        """The name."""
        parser.add_argument("--name", default="admin", help="the user's name (default: %(default)s)")

    def handle(self, *args: Any, **options: Any) -> str | None:
        """Print `name password` on one line, or nothing: the password is not stored anywhere else."""
        with transaction.atomic():
            # A second, concurrent call waits here and then finds the user created by the first.
            responders = Group.objects.select_for_update().get(name=RESPONDER)
            if User.objects.exists():
                return None
            password = secrets.token_urlsafe(PASSWORD_BYTES)
            user = User.objects.create_superuser(options["name"], password=password)
            user.groups.add(responders)
        return f"{user.get_username()} {password}"
