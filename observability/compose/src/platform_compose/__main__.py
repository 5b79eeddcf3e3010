"""`python -m platform_compose secrets | postgres | elasticsearch | kibana | passwords | probe | generate [--check]`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalogue import Catalogue
from platform_settings import SettingsError, kinds, read
from platformctl.run.database import ensure_roles
from platformctl.secret_store import SecretStore

from platform_compose import generated, hosts, kibana_setup, probe, search_setup, secrets
from platform_compose.api import SetupError
from platform_compose.search_users import SUPERUSER, secret_name

STORE = Path("/secrets/store")
READERS = Path("/secrets/readers")
TEMPLATES = Path("/templates")
OBJECTS = Path("/objects/platform.ndjson")


@dataclass(frozen=True)
class Elasticsearch:
    """Settings of the Elasticsearch set-up job."""

    elasticsearch_url: str = kinds.url()
    logs_retention_days: int = kinds.integer(7, 1, 365)
    errors_retention_days: int = kinds.integer(30, 1, 365)


@dataclass(frozen=True)
class Kibana:
    """Settings of the Kibana set-up job."""

    kibana_url: str = kinds.url()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="python -m platform_compose", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)
    commands.add_parser("secrets", help="make what is missing, give each container its own")
    commands.add_parser("postgres", help="roles, databases and rights")
    commands.add_parser("elasticsearch", help="users, roles, lifecycle, index templates")
    commands.add_parser("kibana", help="data view, searches, dashboard")
    commands.add_parser("passwords", help="show with what people log in")
    commands.add_parser("probe", help="place an order and find it in every signal")
    generate = commands.add_parser("generate", help="write the files with compose's hosts")
    generate.add_argument("--check", action="store_true", help="only say which are not current")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 success, 1 refused by a server or out of date, 2 a wrong setting or argument."""
    options = parser().parse_args(arguments)
    services = hosts.platform()
    store = SecretStore(STORE)
    try:
        match options.command:
            case "secrets":
                print("secrets of:", ", ".join(secrets.write(STORE, READERS, services)))
            case "postgres":
                # Runs in the server's network namespace, the only place from which the superuser may connect.
                ensure_roles(hosts.default_settings(services).ports["POSTGRES_PORT"], services, store)
            case "elasticsearch":
                chosen = read(Elasticsearch, blank_is_unset=True)
                search_setup.run(
                    chosen.elasticsearch_url,
                    store,
                    TEMPLATES,
                    logs_days=chosen.logs_retention_days,
                    errors_days=chosen.errors_retention_days,
                )
            case "kibana":
                url = read(Kibana, blank_is_unset=True).kibana_url
                print(kibana_setup.run(url, store, OBJECTS), "objects are in Kibana")
            case "passwords":
                _show_passwords(services, store)
            case "probe":
                return probe.run(services, os.environ)
            case "generate":
                return _generate(check=options.check)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _show_passwords(services: Catalogue, store: SecretStore) -> None:
    rows = [
        ("Kibana", "elastic", store.get(secret_name(SUPERUSER)), ""),
        ("Grafana", "admin", store.get("grafana_admin"), ""),
        ("RabbitMQ", "admin", store.get("rabbitmq_admin"), ""),
        *(
            (service.title, "admin", store.get(secrets.first_password(service)), "until that user changes it")
            for service in services.services.values()
            if service.first_user
        ),
    ]
    for page, user, password, note in rows:
        print(f"{page:<10}{user:<9}{password}  {note}".rstrip())


def _generate(*, check: bool) -> int:
    services = hosts.platform()
    outdated = generated.stale(services) if check else generated.write(services)
    for name in outdated:
        print(f"{name} is not current" if check else f"wrote {name}")
    return 1 if check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
