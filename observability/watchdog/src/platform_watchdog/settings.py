"""The watchdog's settings, read once from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platform_settings import SettingsError, ValidationError, kinds, read, variable

__all__ = ["Settings", "SettingsError", "load"]


def _webhook(value: str) -> str:
    if value:
        kinds.split_url(value, "http", "https")
    return value


def _hosts(value: str) -> frozenset[str]:
    names = frozenset(name.strip().lower() for name in value.split(",")) if value else frozenset()
    if not all(re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name) for name in names):
        raise ValidationError("not host names")
    return names


@dataclass(frozen=True)
class Settings:
    """`silence` is in seconds. `record` is a file of JSON lines. `webhook` and `email_to` may be empty."""

    host: str = kinds.text("127.0.0.1")
    port: int = kinds.port(9095)
    allowed_hosts: frozenset[str] = variable(
        _hosts, "", allowed="names of this server with a dot in them, separated by commas, or empty"
    )
    silence: float = kinds.number(45, 1, 3600, name="WATCHDOG_SILENCE_SECONDS")
    record: Path = kinds.file(Path("notifications.jsonl"))
    # The path or query of a webhook may be a secret.
    webhook: str = variable(_webhook, "", allowed="an http or https URL, or empty: none", secret=True)
    webhook_token_file: str = kinds.text("")
    email_to: str = kinds.text("")
    email_from: str = kinds.text("watchdog@localhost")
    smtp_host: str = kinds.text("127.0.0.1")
    smtp_port: int = kinds.port(25)


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the WATCHDOG_* variables. Raises SettingsError naming every variable that is wrong."""
    return read(Settings, environ, prefix="WATCHDOG_", blank_is_unset=True)
