"""Random secrets, created once for each clone and stored below var/secrets, readable by root only."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


class SecretStore:
    """One file for each secret."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> str:
        """The secret with that name; created on first use."""
        return self._read_or_make(name, lambda: secrets.token_hex(24))

    def private_key_file(self, name: str) -> Path:
        """The file of an RSA private key (PEM, 2048 bit); created on first use."""
        self._read_or_make(f"{name}.pem", _new_private_key)
        return self._folder / f"{name}.pem"

    def _read_or_make(self, name: str, make: Callable[[], str]) -> str:
        path = self._folder / name
        if not path.exists():
            self._write(path, make())
        return path.read_text()

    def _write(self, path: Path, value: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        # Created with mode 0600, under a unique name.
        descriptor, partial = tempfile.mkstemp(dir=self._folder, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w") as file:
            file.write(value)
        try:
            # A link, not a rename: if another process has created the secret meanwhile, that one is kept.
            os.link(partial, path)
        except FileExistsError:
            pass
        finally:
            Path(partial).unlink()


def _new_private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
