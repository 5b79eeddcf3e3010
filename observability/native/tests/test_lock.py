"""requirements.lock: no URLs, every hash present, and none of our own packages from a registry."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOCK = (ROOT / "requirements.lock").read_text()


def _projects() -> dict[Path, dict[str, object]]:
    files = [path for path in ROOT.glob("*/**/pyproject.toml") if not {".venv", "var"} & set(path.parts)]
    return {path: tomllib.loads(path.read_text())["project"] for path in files}


def test_every_project_is_a_member_of_the_workspace() -> None:
    members = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"])
    folders = {path.parent.relative_to(ROOT) for path in _projects()}
    strangers = {str(folder) for folder in folders if not any(folder.match(pattern) for pattern in members)}
    assert not strangers, f"{strangers} would get our packages' namesakes from the registry: add them to the workspace"


def test_none_of_our_packages_comes_from_a_registry() -> None:
    ours = {str(project["name"]) for project in _projects().values()}
    locked = set(re.findall(r"^([a-z0-9_.-]+)==", LOCK, re.MULTILINE))
    assert locked, "the lock is empty"
    assert not ours & locked, f"{ours & locked} in requirements.lock: unrelated packages of the same name"


def test_the_lock_has_hashes_and_no_addresses() -> None:
    assert "://" not in LOCK
    unhashed = [entry for entry in re.split(r"\n(?=\S)", LOCK.strip()) if "--hash=sha256:" not in entry]
    assert not unhashed, f"without a hash: {unhashed}"
