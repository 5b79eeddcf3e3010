"""The watchdog's settings, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platform_settings import SettingsError, kinds, read, variable

__all__ = ["Settings", "SettingsError", "load"]


def _webhook(value: str) -> str:
    if value:
        kinds.split_url(value, "http", "https")
    return value


@dataclass(frozen=True)
class Settings:
    """`silence` is in seconds. `record` is a file of JSON lines. `webhook` and `email_to` may be empty."""

    host: str = kinds.text("127.0.0.1")
    port: int = kinds.port(9095)
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
