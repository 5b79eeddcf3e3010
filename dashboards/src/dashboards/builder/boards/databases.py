"""PostgreSQL: the server, each service's database and its connection pools."""

from __future__ import annotations

from dashboards.builder import links, variables
from dashboards.builder.board import Board, Section
from dashboards.builder.panels import AnyPanel, Column, bars, dial, grid, number, series
from dashboards.builder.queries import RANGE, now, per_second, promql, quantiles, rows
from dashboards.builder.thresholds import UP, above, limit

UID = "platform-databases"

# Each service has one database, with the service's name.
CHOSEN = 'datname=~"$service"'
POOLS = 'job="django", service=~"$service"'
SQL = 'job="django", service=~"$service", protocol="sql", outcome=~"ok|timeout"'
NAMED = '"service", "$1", "datname", "(.*)"'

SERVER_LOGS = links.logs('process.name:"postgres"', "Logs of the server")
LOGS = links.logs('service.name:(${service:lucene}) and log.level:("warning" or "error")', "Warnings and errors")
SERVICE = links.board("platform-service", "Service", "service")
EDGES = links.board("platform-edges", "Edges", "service")
OF_SERIES = [
    links.traces(),
    links.failed_traces(),
    links.logs_of_series(),
    links.board("platform-service", "Service", service=links.SERVICE_OF_SERIES),
]


def board() -> Board:
    return Board(
        uid=UID,
        title="Platform / Databases",
        description="PostgreSQL: the server, each service's database and its connection pools.",
        variables=[
            variables.label_values(
                "service",
                "Service",
                'db_pool_max_connections{job="django"}',
                "service",
                "Which services' databases to show",
            )
        ],
        sections=[
            Section("Server", _server()),
            Section("Connections", _connections()),
            Section("Locks and transactions", _locks()),
            Section("Statements", _statements()),
            Section("Storage", _storage()),
        ],
    )


def _server() -> list[AnyPanel]:
    return [
        number(
            "Server status",
            "Whether PostgreSQL responded to its exporter at the last scrape.",
            [now("min(pg_up)", "PostgreSQL")],
            unit="bool_on_off",
            links=[links.runbook("PostgresDown"), SERVER_LOGS],
            thresholds=UP,
            names={"0": "down", "1": "up"},
            width=6,
            height=6,
        ),
        dial(
            "Connection saturation",
            "Share of max_connections in use, over all databases. The red part begins at the alert's threshold.",
            [now("postgres:connections:ratio", "connections")],
            unit="percentunit",
            links=[links.runbook("DatabaseConnections"), SERVER_LOGS],
            thresholds=above("database_connection_ratio"),
        ),
        dial(
            "Cache hit ratio",
            "Share of blocks found in PostgreSQL's cache over the time range. "
            "Below about 95 %, reads wait for the disk.",
            [
                now(
                    f"""sum(rate(pg_stat_database_blks_hit{{{CHOSEN}}}[$__range]))
                    / (sum(rate(pg_stat_database_blks_hit{{{CHOSEN}}}[$__range]))
                    + sum(rate(pg_stat_database_blks_read{{{CHOSEN}}}[$__range])))""",
                    "cache hits",
                )
            ],
            unit="percentunit",
            links=[SERVER_LOGS, SERVICE],
        ),
        number(
            "Transaction rate",
            "Commits and rollbacks per second in the selected databases, over the time range.",
            [
                now(f"sum(rate(pg_stat_database_xact_commit{{{CHOSEN}}}[$__range]))", "commits"),
                now(f"sum(rate(pg_stat_database_xact_rollback{{{CHOSEN}}}[$__range]))", "rollbacks"),
            ],
            unit="ops",
            links=[SERVER_LOGS, SERVICE],
            decimals=2,
            width=6,
            height=6,
        ),
    ]


def _connections() -> list[AnyPanel]:
    return [
        series(
            "Connections by state",
            "Connections to each database. Many active ones are load or slow statements; "
            "idle in transaction holds locks.",
            [
                promql(
                    f"label_replace(sum by (datname, state) (pg_stat_activity_count{{{CHOSEN}}}) > 0, {NAMED})",
                    "{{datname}} {{state}}",
                )
            ],
            unit="short",
            links=[links.runbook("DatabaseConnections"), SERVER_LOGS],
            on_click=OF_SERIES,
            stacked=True,
            width=8,
        ),
        series(
            "Pool saturation",
            "Share of each replica's connection pool in use. At 100 % the next request waits.",
            [promql('pool:used:ratio{service=~"$service"}', "{{process}}")],
            unit="percentunit",
            links=[links.runbook("DatabasePoolWaiting"), LOGS],
            on_click=OF_SERIES,
            maximum=1,
            width=8,
        ),
        series(
            "Threads waiting for a connection",
            "Threads waiting in each replica's pool at the time of the scrape. "
            "The dashed line is the alert's threshold.",
            [promql(f"sum by (service, process) (db_pool_requests_waiting{{{POOLS}}})", "{{process}}")],
            unit="short",
            links=[links.runbook("DatabasePoolWaiting"), LOGS],
            on_click=OF_SERIES,
            thresholds=above("pool_waiting_threads"),
            width=8,
        ),
        series(
            "Connection wait time",
            "Mean time that a request to the pool waits for a connection.",
            [
                promql(
                    f"""sum by (service, process) (rate(db_pool_wait_seconds_total{{{POOLS}}}[$__rate_interval]))
                    / (sum by (service, process) (rate(db_pool_requests_total{{{POOLS}}}[$__rate_interval])) > 0)""",
                    "{{process}}",
                )
            ],
            unit="s",
            links=[links.runbook("DatabasePoolWaiting"), LOGS],
            on_click=OF_SERIES,
        ),
        series(
            "Pool errors",
            "Requests to the pool per second that got no connection: the pool was exhausted or the server down.",
            [
                promql(
                    per_second("db_pool_requests_total", f'{POOLS}, result="error"', "service, process"),
                    "{{process}}",
                )
            ],
            unit="ops",
            links=[links.runbook("DatabasePoolWaiting"), links.runbook("PostgresDown"), LOGS],
            on_click=OF_SERIES,
        ),
    ]


def _locks() -> list[AnyPanel]:
    return [
        series(
            "Lock wait ratio",
            "Share of samples of the last half minute in which a session of the database waited for a lock. "
            "The dashed line is the alert's threshold.",
            [promql('database:blocked:share30s{service=~"$service"}', "{{service}}")],
            unit="percentunit",
            links=[links.runbook("DatabaseLocks"), SERVER_LOGS],
            on_click=OF_SERIES,
            thresholds=above("database_blocked_share"),
            maximum=1,
            width=8,
        ),
        series(
            "Blocked sessions",
            "Sessions waiting for a lock, and the longest wait in seconds (dashed).",
            [
                promql(f"label_replace(pg_blocked_sessions_count{{{CHOSEN}}}, {NAMED})", "{{datname}} sessions"),
                promql(
                    f"label_replace(pg_blocked_sessions_longest_seconds{{{CHOSEN}}}, {NAMED})",
                    "{{datname}} longest wait (s)",
                ),
            ],
            unit="short",
            links=[links.runbook("DatabaseLocks"), SERVER_LOGS],
            on_click=OF_SERIES,
            dashed=".* longest wait .*",
            width=8,
        ),
        series(
            "Locks held by mode",
            "Locks by mode, without the read locks of ordinary statements.",
            [
                promql(
                    f"""label_replace(sum by (datname, mode)
                    (pg_locks_count{{{CHOSEN}, mode!="accesssharelock"}}) > 0
                    or 0 * sum by (datname, mode) (pg_locks_count{{{CHOSEN}, mode="rowexclusivelock"}}), {NAMED})""",
                    "{{datname}} {{mode}}",
                )
            ],
            unit="short",
            links=[links.runbook("DatabaseLocks"), SERVER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Oldest open transaction",
            "Age of the oldest open transaction of each database. "
            "The dashed line is the alert's threshold for idle transactions.",
            [
                promql(
                    f"label_replace(max by (datname) (pg_stat_activity_max_tx_duration{{{CHOSEN}}}), {NAMED})",
                    "{{datname}}",
                )
            ],
            unit="s",
            links=[links.runbook("DatabaseIdleTransaction"), SERVER_LOGS],
            on_click=OF_SERIES,
            thresholds=above("database_idle_transaction_seconds"),
            width=8,
        ),
        series(
            "Commits and rollbacks",
            "Transactions per second. A rise in rollbacks means exceptions inside transactions.",
            [
                promql(
                    f"label_replace(sum by (datname)"
                    f" (rate(pg_stat_database_xact_commit{{{CHOSEN}}}[$__rate_interval])), {NAMED})",
                    "{{datname}} commits",
                ),
                promql(
                    f"label_replace(sum by (datname)"
                    f" (rate(pg_stat_database_xact_rollback{{{CHOSEN}}}[$__rate_interval])), {NAMED})",
                    "{{datname}} rollbacks",
                ),
            ],
            unit="ops",
            links=[SERVER_LOGS, LOGS],
            on_click=OF_SERIES,
            dashed=".* rollbacks",
            width=8,
        ),
        series(
            "Deadlocks",
            "Deadlocks per second; PostgreSQL aborts one of the transactions. "
            "Any deadlock is a bug in the order in which rows are locked.",
            [
                promql(
                    f"label_replace(sum by (datname)"
                    f" (rate(pg_stat_database_deadlocks{{{CHOSEN}}}[$__rate_interval])), {NAMED})",
                    "{{datname}}",
                )
            ],
            unit="ops",
            links=[links.runbook("DatabaseDeadlocks"), SERVER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
    ]


def _statements() -> list[AnyPanel]:
    return [
        series(
            "Statement duration p95",
            "95th percentile as measured by the service, by kind of statement. "
            f"The dashed line is the alert's limit ({limit('edge_slow_seconds_sql'):g} s). "
            "Points are exemplars: click one to open its trace, which contains the statement.",
            quantiles("dependency_call_duration_seconds", SQL, ["service", "operation"], (0.95,)),
            unit="s",
            links=[links.runbook("EdgeSlow"), EDGES],
            on_click=OF_SERIES,
            thresholds=above("edge_slow_seconds_sql"),
        ),
        series(
            "Statement rate",
            "Statements per second by kind. A rise without more requests is a loop with one query per row (N+1).",
            [
                promql(
                    f"""sum by (service, operation)
                    (rate(dependency_call_duration_seconds_count{{{SQL}}}[$__rate_interval])) > 0""",
                    "{{service}} {{operation}}",
                )
            ],
            unit="ops",
            links=[EDGES, LOGS],
            on_click=OF_SERIES,
        ),
        grid(
            "Most expensive statements",
            "Statements with the most total time in the time range: "
            "share of a second spent in each, calls and mean time. "
            "The view pg_stat_statements has the text for each query ID.",
            [
                rows(
                    f"topk(15, sum by (datname, queryid)"
                    f" (rate(pg_stat_statements_seconds_total{{{CHOSEN}}}[$__range])))"
                ),
                rows(per_second("pg_stat_statements_calls", CHOSEN, "datname, queryid", RANGE) + " > 0"),
                rows(
                    f"""sum by (datname, queryid) (rate(pg_stat_statements_seconds_total{{{CHOSEN}}}[$__range]))
                    / (sum by (datname, queryid) (rate(pg_stat_statements_calls{{{CHOSEN}}}[$__range])) > 0)"""
                ),
                rows(
                    f"""sum by (datname, queryid) (rate(pg_stat_statements_rows_total{{{CHOSEN}}}[$__range]))
                    / (sum by (datname, queryid) (rate(pg_stat_statements_calls{{{CHOSEN}}}[$__range])) > 0)"""
                ),
            ],
            [
                Column("datname", "Database", links=[links.traces("${__value.text}")]),
                Column("queryid", "Query ID"),
                Column("Value #A", "Time share", unit="percentunit", decimals=2),
                Column("Value #B", "Calls", unit="ops", decimals=2),
                Column("Value #C", "Mean time", unit="s", thresholds=above("edge_slow_seconds_sql")),
                Column("Value #D", "Rows per call", decimals=1),
            ],
            links=[SERVER_LOGS, EDGES],
            sort_by="Time share",
            height=8,
        ),
    ]


def _storage() -> list[AnyPanel]:
    return [
        bars(
            "Database size",
            "Size on disk, including indexes. Logs and traces are stored elsewhere.",
            [now(f"max by (datname) (pg_database_size_bytes{{{CHOSEN}}})", "{{datname}}")],
            unit="bytes",
            links=[SERVICE, SERVER_LOGS],
        ),
        series(
            "Database growth",
            "Size on disk over time, including indexes. A step is a bulk load or a new index.",
            [promql(f"label_replace(max by (datname) (pg_database_size_bytes{{{CHOSEN}}}), {NAMED})", "{{datname}}")],
            unit="bytes",
            links=[SERVER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "Rows read and written",
            "Rows returned by scans, fetched by index, inserted, updated and deleted per second.",
            [
                promql(per_second(f"pg_stat_database_tup_{kind}", CHOSEN), kind)
                for kind in ("returned", "fetched", "inserted", "updated", "deleted")
            ],
            unit="rowsps",
            links=[SERVER_LOGS, SERVICE],
            logarithmic=True,
            width=8,
        ),
        series(
            "Checkpoints",
            "Checkpoints per second. Timed ones are routine, requested ones (dashed) are caused by heavy writing.",
            [
                promql(per_second("pg_checkpoints_timed_total"), "timed"),
                promql(per_second("pg_checkpoints_requested_total"), "requested"),
            ],
            unit="ops",
            links=[SERVER_LOGS],
            dashed="requested",
        ),
        series(
            "Temporary files",
            "Bytes written to temporary files per second, by sorts and joins that don't fit into work_mem.",
            [
                promql(
                    f"label_replace(sum by (datname)"
                    f" (rate(pg_stat_database_temp_bytes{{{CHOSEN}}}[$__rate_interval])), {NAMED})",
                    "{{datname}}",
                )
            ],
            unit="Bps",
            links=[SERVER_LOGS],
            on_click=OF_SERIES,
        ),
    ]
