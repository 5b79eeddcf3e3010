"""What can be set, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class SettingsError(ValueError):
    """A setting can't be used; the message names it and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """`silence` is in seconds. `record` is a file of JSON lines. `webhook` and `email_to` may be empty."""

    host: str = "127.0.0.1"
    port: int = 9095
    silence: float = 45.0
    record: Path = Path("notifications.jsonl")
    webhook: str = ""
    webhook_token_file: str = ""
    email_to: str = ""
    email_from: str = "watchdog@localhost"
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 25


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from WATCHDOG_* variables. Raises SettingsError naming every variable that is wrong."""
    wrong: list[str] = []

    def text(name: str, default: str) -> str:
        return environ.get(f"WATCHDOG_{name}", "").strip() or default

    def number(name: str, default: float, lowest: float, highest: float) -> float:
        raw = text(name, str(default))
        try:
            value = float(raw)
        except ValueError:
            value = lowest - 1
        if not lowest <= value <= highest:
            wrong.append(f"WATCHDOG_{name} is {raw!r}; allowed: {lowest:g} to {highest:g}")
        return value

    webhook = text("WEBHOOK", "")
    if webhook and urlsplit(webhook).scheme not in ("http", "https"):
        wrong.append(f"WATCHDOG_WEBHOOK is {webhook!r}; allowed: an http or https address")
    settings = Settings(
        host=text("HOST", "127.0.0.1"),
        port=int(number("PORT", 9095, 1, 65535)),
        silence=number("SILENCE_SECONDS", 45, 1, 3600),
        record=Path(text("RECORD", "notifications.jsonl")),
        webhook=webhook,
        webhook_token_file=text("WEBHOOK_TOKEN_FILE", ""),
        email_to=text("EMAIL_TO", ""),
        email_from=text("EMAIL_FROM", "watchdog@localhost"),
        smtp_host=text("SMTP_HOST", "127.0.0.1"),
        smtp_port=int(number("SMTP_PORT", 25, 1, 65535)),
    )
    if wrong:
        raise SettingsError("\n".join(wrong))
    return settings
