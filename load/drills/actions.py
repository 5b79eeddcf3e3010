"""What a drill can do. Each action is undone by what `undo` does with the same arguments, however often it is called.

Undoing needs nothing but the arguments, so that a journal on disk is enough to restore everything after a crash.
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
# Where events go instead. By its name one that nobody is supposed to read: a queue without a consumer would be another
# fault, with an alert of its own.
DIVERTED = "drill.diverted.dead"


def _nothing(world: World, arguments: Arguments) -> None:
    """There is nothing to undo."""


def _each(arguments: Arguments) -> list[str]:
    names = arguments.get("processes", [arguments.get("process")])
    return [str(name) for name in names]


def stop(world: World, arguments: Arguments) -> None:
    """Processes are gone, and stay gone."""
    for name in _each(arguments):
        world.runner.signal(name, signal.SIGKILL)
        world.runner.stop(name)


def start(world: World, arguments: Arguments) -> None:
    """They are back, and ready."""
    for name in _each(arguments):
        world.runner.start(name)


def freeze(world: World, arguments: Arguments) -> None:
    """Processes hang: their sockets stay, nothing answers."""
    for name in _each(arguments):
        world.runner.signal(name, signal.SIGSTOP)


def thaw(world: World, arguments: Arguments) -> None:
    """They go on."""
    for name in _each(arguments):
        world.runner.signal(name, signal.SIGCONT)
        # One that was thrown out meanwhile (by its heartbeat, say) has been restarted.
        world.runner.start(name)


def crash(world: World, arguments: Arguments) -> None:
    """SIGKILL again and again: `times`, every `pause` seconds. The runner restarts it each time."""
    for attempt in range(int(arguments["times"])):
        if attempt:
            time.sleep(float(arguments["pause"]))
        for name in _each(arguments):
            world.runner.signal(name, signal.SIGKILL)


def restart(world: World, arguments: Arguments) -> None:
    """One after the other, as a deployment does."""
    for name in _each(arguments):
        world.runner.restart(name)
        time.sleep(float(arguments.get("pause", 0)))


def release(world: World, arguments: Arguments) -> None:
    """Another release of a process: `version`, `faults` (contracts.faults), `new_signing_key`, other `environment`."""
    name = arguments["process"]
    usual = world.runner.processes[name].environment
    changes = {key: str(value) for key, value in arguments.get("environment", {}).items()}
    if "version" in arguments:
        # Each release is one that was never there before.
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
    """The usual release."""
    world.runner.release(arguments["process"], {})


def toxic(world: World, arguments: Arguments) -> None:
    """A fault of the network on one edge, by Toxiproxy: latency, timeout, reset_peer, bandwidth."""
    body = {
        "name": TOXIC,
        "type": arguments["type"],
        "stream": arguments.get("stream", "downstream"),
        "toxicity": arguments.get("toxicity", 1.0),
        "attributes": arguments.get("attributes", {}),
    }
    world.toxiproxy("POST", f"/proxies/{arguments['proxy']}/toxics", body)


def untoxic(world: World, arguments: Arguments) -> None:
    """The edge is clean."""
    for entry in world.toxiproxy("GET", f"/proxies/{arguments['proxy']}/toxics").json():
        world.toxiproxy("DELETE", f"/proxies/{arguments['proxy']}/toxics/{entry['name']}")


def untoxic_now(world: World, arguments: Arguments) -> None:
    """End a network fault as a step of the drill."""
    untoxic(world, arguments)


def cut(world: World, arguments: Arguments) -> None:
    """An edge refuses every connection."""
    world.toxiproxy("POST", f"/proxies/{arguments['proxy']}", {"enabled": False})


def mend(world: World, arguments: Arguments) -> None:
    """The edge accepts connections."""
    world.toxiproxy("POST", f"/proxies/{arguments['proxy']}", {"enabled": True})


def flap(world: World, arguments: Arguments) -> None:
    """An edge that comes and goes: `times` cut for `pause` seconds, and on for as long."""
    for _ in range(int(arguments["times"])):
        cut(world, arguments)
        time.sleep(float(arguments["pause"]))
        mend(world, arguments)
        time.sleep(float(arguments["pause"]))


def provider(world: World, arguments: Arguments) -> None:
    """The card provider misbehaves."""
    world.provider({**HEALTHY_PROVIDER, **arguments})


def heal_provider(world: World, arguments: Arguments) -> None:
    """The card provider behaves."""
    world.provider(HEALTHY_PROVIDER)


def lock(world: World, arguments: Arguments) -> None:
    """Somebody holds a table's rows, or the table in `mode`, in a transaction without end.

    In a process of its own, so that it has no other.
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
    """The transaction is gone."""
    with world.database("postgres") as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [LOCK_HOLDER]
        )


def sql(world: World, arguments: Arguments) -> None:
    """Statements that make a database misbehave."""
    _statements(world, arguments["database"], arguments["inject"])


def unsql(world: World, arguments: Arguments) -> None:
    """Statements that put it right."""
    _statements(world, arguments["database"], arguments["restore"])


def _statements(world: World, database: str, statements: list[str]) -> None:
    with world.database(database) as session:
        for statement in statements:
            session.execute(statement.encode())


def publish(world: World, arguments: Arguments) -> None:
    """Messages on an exchange: `count` of them, with this body, or an order event that no schema allows."""
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
    """Drop what the drill left among the dead letters."""
    for queue in arguments.get("dead", []):
        world.broker("DELETE", f"/queues/platform/{queue}/contents")


def divert(world: World, arguments: Arguments) -> None:
    """What a queue should hear goes to another one, which nobody reads.

    Without the other one no queue would take the events, and the publisher, told so, would bind the right one anew.
    """
    queue = arguments["queue"]
    world.broker("PUT", f"/queues/platform/{DIVERTED}", {"durable": True})
    _bind(world, DIVERTED, arguments["keys"])
    _unbind(world, queue)


def undivert(world: World, arguments: Arguments) -> None:
    """It hears again, and gets what it has missed: some of it twice, rather than not at all."""
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
    """One message is taken and put back: its consumer gets it marked as redelivered. Waits for one, a while."""
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
    """Elasticsearch refuses writes. (The block of a full disk it would lift by itself within half a minute.)"""
    world.elasticsearch("PUT", "/_all/_settings?expand_wildcards=all", {"index.blocks.write": True})


def writable(world: World, arguments: Arguments) -> None:
    """Elasticsearch takes writes."""
    world.elasticsearch("PUT", "/_all/_settings?expand_wildcards=all", {"index.blocks.write": None})


def fill_disk(world: World, arguments: Arguments) -> None:
    """Elasticsearch takes its disk for full: it blocks its indices by itself, as at 95 %."""
    _watermarks(world, "1%")


def empty_disk(world: World, arguments: Arguments) -> None:
    """The disk has room again. The blocks go with the watermarks' next look, and here at once."""
    _watermarks(world, None)
    world.elasticsearch("PUT", "/_all/_settings?expand_wildcards=all", {"index.blocks.read_only_allow_delete": None})


def _watermarks(world: World, value: str | None) -> None:
    prefix = "cluster.routing.allocation.disk.watermark"
    levels = {f"{prefix}.{level}": value for level in ("low", "high", "flood_stage")}
    world.elasticsearch("PUT", "/_cluster/settings", {"persistent": levels})


def raise_memory_alarm(world: World, arguments: Arguments) -> None:
    """RabbitMQ has no memory left, it thinks, and holds publishers back."""
    _memory_watermark(world, "0.00001")


def end_memory_alarm(world: World, arguments: Arguments) -> None:
    """The committed watermark (observability/rabbitmq)."""
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
    """More people: `users` for `seconds`."""
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
    """Tell Alertmanager beforehand that this is planned."""
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
    """The plan is over."""
    base = f"{world.url('ALERTMANAGER_PORT')}/api/v2"
    for entry in world.call("GET", f"{base}/silences").json():
        if entry["createdBy"] == "drill" and entry["status"]["state"] != "expired":
            world.call("DELETE", f"{base}/silence/{entry['id']}")


def pause(world: World, arguments: Arguments) -> None:
    """Wait: `seconds`."""
    time.sleep(float(arguments["seconds"]))


@dataclass(frozen=True)
class Action:
    """Do and undo."""

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
# What undoing may meet when what it restores isn't reachable yet.
FAILURES = (
    OSError,
    requests.RequestException,
    psycopg.Error,
    RuntimeError,
    subprocess.SubprocessError,
    PlatformError,
)


def undo_until_it_works(world: World, action: str, arguments: Arguments, within: float = 90.0) -> None:
    """Undo; where what is to be restored isn't reachable yet, try again for a while. Raises the last failure."""
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
