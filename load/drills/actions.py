"""The actions of a drill. Calling `undo` with the same arguments reverts an action, and repeating it is safe.

Undoing needs only the arguments, so the journal on disk is enough to restore everything after a crash.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import requests
from platformctl.errors import PlatformError

from load.drills.world import World

Arguments = Mapping[str, Any]
TOXIC = "drill"
HEALTHY_PROVIDER = {"error_ratio": 0.0, "latency_ms": {"median": 80.0, "p99": 600.0}, "extra_latency_ms": 0.0}
LOCK_HOLDER = "drill-lock"
# The queue that receives diverted events. The alert on queues without consumers ignores this name, because a queue
# without a consumer would be another fault.
DIVERTED = "drill.diverted.dead"


def _nothing(world: World, arguments: Arguments) -> None:
    """For actions that need no undo."""


def _each(arguments: Arguments) -> list[str]:
    names = arguments.get("processes", [arguments.get("process")])
    return [str(name) for name in names]


def stop(world: World, arguments: Arguments) -> None:
    """Stop processes; they stay stopped."""
    for name in _each(arguments):
        world.runner.signal(name, signal.SIGKILL)
        world.runner.stop(name)


def start(world: World, arguments: Arguments) -> None:
    """Start the processes again and wait until they are ready."""
    for name in _each(arguments):
        world.runner.start(name)


def freeze(world: World, arguments: Arguments) -> None:
    """Freeze processes: their sockets stay open, but they don't respond."""
    for name in _each(arguments):
        world.runner.signal(name, signal.SIGSTOP)


def thaw(world: World, arguments: Arguments) -> None:
    """Resume frozen processes."""
    for name in _each(arguments):
        world.runner.signal(name, signal.SIGCONT)
        # A process that ended meanwhile (after a missed heartbeat, for example) is restarted: wait until it is ready.
        world.runner.start(name)


def crash(world: World, arguments: Arguments) -> None:
    """Kill a process with SIGKILL `times` times, every `pause` seconds. The runner restarts it each time."""
    for attempt in range(int(arguments["times"])):
        if attempt:
            time.sleep(float(arguments["pause"]))
        for name in _each(arguments):
            world.runner.signal(name, signal.SIGKILL)


def restart(world: World, arguments: Arguments) -> None:
    """Restart processes one after the other, as a deployment does."""
    for name in _each(arguments):
        world.runner.restart(name)
        time.sleep(float(arguments.get("pause", 0)))


def release(world: World, arguments: Arguments) -> None:
    """Deploy another release of a process: `version`, `faults` (contracts.faults), `new_signing_key`, `environment`."""
    name = arguments["process"]
    usual = world.runner.processes[name].environment
    changes = {key: str(value) for key, value in arguments.get("environment", {}).items()}
    if "version" in arguments:
        # Each release has a new version.
        version = f"{arguments['version']}-{int(time.time())}"
        resource = re.sub(r"service\.version=[^,]*", f"service.version={version}", usual["OTEL_RESOURCE_ATTRIBUTES"])
        changes |= {"SERVICE_VERSION": version, "OTEL_RESOURCE_ATTRIBUTES": resource}
    if "faults" in arguments:
        flags = ",".join(f"{fault}={value}" for fault, value in arguments["faults"].items())
        changes |= {"ENVIRONMENT": "drill", "FAULTS": flags}
    if arguments.get("new_signing_key"):
        changes["JWT_PRIVATE_KEY_FILE"] = str(world.platform.secrets.private_key_file("drill_jwt"))
    world.runner.release(name, changes)


def roll_back(world: World, arguments: Arguments) -> None:
    """Return to the usual release."""
    world.runner.release(arguments["process"], {})


def toxic(world: World, arguments: Arguments) -> None:
    """Add a network fault to one edge with Toxiproxy: latency, timeout, reset_peer, bandwidth."""
    body = {
        "name": TOXIC,
        "type": arguments["type"],
        "stream": arguments.get("stream", "downstream"),
        "toxicity": arguments.get("toxicity", 1.0),
        "attributes": arguments.get("attributes", {}),
    }
    world.toxiproxy("POST", f"/proxies/{arguments['proxy']}/toxics", body)


def untoxic(world: World, arguments: Arguments) -> None:
    """Remove the network faults of an edge."""
    for entry in world.toxiproxy("GET", f"/proxies/{arguments['proxy']}/toxics").json():
        world.toxiproxy("DELETE", f"/proxies/{arguments['proxy']}/toxics/{entry['name']}")


def untoxic_now(world: World, arguments: Arguments) -> None:
    """Remove a network fault as a step of the drill."""
    untoxic(world, arguments)


def cut(world: World, arguments: Arguments) -> None:
    """Make an edge refuse every connection."""
    world.toxiproxy("POST", f"/proxies/{arguments['proxy']}", {"enabled": False})


def mend(world: World, arguments: Arguments) -> None:
    """Make an edge accept connections again."""
    world.toxiproxy("POST", f"/proxies/{arguments['proxy']}", {"enabled": True})


def flap(world: World, arguments: Arguments) -> None:
    """Cut an edge `times` times, for `pause` seconds each, with `pause` seconds between the cuts."""
    for _ in range(int(arguments["times"])):
        cut(world, arguments)
        time.sleep(float(arguments["pause"]))
        mend(world, arguments)
        time.sleep(float(arguments["pause"]))


def provider(world: World, arguments: Arguments) -> None:
    """Make the card provider misbehave."""
    world.provider({**HEALTHY_PROVIDER, **arguments})


def heal_provider(world: World, arguments: Arguments) -> None:
    """Reset the card provider to its normal behaviour."""
    world.provider(HEALTHY_PROVIDER)


def lock(world: World, arguments: Arguments) -> None:
    """Lock a table's rows, or the table in `mode`, in a transaction that never ends.

    A separate process in its own session holds the lock, so that an interruption of the drill doesn't end it.
    """
    settings = world.platform.settings
    subprocess.Popen(
        [
            *(sys.executable, "-m", "load.drills.lock_holder"),
            *(arguments["database"], arguments["table"], LOCK_HOLDER, arguments.get("mode", "")),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=world.platform.paths.root,
        start_new_session=True,
    )
    deadline = time.monotonic() + 20
    with world.database("postgres") as session:
        while not session.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND state = 'idle in transaction'",
            [LOCK_HOLDER],
        ).fetchone():
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"the lock on {arguments['table']} was not granted (port {settings.ports['POSTGRES_PORT']})"
                )
            time.sleep(0.1)


def unlock(world: World, arguments: Arguments) -> None:
    """End the transaction that holds the lock."""
    with world.database("postgres") as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [LOCK_HOLDER]
        )


def sql(world: World, arguments: Arguments) -> None:
    """Run SQL statements that make a database misbehave."""
    _statements(world, arguments["database"], arguments["inject"])


def unsql(world: World, arguments: Arguments) -> None:
    """Run the SQL statements that revert `sql`."""
    _statements(world, arguments["database"], arguments["restore"])


def _statements(world: World, database: str, statements: list[str]) -> None:
    with world.database(database) as session:
        for statement in statements:
            session.execute(statement.encode())


def publish(world: World, arguments: Arguments) -> None:
    """Publish `count` messages to an exchange, with the given body or with an order event that violates the schema."""
    for _ in range(int(arguments.get("count", 1))):
        body = arguments.get("body") or json.dumps(
            {
                "specversion": "1.0",
                "id": str(uuid.uuid4()),
                "type": arguments["routing_key"],
                "source": "drill",
                "time": datetime.now(UTC).isoformat(),
                "data": {"unexpected": True},
            }
        )
        answer = world.broker(
            "POST",
            "/exchanges/platform/events/publish",
            {
                "properties": {"delivery_mode": 2, "message_id": str(uuid.uuid4()), "content_type": "application/json"},
                "routing_key": arguments["routing_key"],
                "payload": body,
                "payload_encoding": "string",
            },
        ).json()
        if not answer["routed"]:
            raise RuntimeError(f"{arguments['routing_key']} reached no queue")


def purge_dead(world: World, arguments: Arguments) -> None:
    """Delete the messages that the drill left in the dead-letter queue."""
    for queue in arguments.get("dead", []):
        world.broker("DELETE", f"/queues/platform/{queue}/contents")


def divert(world: World, arguments: Arguments) -> None:
    """Divert a queue's events to another queue that has no consumer.

    Without the second queue the events would be unroutable, and the publisher would react by restoring the binding.
    """
    queue = arguments["queue"]
    world.broker("PUT", f"/queues/platform/{DIVERTED}", {"durable": True})
    _bind(world, DIVERTED, arguments["keys"])
    _unbind(world, queue)


def undivert(world: World, arguments: Arguments) -> None:
    """Restore the binding and move the diverted events back. Some may be delivered twice, but none is lost."""
    queue = arguments["queue"]
    _bind(world, queue, arguments["keys"])
    if DIVERTED not in [each["name"] for each in world.broker("GET", "/queues/platform?columns=name").json()]:
        return
    _unbind(world, DIVERTED)
    missed = world.broker(
        "POST",
        f"/queues/platform/{DIVERTED}/get",
        {"count": 100_000, "ackmode": "ack_requeue_true", "encoding": "auto"},
    ).json()
    for message in missed:
        carried = {key: message[key] for key in ("properties", "payload", "payload_encoding")}
        world.broker("POST", "/exchanges/platform/amq.default/publish", {**carried, "routing_key": queue})
    world.broker("DELETE", f"/queues/platform/{DIVERTED}")


def _bind(world: World, queue: str, keys: list[str]) -> None:
    for key in keys:
        world.broker("POST", f"/bindings/platform/e/events/q/{queue}", {"routing_key": key, "arguments": {}})


def _unbind(world: World, queue: str) -> None:
    for binding in world.broker("GET", f"/bindings/platform/e/events/q/{queue}").json():
        world.broker("DELETE", f"/bindings/platform/e/events/q/{queue}/{binding['properties_key']}")


def redeliver(world: World, arguments: Arguments) -> None:
    """Take one message and requeue it, so that it is redelivered. Waits up to 20 seconds for a message."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        taken = world.broker(
            "POST",
            f"/queues/platform/{arguments['queue']}/get",
            {"count": 1, "ackmode": "reject_requeue_true", "encoding": "auto"},
        ).json()
        if taken:
            return


def read_only(world: World, arguments: Arguments) -> None:
    """Make Elasticsearch refuse writes. (It would lift the block of a full disk by itself within half a minute.)"""
    world.elasticsearch("PUT", "/_all/_settings?expand_wildcards=all", {"index.blocks.write": True})


def writable(world: World, arguments: Arguments) -> None:
    """Make Elasticsearch accept writes again."""
    world.elasticsearch("PUT", "/_all/_settings?expand_wildcards=all", {"index.blocks.write": None})


def fill_disk(world: World, arguments: Arguments) -> None:
    """Make Elasticsearch consider its disk full, so that it blocks its indices by itself, as at 95 %."""
    _watermarks(world, "1%")


def empty_disk(world: World, arguments: Arguments) -> None:
    """Restore the disk watermarks, and lift the blocks at once instead of with Elasticsearch's next check."""
    _watermarks(world, None)
    world.elasticsearch("PUT", "/_all/_settings?expand_wildcards=all", {"index.blocks.read_only_allow_delete": None})


def _watermarks(world: World, value: str | None) -> None:
    prefix = "cluster.routing.allocation.disk.watermark"
    levels = {f"{prefix}.{level}": value for level in ("low", "high", "flood_stage")}
    world.elasticsearch("PUT", "/_cluster/settings", {"persistent": levels})


def raise_memory_alarm(world: World, arguments: Arguments) -> None:
    """Raise RabbitMQ's memory alarm, so that it blocks publishers."""
    _memory_watermark(world, "0.00001")


def end_memory_alarm(world: World, arguments: Arguments) -> None:
    """Restore the committed watermark (observability/rabbitmq)."""
    text = (world.platform.paths.observability / "rabbitmq" / "10-defaults.conf").read_text()
    match = re.search(r"^vm_memory_high_watermark\.relative = (\S+)$", text, re.M)
    _memory_watermark(world, match[1] if match else "0.4")


def _memory_watermark(world: World, value: str) -> None:
    platform = world.platform
    subprocess.run(
        platform.account.command("/usr/lib/rabbitmq/bin/rabbitmqctl", "set_vm_memory_high_watermark", value),
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **platform.backends.rabbitmq_environment()},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )


def put_load(world: World, arguments: Arguments) -> None:
    """Add `users` simulated users for `seconds`."""
    subprocess.run(
        [
            *(sys.executable, "-m", "load", "run", "--shape", "steady", "--max-failures", "1"),
            *("--users", str(arguments["users"]), "--time", f"{arguments['seconds']}s"),
            *("--journeys", arguments.get("journeys", "browse,order")),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=world.platform.paths.root,
        timeout=float(arguments["seconds"]) + 60,
        check=False,
    )


def silence(world: World, arguments: Arguments) -> None:
    """Create a silence in Alertmanager before planned work."""
    now = time.time()
    body = {
        "matchers": [{"name": "alertname", "value": arguments["alert"], "isRegex": False, "isEqual": True}],
        "startsAt": datetime.fromtimestamp(now, UTC).isoformat(),
        "endsAt": datetime.fromtimestamp(now + 600, UTC).isoformat(),
        "createdBy": "drill",
        "comment": "planned",
    }
    world.call("POST", f"{world.url('ALERTMANAGER_PORT')}/api/v2/silences", json=body)


def unsilence(world: World, arguments: Arguments) -> None:
    """Expire the silence."""
    base = f"{world.url('ALERTMANAGER_PORT')}/api/v2"
    for entry in world.call("GET", f"{base}/silences").json():
        if entry["createdBy"] == "drill" and entry["status"]["state"] != "expired":
            world.call("DELETE", f"{base}/silence/{entry['id']}")


def pause(world: World, arguments: Arguments) -> None:
    """Wait for `seconds`."""
    time.sleep(float(arguments["seconds"]))


@dataclass(frozen=True)
class Action:
    """A pair of functions: do and undo."""

    do: Callable[[World, Arguments], None]
    undo: Callable[[World, Arguments], None] = _nothing


ACTIONS: Mapping[str, Action] = {
    "stop": Action(stop, start),
    "freeze": Action(freeze, thaw),
    "crash": Action(crash, start),
    "restart": Action(restart, start),
    "release": Action(release, roll_back),
    "toxic": Action(toxic, untoxic),
    "mend-now": Action(untoxic_now),
    "cut": Action(cut, mend),
    "flap": Action(flap, mend),
    "provider": Action(provider, heal_provider),
    "lock": Action(lock, unlock),
    "sql": Action(sql, unsql),
    "publish": Action(publish, purge_dead),
    "divert": Action(divert, undivert),
    "redeliver": Action(redeliver),
    "read-only": Action(read_only, writable),
    "fill-disk": Action(fill_disk, empty_disk),
    "memory-alarm": Action(raise_memory_alarm, end_memory_alarm),
    "load": Action(put_load),
    "silence": Action(silence, unsilence),
    "pause": Action(pause),
}
# Errors that undoing may raise while its target isn't reachable yet.
FAILURES = (
    OSError,
    requests.RequestException,
    psycopg.Error,
    RuntimeError,
    subprocess.SubprocessError,
    PlatformError,
)


def undo_until_it_works(world: World, action: str, arguments: Arguments, within: float = 90.0) -> None:
    """Undo an action, retrying for `within` seconds while the target isn't reachable. Raises the last error."""
    deadline = time.monotonic() + within
    while True:
        try:
            ACTIONS[action].undo(world, arguments)
        except FAILURES:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return
