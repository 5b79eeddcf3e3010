"""`python -m platform_compose secrets | postgres | elasticsearch | kibana | passwords | probe | generate [--check]`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from platformctl.run.database import ensure_roles
from platformctl.secret_store import SecretStore

from platform_compose import generated, hosts, kibana_setup, probe, search_setup, secrets
from platform_compose.api import SetupError
from platform_compose.search_users import SUPERUSER, secret_name

STORE = Path("/secrets/store")
READERS = Path("/secrets/readers")
TEMPLATES = Path("/templates")
OBJECTS = Path("/objects/platform.ndjson")


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
    """0: done, 1: refused by a server or not current, 2: a wrong setting or argument."""
    options = parser().parse_args(arguments)
    services = hosts.platform()
    store = SecretStore(STORE)
    try:
        match options.command:
            case "secrets":
                print("secrets of:", ", ".join(secrets.write(STORE, READERS, services)))
            case "postgres":
                # Runs in the server's network namespace: the superuser is let in from nowhere else.
                ensure_roles(hosts.default_settings(services).ports["POSTGRES_PORT"], services, store)
            case "elasticsearch":
                search_setup.run(os.environ["ELASTICSEARCH_URL"], store, TEMPLATES, _days("LOGS_RETENTION_DAYS", 7))
            case "kibana":
                print(kibana_setup.run(os.environ["KIBANA_URL"], store, OBJECTS), "objects are in Kibana")
            case "passwords":
                print(f"Kibana   elastic  {store.get(secret_name(SUPERUSER))}")
                print(f"Grafana  admin    {store.get('grafana_admin')}")
                print(f"RabbitMQ admin    {store.get('rabbitmq_admin')}")
            case "probe":
                return probe.run(services, os.environ)
            case "generate":
                return _generate(check=options.check)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _days(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 365):
        raise SystemExit(f"{name}={text!r}: allowed is a whole number from 1 to 365")
    return int(text)


def _generate(*, check: bool) -> int:
    services = hosts.platform()
    outdated = generated.stale(services) if check else generated.write(services)
    for name in outdated:
        print(f"{name} is not current" if check else f"wrote {name}")
    return 1 if check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
