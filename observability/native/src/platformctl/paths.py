"""The paths of one clone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# sockaddr_un holds 108 bytes, including the closing zero.
LONGEST_SOCKET_PATH = 107


def repository_root() -> Path:
    """The checkout that contains this package."""
    return Path(__file__).resolve().parents[4]


@dataclass(frozen=True)
class Paths:
    """The folders of one clone. All state is below `var`; `cache` is shared by all clones."""

    root: Path
    cache: Path

    @cached_property
    def instance(self) -> str:
        """An identifier that distinguishes this clone's processes from those of other clones on the machine."""
        return hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:12]

    @property
    def var(self) -> Path:
        """`var` with links resolved, because the backends' account can't follow a link in a closed folder."""
        return self.var_link.resolve()

    @property
    def var_link(self) -> Path:
        """`var` in the clone: a folder, or a link to one elsewhere."""
        return self.root / "var"

    @property
    def etc(self) -> Path:
        return self.var / "etc"

    @property
    def lib(self) -> Path:
        return self.var / "lib"

    @property
    def log(self) -> Path:
        return self.var / "log"

    @property
    def run(self) -> Path:
        return self.var / "run"

    @property
    def secrets(self) -> Path:
        """By the clone's own path, which stays the same when `var` becomes a link; only root can read it."""
        return self.var_link / "secrets"

    @property
    def mail(self) -> Path:
        return self.var / "mail"

    @property
    def test_results(self) -> Path:
        return self.var / "test-results"

    @property
    def native(self) -> Path:
        return self.root / "observability" / "native"

    @property
    def observability(self) -> Path:
        return self.root / "observability"

    @property
    def python(self) -> Path:
        return self.root / ".venv" / "bin" / "python"

    @cached_property
    def socket(self) -> Path:
        """The socket of the process runner's API. It is in /run if the clone's path is too long for a socket."""
        inside = self.run / "process-compose.sock"
        if len(str(inside).encode()) <= LONGEST_SOCKET_PATH:
            return inside
        return Path(f"/run/django-observability-{self.instance}.sock")

    def log_of(self, process: str) -> Path:
        """The current log file of a process."""
        return self.log / f"{process}.log"
