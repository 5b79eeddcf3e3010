"""The console's first user: made once for each database, the password shown once and kept nowhere."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from platformctl.app import Platform
from platformctl.errors import PlatformError
from platformctl.run.environment import CONSOLE
from platformctl.run.one_shots import OneShots

DEADLINE_SECONDS = 60


@dataclass(frozen=True)
class FirstUser:
    """Who can log in, and where."""

    url: str
    name: str
    password: str


def ensure(platform: Platform) -> FirstUser | None:
    """Make the first user when the console has a database without users; None when there was nothing to make.

    Raises PlatformError when the command fails.
    """
    mark = platform.paths.lib / "one-shots" / f"{CONSOLE}-first-user"
    migrated = OneShots(mark.parent).is_current(platform.process(f"{CONSOLE}-migrate"))
    if mark.exists() or not migrated:
        return None
    done = subprocess.run(
        [str(platform.paths.python), "manage.py", "create_first_user"],
        cwd=platform.paths.root / "services" / CONSOLE,
        env=os.environ | platform.environment.of_command(CONSOLE),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    if done.returncode != 0:
        raise PlatformError(
            "the console's first user could not be made",
            detail=done.stderr.splitlines()[-10:],
            advice=f"make logs s={CONSOLE}",
        )
    mark.touch()
    name, _, password = done.stdout.strip().partition(" ")
    return FirstUser(platform.process(CONSOLE).url, name, password) if password else None
