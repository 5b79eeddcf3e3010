"""Writes var/etc: the configuration of every backend for this clone, from the committed files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from alerts.generator.alertmanager import Receivers, configuration
from catalogue import Catalogue

from platformctl.install.locations import Locations
from platformctl.paths import Paths
from platformctl.run import broker, supervisor, targets, toxics
from platformctl.run.account import Account
from platformctl.run.environment import HOST, webhook_token
from platformctl.run.hosts import on_loopback
from platformctl.run.model import Process
from platformctl.run.search import LOGS
from platformctl.secret_store import SecretStore
from platformctl.settings import Settings

BACKEND_FOLDERS = (
    "postgres",
    "rabbitmq",
    "elasticsearch",
    "jaeger",
    "prometheus",
    "alertmanager",
    "toxiproxy",
)


@dataclass(frozen=True)
class Renderer:
    """Renders the configuration of one clone."""

    paths: Paths
    settings: Settings
    catalogue: Catalogue
    secrets: SecretStore
    account: Account

    def render(self, processes: Iterable[Process]) -> None:
        """Write everything below var/etc. Safe while the platform runs: backends read it only when they start."""
        self.paths.etc.mkdir(parents=True, exist_ok=True)
        self._postgres()
        self._rabbitmq()
        self._elasticsearch()
        self._copy("jaeger", "config.yaml")
        self._prometheus()
        self._alertmanager()
        self._write("toxiproxy/proxies.json", toxics.proxies(self.catalogue, self.settings, on_loopback, listen=HOST))
        self._rsyslog()
        self._process_compose(processes)
        for folder in BACKEND_FOLDERS:
            self._hand_over(self.paths.etc / folder)

    @property
    def process_compose_file(self) -> Path:
        """process-compose's configuration. Contains secrets: root only."""
        return self.paths.etc / "process-compose.yaml"

    def fingerprints(self, processes: Iterable[Process]) -> dict[str, str]:
        """Process → a digest of its configuration, for processes that have one."""
        return {
            process.name: _digest(self.paths.etc / process.configuration)
            for process in processes
            if process.configuration
        }

    def _postgres(self) -> None:
        self._copy("postgres", "postgresql.conf")
        self._copy("postgres", "pg_hba.conf")
        self._copy("postgres", "exporter-queries.yaml")

    def _rabbitmq(self) -> None:
        self._copy("rabbitmq", "enabled_plugins")
        source = self.paths.observability / "rabbitmq"
        self._write("rabbitmq/conf.d/10-defaults.conf", (source / "10-defaults.conf").read_text())
        definitions = self.paths.etc / "rabbitmq" / "definitions.json"
        self._template(
            source / "20-native.conf.j2",
            "rabbitmq/conf.d/20-native.conf",
            {"ports": self.settings.ports, "definitions": definitions},
        )
        self._write("rabbitmq/definitions.json", broker.definitions(self.catalogue, self.secrets))

    def _elasticsearch(self) -> None:
        self._copy("elasticsearch", "elasticsearch.yml")
        self._copy("elasticsearch", "log4j2.properties")
        self._copy("elasticsearch", "jvm.options.d/heap.options")
        shipped = Locations(self.paths).elasticsearch / "config" / "jvm.options"
        if shipped.exists():
            self._write("elasticsearch/jvm.options", shipped.read_text())

    def _prometheus(self) -> None:
        self._copy("prometheus", "prometheus.yml")
        for name, content in targets.targets(self.catalogue, self.settings, on_loopback).items():
            self._write(f"prometheus/targets/{name}", content)
        self._mirror(self.paths.root / "alerts" / "rules", "*.yml", "prometheus/rules")

    def _alertmanager(self) -> None:
        alerts = self.paths.root / "alerts"
        # The committed file has the default port and only the watchdog as a receiver.
        watchdog = f"http://{HOST}:{self.settings.ports['WATCHDOG_PORT']}"
        console = {}
        if receiver := self.catalogue.alert_receiver():
            # Alertmanager reads the token itself, as the backends' account.
            token = self.paths.etc / "alertmanager" / "console-token"
            self._write("alertmanager/console-token", self.secrets.get(webhook_token(receiver)))
            console = {
                "CONSOLE_WEBHOOK_URL": f"http://{HOST}:{self.settings.port(receiver.name)}{receiver.alert_webhook}",
                "CONSOLE_WEBHOOK_TOKEN_FILE": str(token),
            }
        receivers = Receivers({"WATCHDOG_URL": watchdog, **console, **self.settings.alert_receivers})
        self._write("alertmanager/alertmanager.yml", configuration(self.catalogue, receivers))
        self._mirror(alerts / "templates", "*.tmpl", "alertmanager/templates")

    def _mirror(self, source: Path, pattern: str, target: str) -> None:
        """Copy a folder's files, and delete those that the source no longer has."""
        files = {file.name: file for file in source.glob(pattern)}
        for name, file in files.items():
            self._write(f"{target}/{name}", file.read_text())
        for left in (self.paths.etc / target).glob(pattern):
            if left.name not in files:
                left.unlink()

    def _rsyslog(self) -> None:
        shipped = [{"process": process.name, "service": process.service} for process in self.catalogue.processes()]
        self._template(
            self.paths.observability / "rsyslog" / "rsyslog.conf.j2",
            "rsyslog.conf",
            {
                "processes": shipped,
                "log": self.paths.log,
                "work": self.paths.lib / "rsyslog",
                "index": LOGS,
                "elasticsearch_port": self.settings.ports["ELASTICSEARCH_PORT"],
            },
        )

    def _process_compose(self, processes: Iterable[Process]) -> None:
        self._write("process-compose.yaml", supervisor.configuration(processes, self.paths.log.resolve()))

    def _copy(self, backend: str, name: str) -> None:
        self._write(f"{backend}/{name}", (self.paths.observability / backend / name).read_text())

    def _template(self, source: Path, target: str, values: Mapping[str, Any]) -> None:
        environment = jinja2.Environment(  # noqa: S701 - these are configuration files, not HTML
            undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
        )
        self._write(target, environment.from_string(source.read_text()).render(values))

    def _write(self, target: str, content: str) -> None:
        path = self.paths.etc / target
        if path.exists() and path.read_text() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.touch(mode=0o600)
        partial.write_text(content)
        partial.replace(path)

    def _hand_over(self, folder: Path) -> None:
        for path in (folder, *folder.rglob("*")):
            self.account.own(path)


# Written by Elasticsearch itself when it first starts.
NOT_OURS = frozenset({"elasticsearch.keystore"})


def _digest(path: Path) -> str:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    total = hashlib.sha256()
    for file in files:
        if file.name not in NOT_OURS:
            total.update(str(file).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()
