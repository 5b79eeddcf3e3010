"""The location of a clone's state, which the backends' account must reach."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from platformctl.run import account
from platformctl.run.account import Account


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "outside"
    monkeypatch.setattr(account, "OUTSIDE_STATE", folder)
    return folder


def open_up(folder: Path, base: Path) -> None:
    """Let other accounts enter the folders from `base` to `folder`, which pytest keeps closed."""
    while folder != base.parent:
        folder.chmod(0o755)
        folder = folder.parent


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pytest's folder for this test. The folders above it count as open."""
    above = set(tmp_path.parents)
    real = account._others_may_enter
    monkeypatch.setattr(account, "_others_may_enter", lambda folder: folder in above or real(folder))
    return tmp_path


def test_a_clone_in_an_open_folder_keeps_its_state_inside(base: Path, outside: Path) -> None:
    clone = base / "clone"
    clone.mkdir()
    open_up(clone, base)
    account.prepare_var(clone / "var", "abc")
    assert not (clone / "var").is_symlink()
    assert not outside.exists()


def test_a_clone_in_a_closed_folder_keeps_its_state_outside_under_a_link(base: Path, outside: Path) -> None:
    clone = base / "closed" / "clone"
    clone.mkdir(parents=True)
    open_up(clone, base)
    clone.parent.chmod(0o700)
    account.prepare_var(clone / "var", "abc")
    assert (clone / "var").resolve() == outside / "abc"
    account.prepare_var(clone / "var", "abc")
    assert (outside / "abc").is_dir()


def test_existing_state_is_moved_along(base: Path, outside: Path) -> None:
    clone = base / "closed" / "clone"
    (clone / "var" / "secrets").mkdir(parents=True)
    (clone / "var" / "secrets" / "a").write_text("secret")
    open_up(clone, base)
    clone.parent.chmod(0o700)
    account.prepare_var(clone / "var", "abc")
    assert (outside / "abc" / "secrets" / "a").read_text() == "secret"
    assert (clone / "var" / "secrets" / "a").read_text() == "secret"


def test_a_command_as_the_account_has_its_ids_and_none_of_our_groups() -> None:
    command = Account("daemon").command("sh", "-c", "id -un; id -Gn")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["daemon", "daemon"]
