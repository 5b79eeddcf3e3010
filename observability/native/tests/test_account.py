"""The location of a clone's state, which the backends' account must reach."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as generated
from hypothesis import strategies as st
from platformctl.errors import PlatformError
from platformctl.paths import is_plain
from platformctl.run import account
from platformctl.run.account import Account
from platformctl.run.supervisor import INSTANCE_VARIABLE

# Every name that a folder can have, if it is text.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)


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


@generated(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
@example(name="with space")
@example(name="größe")
@example(name="a[bc]*")
@example(name="$HOME")
@example(name="{{.x}}")
@example(name="per%cent")
@example(name="comma,colon:")
def test_the_path_of_the_state_is_plain_whatever_the_clones_path_is(base: Path, outside: Path, name: str) -> None:
    with tempfile.TemporaryDirectory(dir=base) as folder:
        clone = Path(folder) / name
        (clone / "var" / "secrets").mkdir(parents=True)
        (clone / "var" / "secrets" / "a").write_text("secret")
        open_up(clone, base)
        for _ in range(2):
            account.prepare_var(clone / "var", Path(folder).name)
            assert is_plain((clone / "var").resolve())
            assert (clone / "var" / "secrets" / "a").read_text() == "secret"


def test_state_is_not_moved_while_the_platform_runs(base: Path, outside: Path) -> None:
    clone = base / "with space"
    (clone / "var").mkdir(parents=True)
    environment = os.environ | {INSTANCE_VARIABLE: "running-here"}
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environment) as running:
        with pytest.raises(PlatformError, match="the platform runs"):
            account.prepare_var(clone / "var", "running-here")
        assert (clone / "var").is_dir()
        assert not outside.exists()
        running.communicate(b"\n")
    account.prepare_var(clone / "var", "running-here")
    assert (clone / "var").resolve() == outside / "running-here"


def test_an_empty_folder_outside_is_removed_with_its_link(base: Path, outside: Path) -> None:
    clone = base / "with space"
    clone.mkdir()
    account.prepare_var(clone / "var", "abc")
    (outside / "abc" / "kept").touch()
    account.remove_outside(clone / "var")
    assert (clone / "var").is_symlink()
    (outside / "abc" / "kept").unlink()
    account.remove_outside(clone / "var")
    assert list(clone.iterdir()) == []
    assert list(outside.iterdir()) == []


def test_a_folder_or_a_link_of_the_user_is_not_removed(base: Path, outside: Path) -> None:
    own, clone = base / "own", base / "clone"
    for folder in (own, clone / "var"):
        folder.mkdir(parents=True)
    account.remove_outside(clone / "var")
    (clone / "link").symlink_to(own)
    account.remove_outside(clone / "link")
    assert own.is_dir()
    assert (clone / "var").is_dir()
    assert (clone / "link").is_symlink()


def test_a_command_as_the_account_has_its_ids_and_none_of_our_groups() -> None:
    command = Account("daemon").command("sh", "-c", "id -un; id -Gn")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["daemon", "daemon"]
