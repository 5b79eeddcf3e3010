"""PostgreSQL: the server, each service's database in it, and the pools in front."""

from __future__ import annotations

from dashboards.builder import links, variables
from dashboards.builder.board import Board, Section
from dashboards.builder.panels import AnyPanel, Column, bars, dial, grid, number, series
from dashboards.builder.queries import RANGE, now, per_second, promql, quantiles, rows
from dashboards.builder.thresholds import UP, above, limit

UID = "platform-databases"

# One database for each service, of the same name.
CHOSEN = 'datname=~"$service"'
POOLS = 'job="django", service=~"$service"'
SQL = 'job="django", service=~"$service", protocol="sql", outcome=~"ok|timeout"'
NAMED = '"service", "$1", "datname", "(.*)"'

SERVER_LOGS = links.logs('process.name:"postgres"', "Lines of the server")
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
    """The dashboard."""
    return Board(
        uid=UID,
        title="Platform / Databases",
        description="PostgreSQL: the server, each service's database in it, and the pools in front.",
        variables=[
            variables.label_values(
                "service", "Service", 'db_pool_max_connections{job="django"}', "service", "Whose databases to show"
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
            "Is the server there?",
            "Whether PostgreSQL answered its exporter at the last look.",
            [now("min(pg_up)", "PostgreSQL")],
            unit="bool_on_off",
            links=[links.runbook("PostgresDown"), SERVER_LOGS],
            thresholds=UP,
            names={"0": "down", "1": "up"},
            width=6,
            height=6,
        ),
        dial(
            "How many of its connections are taken?",
            "Share of max_connections in use, over all databases. The red part is where the alert fires.",
            [now("postgres:connections:ratio", "connections")],
            unit="percentunit",
            links=[links.runbook("DatabaseConnections"), SERVER_LOGS],
            thresholds=above("database_connection_ratio"),
        ),
        dial(
            "How much is read from memory?",
            "Share of blocks found in PostgreSQL's own cache over the window. Below 95 % or so reads wait for the"
            " disk.",
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
            "How many transactions does it make?",
            "Commits and rollbacks in a second, over the chosen databases and the window.",
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
            "Who has connections, and what do they do?",
            "Connections to each database by state. Many active is load or slow statements; idle in transaction holds"
            " locks.",
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
            "How full are the pools?",
            "Share of each replica's pool that is in use. At 100 % the next request waits.",
            [promql('pool:used:ratio{service=~"$service"}', "{{process}}")],
            unit="percentunit",
            links=[links.runbook("DatabasePoolWaiting"), LOGS],
            on_click=OF_SERIES,
            maximum=1,
            width=8,
        ),
        series(
            "How many threads wait for a connection?",
            "Threads that wait in each replica's pool at the moment of the scrape. The dashed line is where the alert"
            " fires.",
            [promql(f"sum by (service, process) (db_pool_requests_waiting{{{POOLS}}})", "{{process}}")],
            unit="short",
            links=[links.runbook("DatabasePoolWaiting"), LOGS],
            on_click=OF_SERIES,
            thresholds=above("pool_waiting_threads"),
            width=8,
        ),
        series(
            "How long do threads wait for a connection?",
            "Mean wait for each request to the pool.",
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
            "Which pools give no connection?",
            "Requests to the pool in a second that ended without a connection: the pool was exhausted or the server"
            " away.",
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
            "Do sessions wait for locks?",
            "Share of the looks of the half minute before at which some session of the database waited for a lock."
            " The dashed"
            " line is where the alert fires.",
            [promql('database:blocked:share30s{service=~"$service"}', "{{service}}")],
            unit="percentunit",
            links=[links.runbook("DatabaseLocks"), SERVER_LOGS],
            on_click=OF_SERIES,
            thresholds=above("database_blocked_share"),
            maximum=1,
            width=8,
        ),
        series(
            "How many sessions wait, and for how long?",
            "Sessions that wait for a lock, and the longest wait in seconds (dashed).",
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
            "Which locks are held?",
            "Locks by mode, the read locks of ordinary statements left out.",
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
            "How long have transactions been open?",
            "The oldest open transaction of each database. The dashed line is where the alert on forgotten ones fires.",
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
            "How many transactions are made, and how many fail?",
            "Commits and rollbacks in a second. Rollbacks that rise are exceptions inside transactions.",
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
            "Do transactions deadlock?",
            "Deadlocks in a second; PostgreSQL ends one of the two. Any is a bug in the order in which rows are"
            " locked.",
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
            "How long do statements take?",
            "95th percentile as the service sees it, by kind of statement. The dashed line is what the alert calls slow"
            f" ({limit('edge_slow_seconds_sql'):g} s). Points open their trace, with the statement in it.",
            quantiles("dependency_call_duration_seconds", SQL, ["service", "operation"], (0.95,)),
            unit="s",
            links=[links.runbook("EdgeSlow"), EDGES],
            on_click=OF_SERIES,
            thresholds=above("edge_slow_seconds_sql"),
        ),
        series(
            "How many statements does each service make?",
            "Statements in a second by kind. Many more for as many requests is a loop that asks once for each row.",
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
            "Which statements cost most?",
            "The costliest statements as the server counts them over the window: share of one second spent in each,"
            " calls and"
            " mean time. Their text is in pg_stat_statements under the query id.",
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
                Column("queryid", "Query id"),
                Column("Value #A", "Time in it", unit="percentunit", decimals=2),
                Column("Value #B", "Calls", unit="ops", decimals=2),
                Column("Value #C", "Mean time", unit="s", thresholds=above("edge_slow_seconds_sql")),
                Column("Value #D", "Rows each", decimals=1),
            ],
            links=[SERVER_LOGS, EDGES],
            sort_by="Time in it",
            height=8,
        ),
    ]


def _storage() -> list[AnyPanel]:
    return [
        bars(
            "How large is each database?",
            "Size on disk now, indexes included; logs and traces are not kept here.",
            [now(f"max by (datname) (pg_database_size_bytes{{{CHOSEN}}})", "{{datname}}")],
            unit="bytes",
            links=[SERVICE, SERVER_LOGS],
        ),
        series(
            "How fast do they grow?",
            "Size on disk over time, indexes included. A step is a bulk load or a new index.",
            [promql(f"label_replace(max by (datname) (pg_database_size_bytes{{{CHOSEN}}}), {NAMED})", "{{datname}}")],
            unit="bytes",
            links=[SERVER_LOGS],
            on_click=OF_SERIES,
            width=8,
        ),
        series(
            "How many rows are read and written?",
            "Rows returned by scans, fetched by index, inserted, updated and deleted, in a second.",
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
            "How often does the server write all to disk?",
            "Checkpoints in a second: timed ones are routine, requested ones (dashed) come from heavy writing.",
            [
                promql(per_second("pg_stat_bgwriter_checkpoints_timed_total"), "timed"),
                promql(per_second("pg_stat_bgwriter_checkpoints_req_total"), "requested"),
            ],
            unit="ops",
            links=[SERVER_LOGS],
            dashed="requested",
        ),
        series(
            "Do statements spill to disk?",
            "Bytes written to temporary files in a second: sorts and joins that don't fit into work_mem.",
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
