"""The backends as processes: command, options and ports of each."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from platformctl.install.locations import Locations
from platformctl.paths import Paths
from platformctl.run.account import Account
from platformctl.run.environment import ERRORS_KEY, HOST
from platformctl.run.model import ExecProbe, Group, HttpProbe, Process
from platformctl.secret_store import SecretStore
from platformctl.settings import Settings

POSTGRES_ADMIN = "postgres"
POSTGRES_EXPORTER_ROLE = "exporter"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Backends:
    """Builds the process of each backend for one clone."""

    paths: Paths
    settings: Settings
    secrets: SecretStore
    account: Account

    def all(self) -> Iterator[Process]:
        """Every backend, in the order of the list and of the start: the slowest to start comes first."""
        yield self.elasticsearch()
        yield self.epmd()
        yield self.rabbitmq()
        yield self.postgres()
        yield self.postgres_exporter()
        yield self.elasticsearch_retention()
        yield self.jaeger()
        yield self.jaeger_dependencies()
        yield self.prometheus()
        yield self.watchdog()
        yield self.alertmanager()
        yield self.rsyslog()
        yield self.log_pipeline()
        yield self.toxiproxy()
        yield self.errors()

    def postgres(self) -> Process:
        binaries = Locations(self.paths).postgres_binaries
        port = self._port("POSTGRES_PORT")
        return Process(
            name="postgres",
            group=Group.BACKEND,
            configuration="postgres",
            command=self.account.command(
                str(binaries / "postgres"),
                *("-D", str(self.paths.lib / "postgres")),
                *("-c", f"config_file={self.paths.etc / 'postgres' / 'postgresql.conf'}"),
                *("-c", f"hba_file={self.paths.etc / 'postgres' / 'pg_hba.conf'}"),
                *("-c", f"port={port}"),
            ),
            probe=ExecProbe((str(binaries / "pg_isready"), "-q", "-h", HOST, "-p", str(port), "-t", "1")),
            # Fast shutdown: open transactions are rolled back. SIGTERM would wait for every client to disconnect.
            stop_signal=signal.SIGINT,
            probe_seconds=3,
            ports={"POSTGRES_PORT": port},
        )

    def postgres_exporter(self) -> Process:
        port = self._port("POSTGRES_EXPORTER_PORT")
        password = self.secrets.get(f"postgres_{POSTGRES_EXPORTER_ROLE}")
        address = f"{HOST}:{self._port('POSTGRES_PORT')}"
        return Process(
            name="postgres-exporter",
            group=Group.BACKEND,
            configuration="postgres/exporter-queries.yaml",
            command=self.account.command(
                "prometheus-postgres-exporter",
                f"--web.listen-address={HOST}:{port}",
                f"--extend.query-path={self.paths.etc / 'postgres' / 'exporter-queries.yaml'}",
                "--log.level=warn",
            ),
            environment={
                "DATA_SOURCE_NAME": f"postgresql://{POSTGRES_EXPORTER_ROLE}:{password}@{address}/postgres?sslmode=disable"
            },
            probe=HttpProbe(port, "/"),
            after=("postgres",),
            ports={"POSTGRES_EXPORTER_PORT": port},
        )

    def epmd(self) -> Process:
        port = self._port("RABBITMQ_EPMD_PORT")
        return Process(
            name="epmd",
            group=Group.BACKEND,
            command=self.account.command("epmd", "-address", HOST, "-port", str(port)),
            probe=ExecProbe(("epmd", "-port", str(port), "-names")),
            probe_seconds=15,
            ports={"RABBITMQ_EPMD_PORT": port},
        )

    def rabbitmq(self) -> Process:
        home = self.paths.lib / "rabbitmq"
        etc = self.paths.etc / "rabbitmq"
        metrics = self._port("RABBITMQ_METRICS_PORT")
        distribution = self._port("RABBITMQ_DISTRIBUTION_PORT")
        return Process(
            name="rabbitmq",
            group=Group.BACKEND,
            configuration="rabbitmq",
            command=self.account.command("/usr/lib/rabbitmq/bin/rabbitmq-server"),
            environment=self.rabbitmq_environment()
            | {
                "RABBITMQ_CONFIG_FILES": str(etc / "conf.d"),
                "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(etc / "enabled_plugins"),
                "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "config"),
                "RABBITMQ_SCHEMA_DIR": str(home / "schema"),
                "RABBITMQ_FEATURE_FLAGS_FILE": str(home / "feature_flags"),
                "RABBITMQ_PID_FILE": str(home / "pid"),
                # Everything is logged to stdout, and from there to var/log/rabbitmq.log.
                "RABBITMQ_LOGS": "-",
                "RABBITMQ_DIST_PORT": str(distribution),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                    "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none"
                    # Its data is on disk within 0.1 s; otherwise it would wait 5 s for idle HTTP connections.
                    " -shutdown_time 2500"
                ),
                # Makes the start script exec the Erlang VM, so that signals reach the VM.
                "RUNNING_UNDER_SYSTEMD": "true",
            },
            # The management plugin starts last and serves this page without a password.
            probe=HttpProbe(self._port("RABBITMQ_MANAGEMENT_PORT"), "/"),
            probe_seconds=3,
            after=("epmd",),
            stop_timeout=12,
            ports={
                "RABBITMQ_PORT": self._port("RABBITMQ_PORT"),
                "RABBITMQ_MANAGEMENT_PORT": self._port("RABBITMQ_MANAGEMENT_PORT"),
                "RABBITMQ_METRICS_PORT": metrics,
                "RABBITMQ_DISTRIBUTION_PORT": distribution,
            },
            url=f"http://{HOST}:{self._port('RABBITMQ_MANAGEMENT_PORT')}",
            ready_within=240.0,
        )

    def rabbitmq_environment(self) -> dict[str, str]:
        """Variables that the server and rabbitmqctl need to find each other, isolated from any system-wide broker."""
        return {
            "HOME": str(self.paths.lib / "rabbitmq"),
            "RABBITMQ_NODENAME": f"platform-{self.paths.instance}@localhost",
            # This file doesn't exist, so that /etc/rabbitmq of a system-wide broker has no effect.
            "RABBITMQ_CONF_ENV_FILE": str(self.paths.etc / "rabbitmq" / "no-rabbitmq-env.conf"),
            "RABBITMQ_LOG_BASE": str(self.paths.lib / "rabbitmq"),
            "ERL_EPMD_ADDRESS": HOST,
            "ERL_EPMD_PORT": str(self._port("RABBITMQ_EPMD_PORT")),
        }

    def elasticsearch(self) -> Process:
        port = self._port("ELASTICSEARCH_PORT")
        transport = self._port("ELASTICSEARCH_TRANSPORT_PORT")
        home = Locations(self.paths).elasticsearch
        data = self.paths.lib / "elasticsearch"
        return Process(
            name="elasticsearch",
            group=Group.BACKEND,
            configuration="elasticsearch",
            command=self.account.command(
                str(home / "bin" / "elasticsearch"),
                f"-Ehttp.port={port}",
                f"-Etransport.port={transport}",
                f"-Epath.data={data / 'data'}",
                f"-Epath.logs={data / 'logs'}",
            ),
            environment={
                "ES_PATH_CONF": str(self.paths.etc / "elasticsearch"),
                "ES_TMPDIR": str(data / "tmp"),
                "ES_JAVA_HOME": str(Locations(self.paths).java_home),
                # The launcher's VM runs as long as the server does, but needs little memory.
                "CLI_JAVA_OPTS": (
                    "-Xms4m -Xmx32m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData"
                    f" -Djava.io.tmpdir={data / 'tmp'}"
                ),
            },
            working_dir=data,
            probe=HttpProbe(port, "/_cluster/health?wait_for_status=yellow&timeout=1s"),
            probe_seconds=3,
            stop_timeout=12,
            ports={"ELASTICSEARCH_PORT": port, "ELASTICSEARCH_TRANSPORT_PORT": transport},
            url=f"http://{HOST}:{port}/_cat/indices?v",
            ready_within=240.0,
        )

    def elasticsearch_retention(self) -> Process:
        days = {
            "LOGS_RETENTION_DAYS": str(self.settings.logs_retention_days),
            "TRACES_RETENTION_DAYS": str(self.settings.traces_retention_days),
            "ERRORS_RETENTION_DAYS": str(self.settings.errors_retention_days),
        }
        files = {"MAIL_FOLDER": str(self.paths.mail), "RSYSLOG_STATS": str(self.paths.lib / "rsyslog" / "stats.json")}
        return self._job("elasticsearch-retention", "platform_retention", days | files)

    def jaeger_dependencies(self) -> Process:
        return self._job("jaeger-dependencies", "jaeger_dependencies", {})

    def jaeger(self) -> Process:
        names = (
            "JAEGER_QUERY_PORT",
            "JAEGER_QUERY_GRPC_PORT",
            "JAEGER_OTLP_GRPC_PORT",
            "JAEGER_OTLP_HTTP_PORT",
            "JAEGER_SPANMETRICS_PORT",
            "JAEGER_METRICS_PORT",
            "JAEGER_HEALTH_PORT",
        )
        return Process(
            name="jaeger",
            group=Group.BACKEND,
            configuration="jaeger",
            command=self.account.command(
                str(Locations(self.paths).jaeger), "--config", str(self.paths.etc / "jaeger" / "config.yaml")
            ),
            environment={
                "JAEGER_LISTEN_HOST": HOST,
                **{name: str(self._port(name)) for name in names},
                "ELASTICSEARCH_URL": f"http://{HOST}:{self._port('ELASTICSEARCH_PORT')}",
                "PROMETHEUS_URL": f"http://{HOST}:{self._port('PROMETHEUS_PORT')}",
                "GOMEMLIMIT": "200MiB",
            },
            probe=HttpProbe(self._port("JAEGER_HEALTH_PORT"), "/status"),
            after=("elasticsearch",),
            ports={name: self._port(name) for name in names},
            url=f"http://{HOST}:{self._port('JAEGER_QUERY_PORT')}",
        )

    def prometheus(self) -> Process:
        port = self._port("PROMETHEUS_PORT")
        # Prometheus 2 can't read what 3 has written.
        folder = "prometheus-3" if self.settings.prometheus == "3" else "prometheus"
        return Process(
            name="prometheus",
            group=Group.BACKEND,
            configuration="prometheus",
            command=self.account.command(
                self._monitoring("prometheus", packaged="prometheus"),
                f"--config.file={self.paths.etc / 'prometheus' / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.paths.lib / folder}",
                f"--storage.tsdb.retention.time={self.settings.metrics_retention_days}d",
                "--storage.tsdb.retention.size=2GB",
                "--enable-feature=exemplar-storage",
                f"--web.listen-address={HOST}:{port}",
                # No lifecycle API: a page in a browser could stop Prometheus. SIGHUP reloads it. No page may read it.
                "--web.cors.origin=^$",
                # With the default of 1 min, Alertmanager keeps the Watchdog alert of a dead Prometheus for 4 minutes.
                "--rules.alert.resend-delay=10s",
                "--log.format=json",
            ),
            probe=HttpProbe(port, "/-/ready"),
            ports={"PROMETHEUS_PORT": port},
            url=f"http://{HOST}:{port}",
        )

    def alertmanager(self) -> Process:
        port = self._port("ALERTMANAGER_PORT")
        return Process(
            name="alertmanager",
            group=Group.BACKEND,
            configuration="alertmanager",
            command=self.account.command(
                self._monitoring("alertmanager", packaged="prometheus-alertmanager"),
                f"--config.file={self.paths.etc / 'alertmanager' / 'alertmanager.yml'}",
                f"--storage.path={self.paths.lib / 'alertmanager'}",
                f"--web.listen-address={HOST}:{port}",
                # No cluster: disables the listener.
                "--cluster.listen-address=",
                "--log.format=json",
            ),
            probe=HttpProbe(port, "/-/ready"),
            ports={"ALERTMANAGER_PORT": port},
            url=f"http://{HOST}:{port}/api/v2/alerts",
        )

    def _monitoring(self, tool: str, *, packaged: str) -> str:
        """The program that is built if the settings ask for Prometheus 3, otherwise the distribution's."""
        return str(Locations(self.paths).go_tool(tool) / tool) if self.settings.prometheus == "3" else packaged

    def watchdog(self) -> Process:
        port = self._port("WATCHDOG_PORT")
        return Process(
            name="watchdog",
            group=Group.BACKEND,
            command=(str(self.paths.python), "-m", "platform_watchdog"),
            environment={
                "WATCHDOG_HOST": HOST,
                "WATCHDOG_PORT": str(port),
                "WATCHDOG_RECORD": str(self.paths.lib / "watchdog" / "notifications.jsonl"),
                "PYTHONUNBUFFERED": "1",
            },
            probe=HttpProbe(port, "/healthz"),
            probe_seconds=5,
            ports={"WATCHDOG_PORT": port},
            url=f"http://{HOST}:{port}/notifications",
        )

    def log_pipeline(self) -> Process:
        port = self._port("LOG_PIPELINE_PORT")
        return Process(
            name="log-pipeline-exporter",
            group=Group.BACKEND,
            command=(str(self.paths.python), "-m", "log_pipeline"),
            environment={
                "LOG_PIPELINE_HOST": HOST,
                "LOG_PIPELINE_PORT": str(port),
                "ELASTICSEARCH_URL": f"http://{HOST}:{self._port('ELASTICSEARCH_PORT')}",
                "RSYSLOG_STATS": str(self.paths.lib / "rsyslog" / "stats.json"),
                "PYTHONUNBUFFERED": "1",
            },
            probe=HttpProbe(port, "/healthz"),
            probe_seconds=5,
            ports={"LOG_PIPELINE_PORT": port},
        )

    def rsyslog(self) -> Process:
        return Process(
            name="rsyslog",
            group=Group.BACKEND,
            configuration="rsyslog.conf",
            # Runs as root: only root can read every process's log.
            command=(
                "sh",
                str(self.paths.observability / "rsyslog" / "start"),
                str(self.paths.etc / "rsyslog.conf"),
                str(self.paths.lib / "rsyslog"),
                str(self.paths.log),
            ),
            after=("elasticsearch",),
        )

    def toxiproxy(self) -> Process:
        port = self._port("TOXIPROXY_PORT")
        proxies = {name: number for name, number in self.settings.ports.items() if name.endswith("_PROXY_PORT")}
        return Process(
            name="toxiproxy",
            group=Group.BACKEND,
            configuration="toxiproxy",
            command=self.account.command(
                str(Locations(self.paths).toxiproxy),
                *("-host", HOST),
                *("-port", str(port)),
                *("-config", str(self.paths.etc / "toxiproxy" / "proxies.json")),
                "-proxy-metrics",
                "-runtime-metrics",
            ),
            environment={"LOG_LEVEL": "info"},
            probe=HttpProbe(port, "/version"),
            ports={"TOXIPROXY_PORT": port, **proxies},
            url=f"http://{HOST}:{port}/proxies",
        )

    def errors(self) -> Process:
        port = self._port("ERRORS_PORT")
        return Process(
            name="error-receiver",
            group=Group.BACKEND,
            command=(str(self.paths.python), "-m", "platform_errors"),
            environment={
                "ERRORS_HOST": HOST,
                "ERRORS_PORT": str(port),
                "ERRORS_DSN_KEY": self.secrets.get(ERRORS_KEY),
                "ERRORS_FORWARD_DSN": self.settings.errors_forward_dsn,
                "ELASTICSEARCH_URL": f"http://{HOST}:{self._port('ELASTICSEARCH_PORT')}",
                # Each thread's own arena would keep the memory of the largest body that it once read.
                "MALLOC_ARENA_MAX": "1",
                "PYTHONUNBUFFERED": "1",
            },
            probe=HttpProbe(port, "/healthz"),
            probe_seconds=5,
            # Its first document needs the index template, which is stored when Elasticsearch is ready.
            after=("elasticsearch",),
            ports={"ERRORS_PORT": port},
        )

    def _job(self, name: str, module: str, environment: Mapping[str, str]) -> Process:
        return Process(
            name=name,
            group=Group.BACKEND,
            command=(str(self.paths.python), "-m", module),
            environment={
                "ELASTICSEARCH_URL": f"http://{HOST}:{self._port('ELASTICSEARCH_PORT')}",
                "PYTHONUNBUFFERED": "1",
                **environment,
            },
            after=("elasticsearch",),
        )

    def _port(self, variable: str) -> int:
        return self.settings.ports[variable]
