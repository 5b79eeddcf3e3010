"""`python -m platform_retention` applies the policy until SIGTERM.

Settings are ELASTICSEARCH_URL, LOGS_RETENTION_DAYS, TRACES_RETENTION_DAYS, ERRORS_RETENTION_DAYS, INTERVAL_SECONDS and,
for files on this machine, the optional MAIL_FOLDER and RSYSLOG_STATS.
"""

from __future__ import annotations

import logging
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import requests
from platform_settings import SettingsError
from pythonjsonlogger.json import JsonFormatter

from platform_retention import local_files
from platform_retention.elasticsearch import Policy, Retention
from platform_retention.settings import load

logger = logging.getLogger("elasticsearch-retention")


def configure_logging() -> None:
    """Write JSON lines with ECS names to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    names = {"levelname": "log.level", "name": "log.logger"}
    static = {"service.name": "elasticsearch-retention"}
    handler.setFormatter(
        JsonFormatter(
            "%(levelname)s %(name)s %(message)s", rename_fields=names, static_fields=static, timestamp="@timestamp"
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def main() -> int:
    """Apply the policy periodically. Returns 2 if a setting is wrong."""
    configure_logging()
    try:
        settings = load()
    except SettingsError as error:
        logger.error("%s", error)
        return 2
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    policy = Policy(settings.logs_retention_days, settings.traces_retention_days, settings.errors_retention_days)
    retention = Retention(settings.elasticsearch_url, policy)
    while not stopping.is_set():
        try:
            for index in retention.apply(datetime.now(UTC)):
                logger.info("dropped %s", index)
        except (requests.RequestException, KeyError, ValueError) as error:
            logger.warning("could not apply the retention policy, will try again: %s", error)
        _bound_local_files(settings.mail_folder, settings.rsyslog_stats)
        stopping.wait(settings.interval_seconds)
    return 0


def _bound_local_files(mail: Path | None, stats: Path | None) -> None:
    try:
        if mail is not None and (count := local_files.trim_folder(mail, local_files.MAILS_KEPT)):
            logger.info("deleted the %d oldest mails", count)
        if stats is not None and local_files.empty_when_big(stats, local_files.STATS_BYTES):
            logger.info("emptied %s", stats)
    except OSError as error:
        logger.warning("could not bound local files, will try again: %s", error)


if __name__ == "__main__":
    sys.exit(main())
