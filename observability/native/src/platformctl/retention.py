"""`python -m platformctl.retention`: rolls log indices over and drops what is too old.

From outside, by date, since this Elasticsearch has no lifecycle management. Runs until SIGTERM; settings are
ELASTICSEARCH_URL, LOGS_RETENTION_DAYS, TRACES_RETENTION_DAYS, INTERVAL_SECONDS, and for files of this machine, where
they are given, MAIL_FOLDER and RSYSLOG_STATS.
"""

from __future__ import annotations

import logging
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import requests
from environs import Env, EnvValidationError, validate
from pythonjsonlogger.json import JsonFormatter

from platformctl import local_files
from platformctl.run.search import LOGS

TIMEOUT_SECONDS = 20.0
# Days are dropped whole, so an index holds at most one; by size, so that none grows too big to handle.
ROLLOVER = {"max_age": "1d", "max_primary_shard_size": "1gb"}
DAILY = re.compile(r"^(?:.*-)?jaeger-(?:span|service|dependencies|sampling)-(\d{4}-\d{2}-\d{2})$")

logger = logging.getLogger("elasticsearch-retention")


@dataclass(frozen=True)
class Policy:
    """How many days of each are kept."""

    logs_days: int
    traces_days: int


def outdated_logs(created: Mapping[str, datetime], now: datetime, days: int) -> list[str]:
    """The log indices whose last line is older than `days`, of `created` (index → when it was made).

    An index was written to until its successor was made. The newest is being written to and always stays.
    """
    ordered = sorted(created, key=lambda index: (created[index], index))
    limit = now - timedelta(days=days)
    return [index for index, successor in pairwise(ordered) if created[successor] < limit]


def outdated_traces(indices: list[str], today: date, days: int) -> list[str]:
    """Jaeger's daily indices of days that ended more than `days` ago."""
    limit = today - timedelta(days=days)
    found = []
    for index in indices:
        match = DAILY.match(index)
        if match and date.fromisoformat(match.group(1)) < limit:
            found.append(index)
    return sorted(found)


class Retention:
    """Applies a policy to one Elasticsearch."""

    def __init__(self, url: str, policy: Policy, stream: str = LOGS) -> None:
        self._url = url.rstrip("/")
        self._policy = policy
        self._stream = stream
        self._session = requests.Session()

    def apply(self, now: datetime) -> list[str]:
        """Roll over and drop; returns the names of the dropped indices."""
        self._roll_over()
        traces = [index for index in self._creation_dates("*jaeger-*") if DAILY.match(index)]
        outdated = outdated_logs(self._creation_dates(f".ds-{self._stream}-*"), now, self._policy.logs_days)
        outdated += outdated_traces(traces, now.date(), self._policy.traces_days)
        for index in outdated:
            self._request("DELETE", f"/{index}")
        return outdated

    def _roll_over(self) -> None:
        # Before the first line there is no stream: Elasticsearch makes it with that.
        if self._creation_dates(f".ds-{self._stream}-*"):
            self._request("POST", f"/{self._stream}/_rollover", {"conditions": ROLLOVER})

    def _creation_dates(self, pattern: str) -> dict[str, datetime]:
        target = f"/{pattern}/_settings/index.creation_date?expand_wildcards=all&allow_no_indices=true"
        answer = self._request("GET", target)
        return {
            index: datetime.fromtimestamp(int(body["settings"]["index"]["creation_date"]) / 1000, UTC)
            for index, body in answer.items()
        }

    def _request(self, method: str, target: str, body: Any = None) -> dict[str, Any]:
        answer = self._session.request(method, f"{self._url}{target}", json=body, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document


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
