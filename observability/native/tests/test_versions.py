"""The installed versions are those of versions.env."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from platformctl.install import versions
from platformctl.install.locations import GO_TOOLS


@pytest.mark.parametrize("tool", GO_TOOLS)
def test_a_go_tool_has_the_version_that_is_pinned(root: Path, tool: str) -> None:
    module = (root / "observability" / "native" / "tools" / tool / "go.mod").read_text()
    package = re.findall(r"^(?:tool |\t)([^\s()]+)$", module, re.MULTILINE)[0]
    required = dict(re.findall(r"^\s*(\S+) (v\S+)", module, re.MULTILINE))
    owner = max((name for name in required if package.startswith(f"{name}/")), key=len)
    assert required[owner] == versions.load(root)[f"{tool.replace('-', '_').upper()}_VERSION"]


@pytest.mark.parametrize("tool", GO_TOOLS)
def test_go_sum_has_the_tools_own_checksum(root: Path, tool: str) -> None:
    sums = (root / "observability" / "native" / "tools" / tool / "go.sum").read_text()
    version = versions.load(root)[f"{tool.replace('-', '_').upper()}_VERSION"]
    assert re.search(rf"^\S*{tool}\S* {re.escape(version)} h1:", sums, re.MULTILINE)


def test_tools_from_pypi_are_pinned_with_hashes(root: Path) -> None:
    for file in ("uv-requirements.txt", "go/requirements.txt"):
        text = (root / "observability" / "native" / "tools" / file).read_text()
        assert re.match(r"^[a-z-]+==\d[\d.]* \\\n    --hash=sha256:[0-9a-f]{64}", text)


@pytest.mark.parametrize(
    ("version", "series", "belongs"),
    [
        ("3.10.8-1.1+deb12u1", "3.10", True),
        ("3.11.0", "3.10", False),
        ("3.1.0", "3.10", False),
        ("15.18-0+deb12u1", "15", True),
        ("150.1", "15", False),
        ("8.2302.0-1+deb12u2", "8.2302", True),
        ("garbage", "15", False),
    ],
)
def test_a_debian_version_belongs_to_an_upstream_series_or_not(version: str, series: str, belongs: bool) -> None:
    assert versions.is_of_series(version, series) is belongs


@pytest.mark.parametrize(
    ("version", "is_enough"), [("1.24.6", True), ("1.26", True), ("1.24.5", False), ("1.9", False)]
)
def test_a_version_is_recent_enough_by_number_not_by_text(version: str, is_enough: bool) -> None:
    assert versions.is_at_least(version, "1.24.6") is is_enough
