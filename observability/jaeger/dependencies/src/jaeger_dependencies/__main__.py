"""`python -m jaeger_dependencies`: runs until SIGTERM. ELASTICSEARCH_URL, INDEX_PREFIX, INTERVAL_SECONDS."""

from __future__ import annotations

import logging
import signal
import sys
from dataclasses import dataclass
from threading import Event

from platform_settings import SettingsError, kinds, read

from jaeger_dependencies.job import configure_logging, run
from jaeger_dependencies.store import Store


@dataclass(frozen=True)
class Settings:
    """The job's settings."""

    # Includes user and password if Elasticsearch's security is on.
    elasticsearch_url: str = kinds.url("http://127.0.0.1:9200", secret=True)
    index_prefix: str = kinds.text("")
    interval_seconds: float = kinds.number(15, 1, 3600)


def main() -> int:
    """Run the job until SIGTERM. Returns 2 if a setting is wrong."""
    configure_logging()
    try:
        settings = read(Settings, blank_is_unset=True)
    except SettingsError as error:
        logging.getLogger("jaeger_dependencies").error("%s", error)
        return 2
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    run(Store(settings.elasticsearch_url, index_prefix=settings.index_prefix), settings.interval_seconds, stopping)
    return 0


if __name__ == "__main__":
    sys.exit(main())
