"""The job's settings, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platform_settings import kinds, read


@dataclass(frozen=True)
class Settings:
    """`mail_folder` and `rsyslog_stats` are optional and on this machine; the job limits their size too."""

    # Includes user and password if Elasticsearch's security is on.
    elasticsearch_url: str = kinds.url("http://127.0.0.1:9200", secret=True)
    logs_retention_days: int = kinds.integer(7, 1, 365)
    traces_retention_days: int = kinds.integer(3, 1, 365)
    # Errors are few, and "new since the release" looks further back than a week.
    errors_retention_days: int = kinds.integer(30, 1, 365)
    interval_seconds: float = kinds.number(600, 1, 604_800)
    mail_folder: Path | None = kinds.folder(None)
    rsyslog_stats: Path | None = kinds.file(None)


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment. Raises SettingsError naming every variable that is wrong."""
    return read(Settings, environ, blank_is_unset=True)
