"""The watchdog's own notification, in the format of Alertmanager's webhook, so that one receiver handles both."""

from __future__ import annotations

import logging
import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import requests

from platform_watchdog.record import Record
from platform_watchdog.settings import Settings

logger = logging.getLogger(__name__)

ALERT = "WatchdogSilent"
TIMEOUT_SECONDS = 5.0


class Alarm:
    """Records the notification, then sends it to each configured receiver. A failing one doesn't stop the others."""

    def __init__(self, settings: Settings, record: Record) -> None:
        self._settings = settings
        self._record = record
        self._since = ""

    def raise_(self, age: float) -> None:
        """Notify that alerting has been silent for `age` seconds."""
        self._since = datetime.now(UTC).isoformat()
        self._send("firing", f"No heartbeat from Alertmanager for {age:.0f} s")

    def resolve(self) -> None:
        """Send the resolved notification."""
        self._send("resolved", "The heartbeat is back")

    def _send(self, status: str, description: str) -> None:
        notification = self._notification(status, description)
        self._record.add("watchdog", notification)
        logger.warning("%s: %s", ALERT, description)
        if self._settings.webhook:
            self._attempt("webhook", self._post, notification)
        if self._settings.email_to:
            self._attempt("e-mail", self._mail, notification)

    def _notification(self, status: str, description: str) -> dict[str, Any]:
        labels = {
            "alertname": ALERT,
            "layer": "telemetry",
            "severity": "page",
            "team": "platform",
            "service": "alerting",
            "root_service": "alerting",
        }
        annotations = {"summary": "Alerting is down: no notification would be sent", "description": description}
        ended = datetime.now(UTC).isoformat() if status == "resolved" else "0001-01-01T00:00:00Z"
        return {
            "version": "4",
            "groupKey": "watchdog",
            "status": status,
            "receiver": "watchdog",
            "groupLabels": {"root_service": "alerting"},
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "alerts": [
                {
                    "status": status,
                    "labels": labels,
                    "annotations": annotations,
                    "startsAt": self._since,
                    "endsAt": ended,
                    "fingerprint": "watchdog-silent",
                }
            ],
        }

    def _attempt(self, where: str, send: Any, notification: dict[str, Any]) -> None:
        try:
            send(notification)
        except (OSError, smtplib.SMTPException, requests.RequestException) as error:
            logger.error("the alarm could not be sent by %s: %s", where, error)

    def _post(self, notification: dict[str, Any]) -> None:
        headers = {}
        if self._settings.webhook_token_file:
            headers["Authorization"] = f"Bearer {Path(self._settings.webhook_token_file).read_text().strip()}"
        response = requests.post(self._settings.webhook, json=notification, headers=headers, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()

    def _mail(self, notification: dict[str, Any]) -> None:
        message = EmailMessage()
        message["From"], message["To"] = self._settings.email_from, self._settings.email_to
        message["Subject"] = f"[{notification['status']}] {ALERT}"
        message.set_content(notification["commonAnnotations"]["description"])
        with smtplib.SMTP(self._settings.smtp_host, self._settings.smtp_port, timeout=TIMEOUT_SECONDS) as smtp:
            smtp.send_message(message)
