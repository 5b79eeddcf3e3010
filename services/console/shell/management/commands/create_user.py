"""`manage.py create_user NAME --role viewer`: adds a user."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction

from shell.management.commands.create_first_user import PASSWORD_BYTES
from shell.roles import ROLES, VIEWER


class Command(BaseCommand):
    """Creates a user with a role and a random password."""

    help = "Create a user and print name and password."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name and role."""
        parser.add_argument("name")
        parser.add_argument("--role", choices=ROLES, default=VIEWER, help="default: %(default)s")

    def handle(self, *args: Any, **options: Any) -> str:
        """Print `name password` on one line. Raises CommandError if the user exists."""
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        try:
            with transaction.atomic():
                user = User.objects.create_user(options["name"], password=password)
                user.groups.add(Group.objects.get(name=options["role"]))
        except IntegrityError:
            raise CommandError(f"there is a user {options['name']} already") from None
        return f"{options['name']} {password}"
