"""The paths of one clone."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# sockaddr_un holds 108 bytes, including the closing zero.
LONGEST_SOCKET_PATH = 107
# Backends split, expand or parse other characters in the paths of their configuration: Elasticsearch's start script a
# space, RabbitMQ's file format letters outside ASCII, rsyslog's patterns brackets.
_PLAIN = re.compile(r"[A-Za-z0-9._/+@-]+")
PLAIN_CHARACTERS = "letters and digits of ASCII and . _ / + @ -"


def repository_root() -> Path:
    """The checkout that contains this package."""
    return Path(__file__).resolve().parents[4]


def is_plain(path: Path) -> bool:
    """Whether every backend can read this path in its configuration."""
    return _PLAIN.fullmatch(str(path)) is not None


def is_text(path: Path) -> bool:
    """Whether the path can be written into a file as UTF-8; names on Linux are bytes and need not be text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True)
class Paths:
    """The folders of one clone. All state is below `var`; `cache` is shared by all clones.

    The clone's own path may contain any character that UTF-8 has. What a backend reads is below `var`, whose path is
    plain once it is prepared (`account.prepare_var`), or below `cache`, whose path is checked with the settings.
    """

    root: Path
    cache: Path

    @cached_property
    def instance(self) -> str:
        """An identifier that distinguishes this clone's processes from those of other clones on the machine."""
        return hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:12]

    @property
    def var(self) -> Path:
        """`var` with links resolved: the backends' account can't follow a link in a closed folder."""
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
