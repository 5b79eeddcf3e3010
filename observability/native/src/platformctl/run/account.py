"""The system account that runs the backends: several of them refuse to run as root, none needs root."""

from __future__ import annotations

import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from platformctl.errors import PlatformError
from platformctl.paths import is_plain
from platformctl.run.supervisor import processes_of

OUTSIDE_STATE = Path("/var/lib/django-observability")


@dataclass(frozen=True)
class Account:
    """A system account with a group of the same name."""

    name: str

    def command(self, *argv: str) -> tuple[str, ...]:
        """The command line that runs `argv` as this account in the same process (setpriv replaces itself)."""
        return (
            "setpriv",
            f"--reuid={self.name}",
            f"--regid={self.name}",
            "--clear-groups",
            "--no-new-privs",
            "--",
            *argv,
        )

    def own(self, path: Path) -> None:
        """Make this account the owner of `path`. The account must exist."""
        shutil.chown(path, self.name, self.name)


BACKENDS = Account("django-observability")


def ensure_account(account: Account) -> None:
    """Create the account if it is missing. Needs root. Raises PlatformError."""
    try:
        pwd.getpwnam(account.name)
    except KeyError:
        _create(account.name)


def _create(name: str) -> None:
    created = subprocess.run(
        [
            *("useradd", "--system", "--user-group", "--no-create-home"),
            *("--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if created.returncode != 0:
        raise PlatformError(f"could not create the account {name}", detail=created.stderr.splitlines())


def prepare_var(var: Path, instance: str) -> None:
    """Create `var` where the account can reach it and every backend can read its path.

    If only root may enter a parent folder of the clone (/root), or the clone's path has characters that some backend
    misreads, its state is in /var/lib/django-observability instead, and `var` is a link to it. Raises PlatformError if
    existing state would have to move while the platform runs.
    """
    if var.is_symlink():
        var.resolve().mkdir(parents=True, exist_ok=True)
    elif is_plain(var.resolve()) and all(_others_may_enter(parent) for parent in var.resolve().parents):
        var.mkdir(exist_ok=True)
    else:
        _move_outside(var, OUTSIDE_STATE / instance, instance)
    for folder in (OUTSIDE_STATE, var.resolve()):
        if folder.exists():
            folder.chmod(0o755)


def _move_outside(var: Path, outside: Path, instance: str) -> None:
    if var.is_dir() and processes_of(instance):
        raise PlatformError(f"{var} has to move to {outside}, and the platform runs", advice="make down, then make up")
    outside.mkdir(parents=True, exist_ok=True)
    if var.is_dir():
        # Secrets are created on first use.
        for entry in var.iterdir():
            shutil.move(entry, outside / entry.name)
        var.rmdir()
    var.symlink_to(outside)


def remove_outside(var: Path) -> None:
    """Remove the folder and the link that `prepare_var` made outside the clone, if nothing is left in it."""
    outside = var.resolve()
    if var.is_symlink() and outside.parent == OUTSIDE_STATE and outside.is_dir() and not any(outside.iterdir()):
        outside.rmdir()
        var.unlink()


def _others_may_enter(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


def ensure_private_folder(path: Path, account: Account) -> None:
    """Make `path` a folder that only the account may enter."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o750)
    account.own(path)
