"""Output for the operator: the table of processes and the result of the probe."""

from __future__ import annotations

from collections.abc import Sequence

from catalogue import Service
from rich.console import Console
from rich.table import Table

from platformctl.app import Platform
from platformctl.dev.probe import Result
from platformctl.first_user import FirstUser
from platformctl.run.memory import proportional_bytes
from platformctl.run.model import Process
from platformctl.run.runner import Status
from platformctl.run.search import LOGS

STYLES = {"ready": "green", "running": "green", "done": "dim", "not due": "dim", "stopped": "dim", "starting": "yellow"}
MEBIBYTE = 1024 * 1024


def status(statuses: Sequence[Status], platform: Platform, console: Console) -> None:
    """Print one line for each process, and the sum of their memory."""
    table = Table(box=None, pad_edge=False)
    for heading in ("PROCESS", "HEALTH", "PID", "AGE"):
        table.add_column(heading, no_wrap=True)
    for heading in ("RESTARTS", "MEMORY"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("URL", no_wrap=True)
    for entry in statuses:
        health = f"[{STYLES.get(entry.health, 'red')}]{entry.health}[/]"
        pid = str(entry.pid) if entry.pid else ""
        memory = f"{entry.memory_bytes / MEBIBYTE:.0f} MiB" if entry.pid else ""
        table.add_row(entry.name, health, pid, _age(entry.age_seconds), str(entry.restarts or ""), memory, entry.url)
    console.print(table)
    total = proportional_bytes(platform.runner.leftovers())
    console.print(f"{total / MEBIBYTE:.0f} MiB in all (shared pages counted once).", highlight=False)
    rejected = platform.paths.log / "rsyslog-rejected.json"
    if rejected.exists() and rejected.stat().st_size:
        console.print(f"[yellow]Elasticsearch rejected log lines: {rejected}[/]")


def probe(result: Result, platform: Platform, console: Console) -> None:
    """Print what the probe order left in each signal, with links."""
    kibana_like = f"{platform.url('ELASTICSEARCH_PORT')}/{LOGS}/_search?q=trace.id:{result.trace_id}&sort=@timestamp"
    exemplar = ", and a latency exemplar that points at the trace" if result.exemplar else ""
    jaeger = platform.url("JAEGER_QUERY_PORT")
    prometheus = platform.url("PROMETHEUS_PORT")
    services = ", ".join(result.log_services)
    for label, text in (
        ("order", f"{result.order_id} in {result.order_seconds:.2f} s"),
        ("trace", f"{result.trace_id}, whole after {result.trace_seconds:.1f} s, {result.span_count} spans"),
        ("", f"{jaeger}/api/traces/{result.trace_id}"),
        ("logs", f"{result.log_lines} lines of {services}"),
        ("", kibana_like),
        ("metrics", f"{result.sample}{exemplar}"),
        ("", f"{prometheus}/graph?g0.expr=orders_placed_total&g0.tab=0"),
        ("mail", result.mail),
        ("errors", result.error),
        ("alerts", platform.url("ALERTMANAGER_PORT", "/api/v2/alerts")),
        ("queues", f"{platform.url('RABBITMQ_MANAGEMENT_PORT')} (user admin, password in var/secrets/rabbitmq_admin)"),
        ("API", ", ".join(p.url for p in platform.processes.values() if p.service == p.name)),
    ):
        console.print(f"  {label:<8} {text}", highlight=False, markup=False)


def front_page(service: Service, process: Process, created: FirstUser | None, console: Console) -> None:
    """Print the URL of a service for operators, and its first user if it was just created."""
    console.print(f"{service.title}: {process.url}", highlight=False, markup=False)
    if created is not None:
        console.print(f"  user {created.name}, password {created.password}", highlight=False, markup=False)
        readme = f"{service.folder}/README.md"
        console.print(f"  (shown only this once; more users and passwords: {readme})", highlight=False)


def _age(seconds: float) -> str:
    if seconds <= 0:
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
