"""The license, versions and commands in the repository's texts are correct."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROJECTS = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*pyproject.toml"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
)
TEXTS = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
    *sorted((ROOT / ".github").rglob("*.yml")),
)


def project(path: Path) -> dict[str, object]:
    found: dict[str, object] = tomllib.loads(path.read_text())["project"]
    return found


def version() -> str:
    return str(project(ROOT / "pyproject.toml")["version"])


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_every_package_has_the_license_and_the_version_of_the_repository(path: Path) -> None:
    assert project(path)["license"] == "Apache-2.0"
    assert project(path)["version"] == version()


def test_the_library_carries_the_license() -> None:
    assert (ROOT / "observability/django_telemetry/LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_the_changelog_describes_the_version() -> None:
    headings = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d\d-\d\d)?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", version()]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_make_exist(path: Path) -> None:
    used = set(re.findall(r"(?:`|: |^ +)make ([a-z][a-z0-9-]*)", path.read_text(), re.MULTILINE))
    assert used <= set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
