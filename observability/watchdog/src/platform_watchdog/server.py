"""The HTTP server: receives heartbeats and notifications, serves the record and the metrics."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from platform_settings import hosts
from prometheus_client.exposition import choose_encoder

from platform_watchdog import metrics
from platform_watchdog.alarm import Alarm
from platform_watchdog.record import Record
from platform_watchdog.settings import Settings
from platform_watchdog.switch import Change, Switch

LARGEST_BODY_BYTES = 2 * 1024 * 1024
READ_SECONDS = 10.0
# The interval between two checks of the clock.
TICK_SECONDS = 1.0


@dataclass
class Watchdog:
    """Connects switch, record and alarm. `watch` runs until `stop` is set."""

    settings: Settings

    def __post_init__(self) -> None:
        self.record = Record(self.settings.record)
        self.switch = Switch(self.settings.silence)
        self.alarm = Alarm(self.settings, self.record)
        self.registry = metrics.registry(self.switch, self.record)

    def heartbeat(self, notification: dict[str, Any]) -> None:
        """Handle Alertmanager's Watchdog alert. Firing: alerting works. Resolved: Prometheus has stopped sending it."""
        self.announce(self.switch.stopped() if notification.get("status") == "resolved" else self.switch.heartbeat())

    def announce(self, change: Change | None) -> None:
        """Notify of a change of the alarm."""
        if change == "silent":
            self.alarm.raise_(self.switch.age)
        elif change == "recovered":
            self.alarm.resolve()

    def watch(self, stop: threading.Event) -> None:
        """Check the clock every second."""
        while not stop.wait(TICK_SECONDS):
            self.announce(self.switch.check())


class Server(ThreadingHTTPServer):
    """The watchdog's server, which listens from its creation."""

    daemon_threads = True

    def __init__(self, watchdog: Watchdog) -> None:
        self.watchdog = watchdog
        super().__init__((watchdog.settings.host, watchdog.settings.port), Handler)


class Handler(BaseHTTPRequestHandler):
    """Handles the requests of one connection."""

    server: Server
    timeout = READ_SECONDS
    protocol_version = "HTTP/1.1"

    def parse_request(self) -> bool:
        """Refuse requests that a web page may have sent: it could keep the dead man's switch quiet."""
        if not super().parse_request():
            return False
        reason = hosts.refusal(self.headers, self.server.watchdog.settings.allowed_hosts)
        if reason is not None:
            self.close_connection = True
            self._answer(403, "text/plain", f"{reason}\n")
        return reason is None

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/healthz":
            self._answer(200, "text/plain", "ok\n")
        elif parts.path == "/metrics":
            self._metrics()
        elif parts.path == "/notifications":
            self._notifications(parse_qs(parts.query))
        else:
            self._answer(404, "text/plain", "no such page\n")

    def do_POST(self) -> None:
        notification = self._body()
        if notification is None:
            return
        if self.path == "/heartbeat":
            self.server.watchdog.heartbeat(notification)
        elif self.path == "/notifications":
            self.server.watchdog.record.add("alertmanager", notification)
        else:
            self._answer(404, "text/plain", "no such page\n")
            return
        self._answer(204, "text/plain", "")

    def _metrics(self) -> None:
        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        self._answer(200, content_type, encode(self.server.watchdog.registry).decode())

    def _notifications(self, query: dict[str, list[str]]) -> None:
        try:
            after, since = int(query.get("after", ["0"])[0]), float(query.get("since", ["0"])[0])
        except ValueError:
            self._answer(400, "text/plain", "after and since are numbers\n")
            return
        found = self.server.watchdog.record.after(after, since)
        self._answer(200, "application/json", json.dumps({"notifications": found}))

    def _body(self) -> dict[str, Any] | None:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > LARGEST_BODY_BYTES:
            self.close_connection = True
            self._answer(413, "text/plain", "a body of at most 2 MiB is needed\n")
            return None
        if self.headers.get_content_type() != "application/json":
            self.close_connection = True
            self._answer(415, "text/plain", "application/json is needed\n")
            return None
        try:
            document = json.loads(self.rfile.read(int(length)))
        except ValueError:
            document = None
        if not isinstance(document, dict):
            self._answer(400, "text/plain", "a JSON object is needed\n")
            return None
        return document

    def _answer(self, status: int, content_type: str, body: str) -> None:
        encoded = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, format: str, *args: Any) -> None:
        """No access log: heartbeats arrive every ten seconds."""
