"""The database server, each service's database, and the connection pools."""

from __future__ import annotations

from dataclasses import replace

from catalogue import Catalogue

from alerts.generator.describe import KEEP_OF_BACKENDS, SERVICE, Describer, Subject
from alerts.generator.model import Group, Record
from alerts.generator.thresholds import Thresholds

SERVER = Subject.backend("databases", "postgresql", process="postgres")
# The service's owner repairs what the service does in its database, although the server is where it shows.
POOL = Subject("databases", root="postgresql", owner=SERVICE, labels={"dependency": "postgresql"})
DATABASE = replace(POOL, logs=SERVER.logs)


def recorded() -> Group:
    """Usage of connections and pools, and the share of samples with blocked sessions."""
    rules = (
        Record(
            "postgres:connections:ratio",
            "sum by (job) (pg_stat_activity_count) / sum by (job) (pg_settings_max_connections)",
        ),
        Record(
            "database:blocked:share30s",
            "avg by (service) (avg_over_time((pg_blocked_sessions_count > bool 0)[30s:10s])\n"
            "  * on (datname) group_left (service) group by (datname, service) "
            "(label_replace(pg_blocked_sessions_count, "
            '"service", "$1", "datname", "(.*)")))',
        ),
        Record(
            "pool:used:ratio",
            'sum by (service, process) (db_pool_connections{state="used"})\n'
            "  / sum by (service, process) (db_pool_max_connections)",
        ),
    )
    return Group("databases-recorded", rules)


def alerts(catalogue: Catalogue, describer: Describer, t: Thresholds) -> Group:
    """Alerts for availability, locks, connections, pools, idle transactions and deadlocks."""
    databases = "|".join(service.database for service in catalogue.services.values())
    rules = [
        describer.alert(
            "PostgresDown",
            # An exporter that is down doesn't mean that the server is. A scrape that hangs does (the exporter waits for
            # the server), and so do failing callers.
            """
            pg_up == 0
            or on (job, instance) (
              up{job="postgres"} == 0
              and on (job, instance) scrape_duration_seconds >= 2
            )
            or on (job, instance) (
              up{job="postgres"} == 0
              and on () ALERTS{severity="page", dependency="postgresql"}
            )
            """,
            lasting="10s",
            layer="cause",
            severity="page",
            summary="PostgreSQL is down",
            description="PostgreSQL doesn't respond: services can neither read nor write.",
            about=SERVER,
        ).kept(KEEP_OF_BACKENDS),
        describer.alert(
            "DatabaseLocks",
            f'database:blocked:share30s{{service=~"{databases}"}} >= {t["database_blocked_share"]}',
            lasting="5s",
            layer="cause",
            severity="page",
            summary="Sessions wait for locks in a service's database",
            description="{{ $labels.service }}'s database: in {{ $value | humanizePercentage }} of the samples "
            "of the last 30 seconds, sessions were waiting for a lock.",
            about=DATABASE,
        ),
        describer.alert(
            "DatabasePoolWaiting",
            f"""
            (
              min by (service, process) (min_over_time(db_pool_requests_waiting[15s])) >= {t["pool_waiting_threads"]}
            )
            or
            (
              sum by (service, process) (increase(db_pool_requests_total{{result="error"}}[1m]))
                >= {t["pool_waiting_requests_per_minute"]}
            )
            """,
            lasting="10s",
            layer="cause",
            severity="page",
            summary="Requests wait for a database connection",
            description="{{ $labels.process }} of {{ $labels.service }}: the connection pool is exhausted "
            "or can't open connections.",
            about=POOL,
        ),
        describer.alert(
            "DatabaseConnections",
            f"postgres:connections:ratio > {t['database_connection_ratio']}",
            lasting="30s",
            layer="cause",
            severity="page",
            summary="PostgreSQL is running out of connections",
            description="{{ $value | humanizePercentage }} of PostgreSQL's connections are in use.",
            about=SERVER,
        ),
        describer.alert(
            "DatabaseIdleTransaction",
            f"""
            max by (service) (label_replace(
              pg_stat_activity_max_tx_duration{{state=~"idle in transaction.*", datname=~"{databases}"}},
              "service", "$1", "datname", "(.*)")) > {t["database_idle_transaction_seconds"]}
            """,
            lasting="30s",
            layer="cause",
            severity="ticket",
            summary="A transaction is idle",
            description="{{ $labels.service }}'s database: a transaction has been idle "
            "for {{ $value | humanizeDuration }}.",
            about=DATABASE,
        ),
        describer.alert(
            "DatabaseDeadlocks",
            f"""
            sum by (service) (label_replace(increase(pg_stat_database_deadlocks{{datname=~"{databases}"}}[5m]),
              "service", "$1", "datname", "(.*)")) > 0
            """,
            lasting="0s",
            layer="cause",
            severity="ticket",
            summary="Transactions deadlock",
            description="{{ $labels.service }}'s database: {{ $value | humanize }} deadlocks in the last five minutes.",
            about=DATABASE,
        ),
    ]
    return Group("databases", tuple(rules))
