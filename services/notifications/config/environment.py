"""The environment variables of notifications."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_email_url
from contracts import environment
from platform_settings import ValidationError, kinds, variable

_MAIL_FOLDER = Path(__file__).resolve().parents[1] / "var" / "mail"
# Limits each step of sending a mail; without it a hanging mail server would block the consumer.
SMTP_TIMEOUT_SECONDS = 10


def mail_settings(value: str) -> dict[str, Any]:
    """Return Django's EMAIL_* settings for an EMAIL_URL. Raises ValidationError for a URL that isn't allowed."""
    try:
        parts = urlsplit(value)
        parsed = dj_email_url.parse(value)
    except ValueError:
        raise ValidationError("not a URL") from None
    if parts.scheme == "file":
        if parts.netloc or parts.path in ("", "/"):
            raise ValidationError("not an absolute folder")
        # dj_email_url strips the leading slash, which would make the folder relative.
        return {"EMAIL_BACKEND": parsed["EMAIL_BACKEND"], "EMAIL_FILE_PATH": parts.path}
    if parts.scheme not in ("smtp", "submission") or not parts.hostname:
        raise ValidationError("another scheme, or no host")
    return {**parsed, "EMAIL_TIMEOUT": SMTP_TIMEOUT_SECONDS}


@dataclass(frozen=True)
class Environment(environment.ServiceEnvironment):
    """Parsed once, by config/settings.py. Secrets stay out of its repr."""

    http_port: int = kinds.port(8005)
    database: environment.DBConfig = environment.database_url("notifications")
    rabbitmq_url: str = environment.broker_url("notifications")
    users_url: str = kinds.url("http://127.0.0.1:8001")
    email: dict[str, Any] = variable(
        mail_settings,
        f"file://{_MAIL_FOLDER}",
        name="EMAIL_URL",
        secret=True,
        allowed="file:///absolute/folder, smtp://user:password@host:port or submission://user:password@host:port",
    )
    mail_from: str = kinds.email("orders@shop.example")
    jwt_issuer: str = environment.token_issuer()
    jwt_audience: str = environment.token_audience()
