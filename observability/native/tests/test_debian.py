"""Installing packages: no daemon starts, and the machine's own files are restored."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from platformctl.install import debian

FOREIGN_DENYING = "#!/bin/sh\n# of another package\nexit 101\n"
FOREIGN_ALLOWING = "#!/bin/sh\n# of another package\nexit 0\n"


def policy_of(root: Path) -> Path:
    return root / "usr" / "sbin" / "policy-rc.d"


def put(root: Path, text: str) -> Path:
    policy = policy_of(root)
    policy.parent.mkdir(parents=True, exist_ok=True)
    policy.write_text(text)
    policy.chmod(0o755)
    return policy


def denies(root: Path) -> bool:
    return subprocess.run([policy_of(root), "postgresql", "start"], check=False).returncode == 101


def files(root: Path) -> list[str]:
    return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


def test_without_a_policy_daemons_are_held_back_only_during_the_installation(tmp_path: Path) -> None:
    with debian.no_daemons(tmp_path):
        assert denies(tmp_path)
    assert files(tmp_path) == []


def test_a_policy_that_denies_already_is_unchanged(tmp_path: Path) -> None:
    put(tmp_path, FOREIGN_DENYING)
    with debian.no_daemons(tmp_path):
        assert policy_of(tmp_path).read_text() == FOREIGN_DENYING
    assert policy_of(tmp_path).read_text() == FOREIGN_DENYING


def test_a_policy_that_allows_is_restored_even_after_ctrl_c(tmp_path: Path) -> None:
    put(tmp_path, FOREIGN_ALLOWING)
    denied = []

    def interrupted_installation() -> None:
        with debian.no_daemons(tmp_path):
            denied.append(denies(tmp_path))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_installation()
    assert denied == [True]
    assert policy_of(tmp_path).read_text() == FOREIGN_ALLOWING
    assert files(tmp_path) == ["usr/sbin/policy-rc.d"]


def test_the_leftovers_of_a_killed_installation_are_cleaned_up_by_the_next(tmp_path: Path) -> None:
    put(tmp_path, FOREIGN_ALLOWING)
    policy_of(tmp_path).rename(policy_of(tmp_path).with_name("policy-rc.d.before-django-observability"))
    put(tmp_path, debian.POLICY)
    with debian.no_daemons(tmp_path):
        assert denies(tmp_path)
    assert policy_of(tmp_path).read_text() == FOREIGN_ALLOWING
    assert files(tmp_path) == ["usr/sbin/policy-rc.d"]


def test_no_main_cluster_is_created_and_the_users_settings_stay(tmp_path: Path) -> None:
    own = tmp_path / "etc" / "postgresql-common" / "createcluster.d" / "mine.conf"
    own.parent.mkdir(parents=True)
    own.write_text("data_directory = '/mine'\n")
    with debian.no_main_cluster(tmp_path):
        others = [file for file in own.parent.iterdir() if file != own]
        assert [file.read_text() for file in others] == [debian.CLUSTER_CONFIGURATION]
        assert own.read_text() == "data_directory = '/mine'\n"
    assert list(own.parent.iterdir()) == [own]


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert debian.installed_version("no-such-package-anywhere") is None
    assert debian.installed_version("dpkg") is not None
