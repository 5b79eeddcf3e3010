"""Reads observability/versions.env, the only place where versions are pinned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from dotenv import dotenv_values

from platformctl.errors import SettingsError


@cache
def load(root: Path) -> Mapping[str, str]:
    """Read every KEY=value of versions.env. Raises SettingsError for a key without a value."""
    path = root / "observability" / "versions.env"
    versions: dict[str, str] = {}
    for key, value in dotenv_values(path, interpolate=False).items():
        if not value:
            raise SettingsError(f"{path.name}: {key} has no value")
        versions[key] = value
    return versions


def as_tuple(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparison: "v1.24.6-rc1" is (1, 24, 6)."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in match.group(1).split(".")) if match else ()


def is_at_least(version: str, minimum: str) -> bool:
    """Whether `version` is `minimum` or newer."""
    return as_tuple(version) >= as_tuple(minimum)


def is_of_series(version: str, series: str) -> bool:
    """Whether `version` belongs to an upstream series: "3.10.8" to "3.10", "15.18" to "15"."""
    wanted = as_tuple(series)
    return as_tuple(version)[: len(wanted)] == wanted
