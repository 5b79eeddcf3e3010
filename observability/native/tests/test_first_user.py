"""The console's first user is created once, and only if the database has its tables."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import catalogue
import pytest
from platformctl import first_user
from platformctl.app import Platform
from platformctl.errors import PlatformError
from platformctl.first_user import FirstUser
from platformctl.run.model import Group, Process
from platformctl.run.one_shots import OneShots

MIGRATE = Process(name="console-migrate", group=Group.SERVICE, command=("migrate",), one_shot=True)
CONSOLE = Process(name="console", group=Group.SERVICE, command=("gunicorn",), url="http://127.0.0.1:8000/")


def ensure(platform: Platform) -> FirstUser | None:
    return first_user.ensure(platform, catalogue.load().services["console"])


class Runs:
    """A fake subprocess.run that returns what manage.py would and counts the calls."""

    def __init__(self, output: str = "admin secret\n", code: int = 0) -> None:
        self.answer = subprocess.CompletedProcess(["manage.py"], code, output, "Traceback\nOperationalError: away")
        self.count = 0

    def __call__(self, *args: Any, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        self.count += 1
        return self.answer


def clone(folder: Path, *, migrated: bool = True) -> Platform:
    """The minimum of a platform that the test needs."""
    if migrated:
        OneShots(folder / "one-shots").succeeded(MIGRATE)
    stand_in = SimpleNamespace(
        paths=SimpleNamespace(lib=folder, root=folder, python=Path("python")),
        process={"console-migrate": MIGRATE, "console": CONSOLE}.__getitem__,
        environment=SimpleNamespace(of_command=lambda name: {}),
    )
    return cast(Platform, stand_in)


def test_the_first_user_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs()
    monkeypatch.setattr(subprocess, "run", runs)
    assert ensure(clone(tmp_path)) == FirstUser("http://127.0.0.1:8000/", "admin", "secret")
    assert ensure(clone(tmp_path)) is None
    assert runs.count == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "secret" in path.read_text()]


def test_a_database_with_users_gets_no_first_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", Runs(output=""))
    assert ensure(clone(tmp_path)) is None


def test_without_tables_no_first_user_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs()
    monkeypatch.setattr(subprocess, "run", runs)
    assert ensure(clone(tmp_path, migrated=False)) is None
    assert runs.count == 0


def test_a_failure_is_reported_and_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", Runs(code=1))
    with pytest.raises(PlatformError, match="first user of console could not be created"):
        ensure(clone(tmp_path))
    monkeypatch.setattr(subprocess, "run", Runs())
    assert ensure(clone(tmp_path)) is not None
