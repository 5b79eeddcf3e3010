"""A service from the template: its folder, its entry, and what is refused."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import catalogue
import pytest
from platformctl.app import Platform
from platformctl.dev import new_service
from platformctl.errors import PlatformError


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Platform:
    """As much of a clone as a new service touches, with this environment's tools."""
    shutil.copytree(root / "services" / "_template", tmp_path / "services" / "_template")
    for name in ("catalogue", "contracts"):
        (tmp_path / "services" / name).mkdir()
    shutil.copy(catalogue.default_path(), tmp_path / "services" / "catalogue")
    shutil.copy(root / "pyproject.toml", tmp_path)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    return Platform(tmp_path, environ={})


def entries(clone: Platform) -> catalogue.Catalogue:
    # Loaded anew: the file has changed.
    catalogue.load.cache_clear()
    return catalogue.load(clone.paths.root / "services" / "catalogue" / "catalogue.yaml")


def test_the_entry_is_added_to_the_catalogue_and_leaves_the_rest_as_it_is(clone: Platform) -> None:
    file = clone.paths.root / "services" / "catalogue" / "catalogue.yaml"
    before = file.read_text()
    created = new_service.create(clone, "newcomer", "guests", "checkout")
    assert file.read_text().replace(f"{created.entry}\n", "") == before
    service = entries(clone).services["newcomer"]
    assert (service.app, service.owner, service.database) == ("guests", "checkout", "newcomer")
    assert [edge.callee for edge in service.depends_on] == ["users", "postgresql", "rabbitmq"]
    assert entries(clone).queues["newcomer.orders"].events == ("order.confirmed.v1",)


def test_a_second_service_gets_other_ports(clone: Platform) -> None:
    new_service.create(clone, "newcomer")
    clone.catalogue = entries(clone)
    new_service.create(clone, "latecomer")
    first, second = (entries(clone).services[name].web().http_port for name in ("newcomer", "latecomer"))
    assert first is not None
    assert second == first + 1


def test_the_folder_has_the_structure_of_the_others_under_its_own_names(clone: Platform) -> None:
    folder = clone.paths.root / new_service.create(clone, "newcomer", "guests").folder
    assert folder == clone.paths.root / "services" / "newcomer"
    wanted = {"README.md", "manage.py", "config/settings.py", "guests/models.py", "guests/api/views.py"}
    assert wanted <= {str(path.relative_to(folder)) for path in folder.rglob("*")}
    assert not (folder / new_service.ENTRY).exists()
    placeholders = re.compile(r"new_?(service|app|owner)|6500\d", re.IGNORECASE)
    for path in folder.rglob("*"):
        assert not placeholders.search(path.name), path
        if path.is_file():
            assert not placeholders.search(path.read_text()), path
    port = entries(clone).services["newcomer"].web().http_port
    assert f"kinds.port({port})" in (folder / "config" / "environment.py").read_text()


@pytest.mark.parametrize(("name", "app"), [("newcomer", "guests"), ("abacus", "aaa"), ("zeppelin", "z" * 30)])
def test_what_is_created_is_clean_by_ruff(clone: Platform, name: str, app: str) -> None:
    folder = clone.paths.root / new_service.create(clone, name, app).folder
    for command in (["check"], ["format", "--check"]):
        checked = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(folder)],
            cwd=clone.paths.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("name", "app", "owner"),
    [
        ("orders", "guests", "checkout"),
        ("jaeger", "guests", "checkout"),
        ("contracts", "guests", "checkout"),
        ("newcomer", "ordering", "checkout"),
        ("newcomer", "config", "checkout"),
        ("newcomer", "requests", "checkout"),
        ("Newcomer", "guests", "checkout"),
        ("ship-ping", "guests", "checkout"),
        ("../ship", "guests", "checkout"),
        ("s", "guests", "checkout"),
        ("newcomer", "guests", "a team"),
    ],
)
def test_a_name_that_can_not_be_used_is_refused_and_nothing_changes(
    clone: Platform, name: str, app: str, owner: str
) -> None:
    before = sorted(clone.paths.root.rglob("services/**/*"))
    text = (clone.paths.root / "services" / "catalogue" / "catalogue.yaml").read_text()
    with pytest.raises(PlatformError, match="can be created"):
        new_service.create(clone, name, app, owner)
    assert sorted(clone.paths.root.rglob("services/**/*")) == before
    assert (clone.paths.root / "services" / "catalogue" / "catalogue.yaml").read_text() == text


def test_a_failure_halfway_leaves_nothing_behind(clone: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PlatformError("ruff failed")

    monkeypatch.setattr(new_service, "_tidy", fail)
    text = (clone.paths.root / "services" / "catalogue" / "catalogue.yaml").read_text()
    with pytest.raises(PlatformError, match="ruff failed"):
        new_service.create(clone, "newcomer")
    assert not (clone.paths.root / "services" / "newcomer").exists()
    assert (clone.paths.root / "services" / "catalogue" / "catalogue.yaml").read_text() == text
