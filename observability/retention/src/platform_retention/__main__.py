"""`python -m platform_retention` applies the policy until SIGTERM.

Settings are ELASTICSEARCH_URL, LOGS_RETENTION_DAYS, TRACES_RETENTION_DAYS, INTERVAL_SECONDS, and for files of this
machine, where they are given, MAIL_FOLDER and RSYSLOG_STATS.
"""

from __future__ import annotations

import logging
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import requests
from environs import Env, EnvValidationError, validate
from pythonjsonlogger.json import JsonFormatter

from platform_retention import local_files
from platform_retention.elasticsearch import Policy, Retention

logger = logging.getLogger("elasticsearch-retention")


def configure_logging() -> None:
    """JSON lines with ECS names on standard output."""
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
    """Apply the policy again and again. Returns 2 when a setting is wrong."""
    configure_logging()
    env = Env(eager=False)
    url = env.str("ELASTICSEARCH_URL", "http://127.0.0.1:9200", validate=validate.URL(require_tld=False))
    days = validate.Range(min=1, max=365)
    policy = Policy(
        env.int("LOGS_RETENTION_DAYS", 7, validate=days), env.int("TRACES_RETENTION_DAYS", 3, validate=days)
    )
    interval = env.float("INTERVAL_SECONDS", 600.0, validate=validate.Range(min=1))
    mail, stats = env.path("MAIL_FOLDER", None), env.path("RSYSLOG_STATS", None)
    try:
        env.seal()
    except EnvValidationError as error:
        logger.error("wrong settings: %s", error.error_messages)
        return 2
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    retention = Retention(url, policy)
    while not stopping.is_set():
        try:
            for index in retention.apply(datetime.now(UTC)):
                logger.info("dropped %s", index)
        except (requests.RequestException, KeyError, ValueError) as error:
            logger.warning("could not apply the retention policy, will try again: %s", error)
        _bound_local_files(mail, stats)
        stopping.wait(interval)
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
