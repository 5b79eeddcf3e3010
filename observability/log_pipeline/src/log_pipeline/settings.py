"""The exporter's settings, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platform_settings import kinds, read


@dataclass(frozen=True)
class Settings:
    """`filebeat_url` is empty if rsyslog ships the lines; then its counters are in the file `rsyslog_stats`."""

    host: str = kinds.text("127.0.0.1", name="LOG_PIPELINE_HOST")
    port: int = kinds.port(9096, name="LOG_PIPELINE_PORT")
    # Includes user and password if Elasticsearch's security is on.
    elasticsearch_url: str = kinds.url("http://127.0.0.1:9200", secret=True)
    filebeat_url: str = kinds.url("", or_none=True)
    rsyslog_stats: Path = kinds.file(Path("var/lib/rsyslog/stats.json"))


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment. Raises SettingsError naming every variable that is wrong."""
    return read(Settings, environ, blank_is_unset=True)
