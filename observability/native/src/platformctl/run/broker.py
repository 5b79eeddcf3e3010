"""RabbitMQ's users, virtual host and permissions, which the broker imports at each start."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from catalogue import Catalogue
from contracts.events.topology import DEAD_LETTER_EXCHANGE, EVENT_EXCHANGE, QUEUES

from platformctl.run.environment import VIRTUAL_HOST
from platformctl.secret_store import SecretStore

ADMIN = "admin"


def definitions(catalogue: Catalogue, store: SecretStore) -> str:
    """RabbitMQ's definitions file. Each service has a user with rights to the topology's names only."""
    services = sorted({edge.caller for edge in catalogue.edges() if edge.protocol == "amqp"})
    topology = topology_pattern()
    document = {
        "vhosts": [{"name": VIRTUAL_HOST}],
        "users": [_user(ADMIN, store, "administrator"), *(_user(service, store, "") for service in services)],
        "permissions": [
            _permission(ADMIN, ".*"),
            # Declaring a queue with a dead-letter exchange needs all three rights, and every side declares all queues.
            *(_permission(service, topology) for service in services),
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def topology_pattern() -> str:
    """A regular expression that matches exactly the names of contracts.events' topology."""
    names = [EVENT_EXCHANGE, DEAD_LETTER_EXCHANGE]
    for queue in QUEUES:
        names += [queue.name, queue.dead_letter_queue]
    return f"^({'|'.join(re.escape(name) for name in names)})$"


def _user(name: str, store: SecretStore, tags: str) -> dict[str, Any]:
    password = store.get(f"rabbitmq_{name}")
    # Not random, so that the file changes only when a password does. Each password is random and used once.
    salt = hashlib.sha256(f"{name}:{password}".encode()).digest()[:4]
    return {
        "name": name,
        "password_hash": password_hash(password, salt),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": tags,
        "limits": {},
    }


def password_hash(password: str, salt: bytes) -> str:
    """RabbitMQ's salted SHA-256, prefixed with its four bytes of salt."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _permission(user: str, pattern: str) -> dict[str, str]:
    return {"user": user, "vhost": VIRTUAL_HOST, "configure": pattern, "write": pattern, "read": pattern}
