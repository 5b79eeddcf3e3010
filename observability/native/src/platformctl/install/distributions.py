"""The distributions on which the platform runs without Docker, and the series of their packages."""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from platformctl.errors import InstallError

DOCKER = "docker compose up --build runs it on any system that has Docker"
# In this order: a derivative names its own release in VERSION_CODENAME.
CODE_NAMES = ("UBUNTU_CODENAME", "DEBIAN_CODENAME", "VERSION_CODENAME")


@dataclass(frozen=True)
class Distribution:
    """One release of a distribution.

    `series` maps package names to upstream series ("15", "3.10"). `postgresql` is the server's major version. `browser`
    is the package for browser tests, empty if there is none. `tested` is False if the platform has not been run there.
    """

    code_name: str
    name: str
    tested: bool
    postgresql: str
    browser: str
    series: Mapping[str, str]

    @property
    def postgres_binaries(self) -> Path:
        """The folder of the server's programs."""
        return Path("/usr/lib/postgresql") / self.postgresql / "bin"


@cache
def load(root: Path) -> Mapping[str, Distribution]:
    """Code name → distribution, in the order of the file."""
    document = tomllib.loads((root / "observability" / "native" / "distributions.toml").read_text())
    return {code_name: Distribution(code_name=code_name, **entry) for code_name, entry in document.items()}


def this_machine(root: Path) -> Distribution:
    """The distribution of this machine. Raises InstallError if the platform doesn't run there without Docker."""
    release: Mapping[str, str] = {}
    with suppress(OSError):
        release = platform.freedesktop_os_release()
    return of_release(root, release)


def of_release(root: Path, release: Mapping[str, str]) -> Distribution:
    """The distribution that an os-release file describes. Raises InstallError if it isn't in the table."""
    known = load(root)
    code_name = next((release[variable] for variable in CODE_NAMES if release.get(variable)), "")
    if code_name not in known:
        raise InstallError(
            f"running without Docker needs {' or '.join(entry.name for entry in known.values())}",
            detail=[f"this is {release.get('PRETTY_NAME') or release.get('NAME') or 'an unknown system'}"],
            advice=DOCKER,
        )
    return known[code_name]
