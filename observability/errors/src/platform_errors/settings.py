"""The receiver's settings, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from platform_settings import SettingsError, kinds, read, variable
from sentry_sdk.utils import BadDsn, Dsn

__all__ = ["Settings", "SettingsError", "load"]


def _dsn(value: str) -> str:
    if value:
        try:
            Dsn(value)
        except BadDsn:
            raise ValueError("not a DSN") from None
    return value


@dataclass(frozen=True)
class Settings:
    """`key` is the public key of the DSN that clients use. `forward_dsn` is another Sentry's, or empty."""

    key: str = kinds.text(kinds.REQUIRED, shortest=16, longest=64, secret=True, name="ERRORS_DSN_KEY")
    host: str = kinds.text("127.0.0.1", name="ERRORS_HOST")
    port: int = kinds.port(9097, name="ERRORS_PORT")
    # Includes user and password if Elasticsearch's security is on.
    elasticsearch_url: str = kinds.url("http://127.0.0.1:9200", secret=True)
    forward_dsn: str = variable(
        _dsn, "", allowed="a Sentry DSN, or empty: none", secret=True, name="ERRORS_FORWARD_DSN"
    )


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment. Raises SettingsError naming every variable that is wrong."""
    return read(Settings, environ, blank_is_unset=True)
