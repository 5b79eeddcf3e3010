"""A service's first user: created once for each database; the password is shown once and not stored."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from catalogue import Service

from platformctl.app import Platform
from platformctl.errors import PlatformError
from platformctl.run.one_shots import OneShots

DEADLINE_SECONDS = 60


@dataclass(frozen=True)
class FirstUser:
    """The credentials of the first user, and the URL to log in."""

    url: str
    name: str
    password: str


def ensure(platform: Platform, service: Service) -> FirstUser | None:
    """Create the first user if the service's database has none; returns None if it already has users.

    Raises PlatformError if the command fails.
    """
    mark = platform.paths.lib / "one-shots" / f"{service.name}-first-user"
    migrated = OneShots(mark.parent).is_current(platform.process(f"{service.name}-migrate"))
    if service.first_user is None or mark.exists() or not migrated:
        return None
    done = subprocess.run(
        [str(platform.paths.python), "manage.py", service.first_user],
        cwd=platform.paths.root / service.folder,
        env=os.environ | platform.environment.of_command(service.name),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    if done.returncode != 0:
        raise PlatformError(
            f"the first user of {service.name} could not be created",
            detail=done.stderr.splitlines()[-10:],
            advice=f"make logs s={service.name}",
        )
    mark.touch()
    name, _, password = done.stdout.strip().partition(" ")
    return FirstUser(platform.process(service.name).url, name, password) if password else None
