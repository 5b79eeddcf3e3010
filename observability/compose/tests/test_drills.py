"""Drills on containers: the Docker Engine is a fake one, behind the allowlist of its proxy."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import catalogue
import pytest
from docker import APIClient
from docker.errors import APIError
from platform_compose import secrets
from platform_testing.http import StubServer, json_response
from platformctl.app import Platform
from platformctl.secret_store import SecretStore
from werkzeug import Request, Response

from load.drills import __main__ as command_line
from load.drills import compose, containers, descriptor, engine, score, world
from load.drills.actions import ACTIONS
from load.drills.choose import choose
from load.drills.containers import API_VERSION, ContainerFailed, Containers
from load.drills.site import NotPossible
from tests import stack
from tests.engine import Container, Engine, serve

PROJECT = "django-observability"
SERVICES = catalogue.load()
DRILLS = descriptor.load()
DRILL = stack.services()["drill"]
SECRETS = {"POSTGRES_PASSWORD": "p", "RABBITMQ_PASSWORD": "r", "ELASTICSEARCH_PASSWORD": "e/@"}
PORTS = (
    "TOXIPROXY_PORT",
    "CARD_PROVIDER_PORT",
    "RABBITMQ_MANAGEMENT_PORT",
    "ELASTICSEARCH_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
    "WATCHDOG_PORT",
)


def container_of(name: str) -> str:
    return f"{PROJECT}-{name}-1"


@pytest.fixture
def docker_engine() -> Iterator[Engine]:
    # pytest's own paths are too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    try:
        with serve(Engine({container_of(name): Container() for name in stack.services()}), folder / "sock") as found:
            yield found
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def processes(docker_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Containers:
    monkeypatch.setattr(containers, "POLL_SECONDS", 0.01)
    return Containers(docker_engine.address, PROJECT)


@pytest.fixture
def compose_environment(docker_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of the container `drill`, except for the Engine's address."""
    given = {**DRILL["environment"], **SECRETS, "DOCKER_HOST": docker_engine.address}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


def test_a_frozen_process_is_paused_until_it_is_thawed(processes: Containers, docker_engine: Engine) -> None:
    container = docker_engine.containers[container_of("payments")]
    assert processes.signal("payments", signal.SIGSTOP) == [100]
    assert container.paused
    processes.signal("payments", signal.SIGSTOP)
    processes.signal("payments", signal.SIGCONT)
    processes.start("payments")
    assert (container.paused, container.running, container.pid) == (False, True, 100)
    assert docker_engine.calls == [f"pause {container_of('payments')}", f"unpause {container_of('payments')}"]


def test_a_stopped_process_stays_down_until_it_is_started_and_healthy(
    processes: Containers, docker_engine: Engine
) -> None:
    container = docker_engine.containers[container_of("orders-relay")]
    processes.stop("orders-relay")
    processes.stop("orders-relay")
    assert not container.running
    processes.start("orders-relay")
    assert (container.running, container.starting) == (True, 0)
    assert docker_engine.calls == [
        f"kill {container_of('orders-relay')} SIGKILL",
        f"start {container_of('orders-relay')}",
    ]


def test_a_killed_process_is_restarted_as_after_a_crash(processes: Containers, docker_engine: Engine) -> None:
    processes.signal("users", signal.SIGKILL)
    container = docker_engine.containers[container_of("users")]
    assert (container.running, container.pid) == (True, 101)


def test_a_paused_process_can_be_stopped(processes: Containers, docker_engine: Engine) -> None:
    processes.signal("postgres", signal.SIGSTOP)
    processes.stop("postgres")
    assert not docker_engine.containers[container_of("postgres")].running


def test_a_signal_to_a_stopped_process_has_no_effect(processes: Containers, docker_engine: Engine) -> None:
    processes.stop("users")
    docker_engine.calls.clear()
    for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL):
        assert processes.signal("users", number) == []
    assert docker_engine.calls == []


def test_a_signal_that_docker_would_deliver_to_the_first_process_only_is_refused(processes: Containers) -> None:
    with pytest.raises(NotPossible, match="SIGHUP"):
        processes.signal("users", signal.SIGHUP)


def test_a_restart_waits_until_the_container_is_healthy(processes: Containers, docker_engine: Engine) -> None:
    processes.restart("inventory")
    container = docker_engine.containers[container_of("inventory")]
    assert (container.pid, container.starting) == (101, 0)


def test_a_process_that_does_not_become_healthy_is_named(
    processes: Containers, docker_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "READY_SECONDS", 0.1)
    docker_engine.containers[container_of("users")].health = "unhealthy"
    with pytest.raises(ContainerFailed, match=r"users-1 is running and unhealthy, not ready within"):
        processes.restart("users")


def test_a_missing_container_is_named(processes: Containers, docker_engine: Engine) -> None:
    del docker_engine.containers[container_of("payments")]
    with pytest.raises(ContainerFailed, match=r"no container django-observability-payments-1"):
        processes.stop("payments")


def test_no_response_from_the_engine_is_a_failure_that_drills_handle(tmp_path: Path) -> None:
    with pytest.raises(ContainerFailed, match="users-1: the Docker Engine does not do it"):
        Containers(f"unix://{tmp_path}/missing", PROJECT).start("users")


def test_the_log_shipper_is_filebeat(processes: Containers, docker_engine: Engine) -> None:
    processes.stop("rsyslog")
    assert not docker_engine.containers[container_of("filebeat")].running


def test_another_release_is_refused_and_the_usual_one_is_a_no_op(processes: Containers, docker_engine: Engine) -> None:
    with pytest.raises(NotPossible, match="keeps the environment"):
        processes.release("orders", {"FAULTS": "error_ratio=0.2"})
    processes.release("orders", {})
    assert docker_engine.calls == []


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.containers(),
        lambda api: api.logs(container_of("users")),
        lambda api: api.get_archive(container_of("users"), "/run/platform/environment"),
        lambda api: api.exec_create(container_of("users"), ["cat", "/run/platform/environment"]),
        lambda api: api.create_container("busybox", "sh"),
        lambda api: api.remove_container(container_of("users")),
        lambda api: api.inspect_container("foreign-1"),
        lambda api: api.kill("foreign-1"),
        lambda api: api.kill(f"x/../{container_of('users')}"),
        lambda api: api.info(),
        lambda api: api.images(),
        lambda api: api.inspect_volume("secrets"),
    ],
)
def test_the_proxy_allows_only_the_calls_that_drills_need(docker_engine: Engine, call: Any) -> None:
    api = APIClient(base_url=docker_engine.address, version=API_VERSION)
    with pytest.raises(APIError) as refusal:
        call(api)
    assert refusal.value.response.status_code in (403, 405)
    assert docker_engine.calls == []


def test_the_proxy_is_reached_by_the_drill_only_and_publishes_nothing() -> None:
    proxy = stack.services()["docker-socket-proxy"]
    (network,) = proxy["networks"]
    assert stack.document()["networks"][network] == {"internal": True}
    assert {name for name, each in stack.services().items() if network in each.get("networks", [])} == {
        "drill",
        "docker-socket-proxy",
    }
    assert "ports" not in proxy
    assert DRILL["environment"]["DOCKER_HOST"] == "tcp://docker-socket-proxy:2375"


def test_nothing_of_the_drills_exists_without_their_profile() -> None:
    assert {name for name, each in stack.services().items() if each.get("profiles") == ["drills"]} == {
        "drill",
        "docker-socket-proxy",
    }
    needed = {name for each in stack.started_by_up().values() for name in each.get("depends_on", {})}
    assert needed.isdisjoint({"drill", "docker-socket-proxy"})


def test_only_the_drill_shares_the_database_servers_socket() -> None:
    mounting = {
        name: read_only
        for name, each in stack.services().items()
        for source, _, read_only in stack.mounts(each)
        if source == "postgres-socket"
    }
    assert mounting == {"postgres": False, "drill": True}


def test_the_drill_shares_a_network_with_everything_that_it_calls(compose_environment: dict[str, str]) -> None:
    where = compose.Compose(Platform(), compose.load(compose_environment))
    called = {where.host(variable) for variable in PORTS} | {"users", "inventory", "orders", "notifications"}
    for name in sorted(called | {"docker-socket-proxy"}):
        shared = set(DRILL["networks"]) & set(stack.services()[name]["networks"])
        assert shared, f"the drill can't reach {name}"


def test_each_address_is_that_of_a_container_with_its_usual_port(compose_environment: dict[str, str]) -> None:
    here = world.World()
    assert here.url("PROMETHEUS_PORT") == here.prometheus == "http://prometheus:9090"
    assert here.watchdog == "http://watchdog:9095"
    assert here.url("CARD_PROVIDER_PORT") == "http://card-provider:8006"
    assert here.url("RABBITMQ_MANAGEMENT_PORT") == "http://rabbitmq:15672"
    # Only the address for marks on the time line includes the login, quoted.
    assert here.url("ELASTICSEARCH_PORT") == "http://drills:e%2F%40@elasticsearch:9200"
    assert here.site.broker_login == ("admin", "r")
    assert dict(here.site.database) == {"host": "/var/run/postgresql", "port": 5432, "password": "p"}


def test_the_drills_secrets_are_those_that_it_reads(tmp_path: Path) -> None:
    secrets.write(tmp_path / "store", tmp_path / "readers", SERVICES, own=False)
    lines = (tmp_path / "readers" / "drill" / "environment").read_text().splitlines()
    given = dict(line.replace("'", "").split("=", 1) for line in lines)
    assert set(given) == {*SECRETS, "ELASTICSEARCH_READER_PASSWORD", "ERRORS_DSN_KEY"}
    store = SecretStore(tmp_path / "store")
    assert given["POSTGRES_PASSWORD"] == store.get("postgres_postgres")
    assert given["ELASTICSEARCH_PASSWORD"] == store.get("elasticsearch_drills")
    assert given["ELASTICSEARCH_READER_PASSWORD"] == store.get("elasticsearch_reader")


def test_all_missing_variables_are_named_at_once() -> None:
    with pytest.raises(SystemExit, match=r"(?s)DOCKER_HOST: .*ELASTICSEARCH_PASSWORD: .*POSTGRES_PASSWORD: "):
        compose.load({**DRILL["environment"], "RABBITMQ_PASSWORD": "r", "DOCKER_HOST": ""})


def test_an_unknown_site_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SystemExit, match=r"DRILLS_SITE='swarm': allowed are native and compose"):
        choose(Platform(), {"DRILLS_SITE": "swarm"})


def test_secrets_are_not_in_the_repr() -> None:
    settings = compose.load({**DRILL["environment"], **dict.fromkeys(SECRETS, "geheim")})
    assert "geheim" in settings.postgres_password
    assert "geheim" not in repr(settings)


@pytest.mark.parametrize("drill", DRILLS.values(), ids=lambda drill: drill.name)
def test_a_drill_finds_its_containers_or_is_refused_with_the_reason(
    drill: descriptor.Drill, compose_environment: dict[str, str]
) -> None:
    where = compose.Compose(Platform(), compose.load(compose_environment))
    reason = where.refusal(drill)
    assert bool(reason) is any(step.action in compose.REFUSED for step in drill.steps)
    if reason:
        assert drill.name in reason
        return
    for step in drill.steps:
        for name in step.arguments.get("processes", [step.arguments.get("process")]):
            if name:
                assert containers.CONTAINERS.get(name, name) in stack.long_running(), f"{drill.name}: {name}"


def test_the_refused_actions_exist() -> None:
    assert set(compose.REFUSED) <= set(ACTIONS)
    refused = [drill for drill in DRILLS.values() if any(step.action in compose.REFUSED for step in drill.steps)]
    assert len(refused) <= len(DRILLS) / 4


def test_a_refused_drill_breaks_nothing(
    docker_engine: Engine, compose_environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["run", "orders-bad-release", "payments-hangs"]) == command_line.EXIT_REFUSED
    assert "orders-bad-release can't be run in containers: it starts a process with" in capsys.readouterr().err
    assert docker_engine.calls == []


def test_an_image_without_git_has_its_commit_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("REVISION", "c0ffee")
    assert score.commit(tmp_path) == "c0ffee"
    monkeypatch.delenv("REVISION")
    assert score.commit(tmp_path) == "none"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["list"]),
        (["payments-hangs"], ["run", "payments-hangs"]),
        (["payments-hangs", "--times", "2"], ["run", "payments-hangs", "--times", "2"]),
        (["run", "payments-hangs"], ["run", "payments-hangs"]),
        (["set", "smoke"], ["set", "smoke"]),
        (["restore"], ["restore"]),
        (["table"], ["table"]),
        (["--help"], ["--help"]),
    ],
)
def test_the_container_accepts_a_drills_name_or_a_command(
    tmp_path: Path, arguments: list[str], expected: list[str]
) -> None:
    (tmp_path / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "python").chmod(0o755)
    script = stack.ROOT / "observability" / "compose" / "drill"
    ran = subprocess.run(
        ["sh", str(script), *arguments],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    assert ran.stdout.splitlines() == ["-m", "load.drills", *expected]


def test_the_script_knows_every_command() -> None:
    script = (stack.ROOT / "observability" / "compose" / "drill").read_text()
    for name in ("list", "run", "set", "table", "restore"):
        assert f"{name} |" in script or f"| {name}" in script
    assert "{list,run,set,table,restore}" in command_line.parser().format_usage()


def backends(docker_engine: Engine) -> StubServer:
    """Alertmanager, Prometheus, watchdog and services, as far as a drill calls them."""

    def respond(request: Request) -> Response:
        if request.path.startswith("/api/v2/alerts"):
            return json_response([])
        if request.path.startswith("/notifications"):
            payments = docker_engine.containers[container_of("payments")]
            was_paused = f"pause {container_of('payments')}" in docker_engine.calls
            return json_response({"notifications": _notifications(payments, was_paused)})
        if request.path.startswith("/api/v1/query"):
            return json_response({"data": {"result": [{"value": [0, "3"]}]}})
        return json_response({})

    return StubServer(respond)


def _notifications(payments: Container, was_paused: bool) -> list[dict[str, Any]]:
    if not was_paused:
        return []
    labels = {"alertname": "ServiceNotAnswering", "severity": "page", "root_service": "payments"}
    firing = {"status": "firing", "groupKey": "g", "alerts": [{"labels": labels, "status": "firing"}]}
    resolved = {"status": "resolved", "groupKey": "g", "alerts": [{"labels": labels, "status": "resolved"}]}
    seen = [{"number": 1, "at": time.time(), "notification": firing}]
    if not payments.paused:
        seen.append({"number": 2, "at": time.time(), "notification": resolved})
    return seen


def test_a_whole_drill_pauses_notices_restores_and_resolves(
    docker_engine: Engine, compose_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = backends(docker_engine)
    server.start()
    root = tmp_path / "app"
    (root / "services" / "catalogue").mkdir(parents=True)
    shutil.copy(stack.ROOT / "services" / "catalogue" / "catalogue.yaml", root / "services" / "catalogue")
    # One stub serves all backends: only their hosts and ports are redirected to it.
    for service in ("USERS", "INVENTORY", "ORDERS", "NOTIFICATIONS"):
        monkeypatch.setenv(f"{service}_URL", server.url)

    class Here(Platform):
        def __init__(self) -> None:
            super().__init__(root, {})
            object.__setattr__(self.settings, "ports", dict.fromkeys(self.settings.ports, server.port))

    monkeypatch.setattr(world, "Platform", Here)
    monkeypatch.setattr(compose.Compose, "host", lambda *_: "127.0.0.1")
    monkeypatch.setattr(engine, "BASELINE_SECONDS", 0.1)
    monkeypatch.setattr(engine, "AFTERMATH_SECONDS", 0.0)
    said: list[str] = []
    try:
        result = engine.run(world.World(), DRILLS["payments-hangs"], said.append)
    finally:
        server.stop()
    assert (result.passed, result.noticed, result.named, result.pages) == (True, True, True, 1), said
    assert result.seconds_to_resolve is not None
    name = container_of("payments")
    assert docker_engine.calls == [f"pause {name}", f"unpause {name}"], said
    assert not (root / "var" / "run" / "drills.json").exists(), "something is still written down as broken"
