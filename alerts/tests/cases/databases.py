"""Database server, databases, pools."""

from __future__ import annotations

from series import Case, counter, gauge, together

from cases.edges import pending

INVENTORY = {"service": "inventory", "dependency": "postgresql", "root_service": "postgresql", "team": "supply"}
SERVER = {"service": "postgresql", "root_service": "postgresql", "team": "platform"}


def blocked(values: str, database: str = "inventory") -> dict[str, str]:
    """Sessions that wait for a lock."""
    return {f'pg_blocked_sessions_count{{job="postgres", datname="{database}"}}': values}


def pool(waiting: str = "", errors: str = "", process: str = "orders") -> dict[str, str]:
    """A pool's waiting threads and failed requests."""
    labels = f'service="orders", process="{process}", alias="default"'
    found = {}
    if waiting:
        found[f"db_pool_requests_waiting{{{labels}}}"] = waiting
    if errors:
        found[f'db_pool_requests_total{{{labels}, result="error"}}'] = errors
        found[f'db_pool_requests_total{{{labels}, result="ok"}}'] = counter((300, 50))
    return found


def connections(used: str) -> dict[str, str]:
    """Connections by state, of 100."""
    return {
        'pg_stat_activity_count{job="postgres", datname="orders", state="idle"}': used,
        'pg_stat_activity_count{job="postgres", datname="users", state="active"}': gauge((300, 5)),
        'pg_settings_max_connections{job="postgres"}': gauge((300, 100)),
    }


def oldest(values: str, state: str = "idle in transaction", database: str = "inventory") -> dict[str, str]:
    """The longest transaction of a state."""
    return {f'pg_stat_activity_max_tx_duration{{job="postgres", datname="{database}", state="{state}"}}': values}


def deadlocks(values: str, database: str = "inventory") -> dict[str, str]:
    """Deadlocks so far."""
    return {f'pg_stat_database_deadlocks{{job="postgres", datname="{database}"}}': values}


def _exporter(seconds: float) -> dict[str, str]:
    """PostgreSQL's exporter doesn't answer from 60 s on; its scrape takes so long."""
    return {
        'pg_up{job="postgres", instance="p"}': gauge((60, 1), (240, "stale")),
        'up{job="postgres", instance="p"}': gauge((60, 1), (240, 0)),
        'scrape_duration_seconds{job="postgres", instance="p"}': gauge((60, 0.01), (240, seconds)),
    }


CASES = [
    Case(
        "PostgresDown",
        "10 s after the exporter lost it",
        {
            'pg_up{job="postgres", instance="p"}': gauge((60, 1), (240, 0)),
            'up{job="postgres", instance="p"}': gauge((300, 1)),
        },
        {60: 0, 65: 0, 70: 1},
        SERVER,
    ),
    Case(
        "PostgresDown",
        "the exporter hangs with it",
        _exporter(4),
        {60: 0, 65: 0, 70: 1, 290: 1},
        SERVER,
    ),
    Case("PostgresDown", "only the exporter is down", _exporter(0.01), {200: 0, 290: 0}),
    Case("PostgresDown", "only the exporter is down, which took a second to see", _exporter(1), {200: 0, 290: 0}),
    Case(
        "PostgresDown",
        "the exporter is down, and callers cannot reach PostgreSQL",
        together(_exporter(0.01), pending("orders", "postgresql")),
        {60: 0, 65: 0, 70: 1, 290: 1},
        SERVER,
    ),
    Case(
        "PostgresDown",
        "the exporter is down, and callers have other failures",
        together(_exporter(0.01), pending("orders", "users"), pending("orders", "postgresql", severity="ticket")),
        {290: 0},
    ),
    Case(
        "PostgresDown",
        "callers find no PostgreSQL that its exporter sees: theirs is the trouble",
        {
            'pg_up{job="postgres", instance="p"}': gauge((300, 1)),
            'up{job="postgres", instance="p"}': gauge((300, 1)),
            'scrape_duration_seconds{job="postgres", instance="p"}': gauge((300, 4)),
            **pending("orders", "postgresql"),
        },
        {290: 0},
    ),
    Case(
        "PostgresDown",
        "another job's exporter",
        {
            'up{job="jaeger", instance="p"}': gauge((300, 0)),
            'scrape_duration_seconds{job="jaeger", instance="p"}': gauge((300, 4)),
            **pending("orders", "postgresql"),
        },
        {290: 0},
    ),
    Case(
        "PostgresDown",
        "all is well, something else is down",
        {
            'pg_up{job="postgres", instance="p"}': gauge((300, 1)),
            'up{job="postgres", instance="p"}': gauge((300, 1)),
            'up{job="jaeger", instance="j"}': gauge((300, 0)),
        },
        {290: 0},
    ),
    Case(
        "DatabaseLocks",
        "a session waits in every sample",
        together(blocked(gauge((60, 0), (240, 2))), blocked(gauge((300, 0)), "users")),
        {60: 0, 70: 0, 90: 1},
        INVENTORY,
    ),
    Case(
        "DatabaseLocks",
        "one waits in one sample",
        blocked(gauge((60, 0), (10, 2), (200, 0))),
        {65: 0, 75: 0, 90: 0},
    ),
    Case(
        "DatabaseLocks", "a session waits in a database of no service", blocked(gauge((300, 2)), "postgres"), {290: 0}
    ),
    Case("DatabaseLocks", "no session waits", blocked(gauge((300, 0))), {290: 0}),
    Case(
        "DatabasePoolWaiting",
        "three threads wait",
        pool(waiting=gauge((60, 0), (240, 3))),
        {60: 0, 75: 0, 90: 1},
        {
            "service": "orders",
            "process": "orders",
            "dependency": "postgresql",
            "root_service": "postgresql",
            "team": "checkout",
        },
    ),
    Case("DatabasePoolWaiting", "one thread", pool(waiting=gauge((300, 1))), {290: 0}),
    Case("DatabasePoolWaiting", "a moment", pool(waiting=gauge((60, 0), (15, 3), (200, 0))), {75: 0, 85: 0}),
    Case(
        "DatabasePoolWaiting",
        "requests give up",
        pool(errors=counter((60, 0), (240, 0.2))),
        {60: 0, 85: 0, 110: 1},
        {"service": "orders"},
    ),
    Case("DatabasePoolWaiting", "two in a minute", pool(errors=counter((300, 0.03))), {290: 0}),
    Case(
        "DatabasePoolWaiting",
        "the pool starts again",
        pool(errors=counter((60, 0), (200, -0.01), start=500)),
        {70: 0, 120: 0},
    ),
    Case("DatabaseConnections", "95 of 100", connections(gauge((60, 10), (240, 90))), {85: 0, 90: 1}, SERVER),
    Case("DatabaseConnections", "50 of 100", connections(gauge((300, 45))), {290: 0}),
    Case("DatabaseConnections", "no figures", connections(gauge((60, 90), (200, "stale"))), {55: 1, 200: 0}),
    Case(
        "DatabaseIdleTransaction",
        "two minutes",
        oldest(gauge((60, 0), (240, 120))),
        {85: 0, 90: 1},
        {**INVENTORY, "severity": "ticket"},
    ),
    Case(
        "DatabaseIdleTransaction",
        "aborted and left",
        oldest(gauge((60, 0), (240, 120)), "idle in transaction (aborted)"),
        {90: 1},
    ),
    Case("DatabaseIdleTransaction", "20 s", oldest(gauge((300, 20))), {290: 0}),
    Case("DatabaseIdleTransaction", "an active one works", oldest(gauge((300, 120)), "active"), {290: 0}),
    Case(
        "DatabaseIdleTransaction",
        "an operator's",
        oldest(gauge((300, 120)), database="postgres"),
        {290: 0},
    ),
    Case(
        "DatabaseDeadlocks",
        "one",
        deadlocks(counter((60, 0), (5, 0.2), (500, 0))),
        {60: 0, 70: 1, 400: 0},
        {**INVENTORY, "severity": "ticket"},
    ),
    Case("DatabaseDeadlocks", "none", deadlocks(counter((300, 0))), {290: 0}),
    Case(
        "DatabaseDeadlocks",
        "in a database of no service",
        deadlocks(counter((60, 0), (5, 0.2), (300, 0)), "postgres"),
        {100: 0},
    ),
    Case("DatabaseDeadlocks", "the server starts again", deadlocks(counter((60, 0), (100, -0.0), start=4)), {100: 0}),
]
