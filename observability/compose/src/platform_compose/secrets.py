"""Random secrets, created once in the volume `secrets`; each container gets a volume with only its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from catalogue import Catalogue, Service
from platformctl.paths import Paths, repository_root
from platformctl.run import broker
from platformctl.run.database import POSTGRES_ADMIN, POSTGRES_EXPORTER_ROLE, TESTS_ROLE
from platformctl.run.environment import ERRORS_KEY, HOST, ServiceEnvironment, errors_dsn, webhook_token
from platformctl.secret_store import SecretStore

from platform_compose import hosts
from platform_compose.search_users import SUPERUSER, USERS, secret_name

OURS = 10001
# The secret variables of a service's environment. All others are in docker-compose.yml.
SECRET_VARIABLES = (
    "SECRET_KEY",
    "DATABASE_URL",
    "RABBITMQ_URL",
    "SERVICE_TOKEN",
    "SERVICE_TOKENS",
    "ALERT_WEBHOOK_TOKEN",
)
# The external system whose users have passwords among containers.
SEARCH = "elasticsearch"
MOUNT = "/run/platform"
# The container that receives the services' errors.
RECEIVER = "error-receiver"
# The password of a service's first user, in its container.
FIRST_PASSWORD = f"{MOUNT}/first-password"


@dataclass(frozen=True)
class Reader:
    """A reader of a volume, by numeric user and group, and its files: name → content."""

    name: str
    user: int
    group: int
    files: Mapping[str, str]


def readers(store: SecretStore, services: Catalogue) -> Iterator[Reader]:
    """Every volume. The numbers are those of the users in the images."""
    for service in services.services.values():
        yield Reader(service.name, OURS, OURS, _service_files(store, services, service))
    if receiver := services.alert_receiver():
        yield Reader("alertmanager", 65534, 65534, {"console-token": store.get(webhook_token(receiver))})
    yield Reader("postgres", 999, 999, {"password": store.get(f"postgres_{POSTGRES_ADMIN}")})
    yield Reader("postgres-exporter", 65534, 65534, {"password": store.get(f"postgres_{POSTGRES_EXPORTER_ROLE}")})
    yield Reader("rabbitmq", 999, 999, {"definitions.json": broker.definitions(services, store)})
    yield Reader("elasticsearch", 1000, 0, {"password": store.get(secret_name(SUPERUSER))})
    yield Reader("jaeger", OURS, OURS, {"password": store.get(secret_name("jaeger"))})
    uses = ("SECURITY", "ENCRYPTEDSAVEDOBJECTS")
    keys = {f"XPACK_{use}_ENCRYPTIONKEY": store.get(f"kibana_{use.lower()}") for use in uses}
    kibana = {"ELASTICSEARCH_PASSWORD": store.get(secret_name("kibana_system"))} | keys
    yield Reader("kibana", 1000, 0, {"environment": environment_file(kibana)})
    shipper = environment_file({"ELASTICSEARCH_PASSWORD": store.get(secret_name("shipper"))})
    yield Reader("logstash", 1000, 0, {"environment": shipper})
    yield Reader("filebeat", 0, 0, {"environment": shipper})
    grafana = {
        "GF_SECURITY_ADMIN_PASSWORD": store.get("grafana_admin"),
        "ELASTICSEARCH_USERNAME": "reader",
        "ELASTICSEARCH_PASSWORD": store.get(secret_name("reader")),
    }
    yield Reader("grafana", 472, 0, {"environment": environment_file(grafana)})
    # Drills act as an administrator would: a container of the profile `drills` only.
    administrators = {
        "POSTGRES_PASSWORD": store.get(f"postgres_{POSTGRES_ADMIN}"),
        "RABBITMQ_PASSWORD": store.get("rabbitmq_admin"),
        "ELASTICSEARCH_PASSWORD": store.get(secret_name("drills")),
        "ELASTICSEARCH_READER_PASSWORD": store.get(secret_name("reader")),
        "ERRORS_DSN_KEY": store.get(ERRORS_KEY),
    }
    yield Reader("drill", OURS, OURS, {"environment": environment_file(administrators)})
    for job, user in SEARCH_JOBS.items():
        values = {"ELASTICSEARCH_URL": f"http://{user}:{store.get(secret_name(user))}@elasticsearch:9200"}
        if job == RECEIVER:
            values["ERRORS_DSN_KEY"] = store.get(ERRORS_KEY)
        yield Reader(job, OURS, OURS, {"environment": environment_file(values)})


class _NoSecrets(SecretStore):
    """Creates no secret: its return values are placeholders."""

    def __init__(self) -> None:
        super().__init__(Path("/nonexistent"))

    def get(self, name: str) -> str:
        return ""

    def private_key_file(self, name: str) -> Path:
        return Path("/dev/null")


def reader_names(services: Catalogue) -> list[str]:
    """The name of every volume."""
    return [reader.name for reader in readers(_NoSecrets(), services)]


# Our own programs that query Elasticsearch, and their users.
SEARCH_JOBS: Mapping[str, str] = {
    "log-pipeline-exporter": "monitor",
    RECEIVER: "errors",
    "elasticsearch-retention": "retention",
    "jaeger-dependencies": "dependencies",
}


def _service_files(store: SecretStore, services: Catalogue, service: Service) -> dict[str, str]:
    settings = hosts.default_settings(services)
    native = ServiceEnvironment(Paths(repository_root(), settings.cache), settings, store, services).of_service(service)
    values = {name: _rehost(native[name], settings.ports) for name in SECRET_VARIABLES if name in native}
    if any(edge.callee == SEARCH for edge in service.depends_on):
        values |= {"ELASTICSEARCH_USER": "reader", "ELASTICSEARCH_PASSWORD": store.get(secret_name("reader"))}
    files = {}
    if "JWT_PRIVATE_KEY_FILE" in native:
        key = Path(native["JWT_PRIVATE_KEY_FILE"])
        files[key.name] = key.read_text()
        values["JWT_PRIVATE_KEY_FILE"] = f"{MOUNT}/{key.name}"
    if service.first_user:
        files[Path(FIRST_PASSWORD).name] = store.get(first_password(service))
    defaults = {"SENTRY_DSN": errors_dsn(settings, store, RECEIVER)}
    return {"environment": environment_file(values, defaults), **files}


def first_password(service: Service) -> str:
    """The name of the secret that is the password of a service's first user, until that user changes it."""
    return f"{service.name}_first_user"


def _rehost(value: str, ports: Mapping[str, int]) -> str:
    for host in ("postgres", "rabbitmq"):
        port = ports[f"{host.upper()}_PORT"]
        value = value.replace(f"@{HOST}:{port}/", f"@{host}:{port}/")
    return value


def environment_file(values: Mapping[str, str], defaults: Mapping[str, str] | None = None) -> str:
    """Lines for a shell to source; a default is used if the variable is empty or not set.

    Values are hex, addresses and names; raises an error for a character that the shell would read differently.
    """
    for name, value in values.items():
        if "'" in value or "\n" in value:
            raise ValueError(f"{name} has a quote or a line break")
    lines = [f"{name}='{value}'\n" for name, value in sorted(values.items())]
    for name, value in sorted((defaults or {}).items()):
        if not re.fullmatch(r"[\w:/@.-]*", value, re.ASCII):
            raise ValueError(f"{name} has other characters than those of an address")
        lines.append(f'{name}="${{{name}:-{value}}}"\n')
    return "".join(lines)


def write(store_folder: Path, target: Path, services: Catalogue, *, own: bool = True) -> list[str]:
    """Create missing secrets in `store_folder` and write each reader's files below `target`/<reader>.

    The store itself belongs to the set-up jobs' user. `own=False` keeps owners unchanged, for tests. Returns readers.
    """
    store = SecretStore(store_folder)
    written = []
    for reader in readers(store, services):
        folder = target / reader.name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name, content in reader.files.items():
            path = folder / name
            partial = folder / f".{name}.partial"
            partial.touch(mode=0o600)
            partial.write_text(content)
            partial.chmod(0o400)
            partial.replace(path)
        if own:
            _own(folder, reader.user, reader.group)
        folder.chmod(0o500)
        written.append(reader.name)
    # Only set-up jobs use these: they mount the store to read it.
    for name in (*map(secret_name, USERS), f"postgres_{TESTS_ROLE}"):
        store.get(name)
    if own:
        _own(store_folder, OURS, OURS)
    return written


def _own(folder: Path, user: int, group: int) -> None:
    for path in (folder, *folder.iterdir()):
        os.chown(path, user, group)
