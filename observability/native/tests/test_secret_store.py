"""Secrets are random, persistent and readable by root only."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from platformctl.secret_store import SecretStore


def test_a_secret_stays_the_same_and_differs_from_others(tmp_path: Path) -> None:
    first = SecretStore(tmp_path / "secrets").get("a")
    assert SecretStore(tmp_path / "secrets").get("a") == first
    assert SecretStore(tmp_path / "secrets").get("b") != first
    assert len(first) >= 32


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    SecretStore(folder).get("a")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()] == [0o600]


def test_concurrent_first_uses_get_the_same_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(lambda _: SecretStore(tmp_path / "secrets").get("a"), range(64)))
    assert len(answers) == 1


def test_the_private_key_is_a_valid_key(tmp_path: Path) -> None:
    file = SecretStore(tmp_path / "secrets").private_key_file("users_jwt")
    assert load_pem_private_key(file.read_bytes(), password=None).key_size == 2048  # type: ignore[union-attr]
