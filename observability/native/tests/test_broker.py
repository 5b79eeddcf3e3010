"""RabbitMQ's definitions: the permissions of each user."""

from __future__ import annotations

import json
import re
from pathlib import Path

from catalogue import Catalogue
from contracts.events.topology import QUEUES
from platformctl.run import broker
from platformctl.secret_store import SecretStore


def definitions(catalogue: Catalogue, tmp_path: Path) -> dict[str, list[dict[str, str]]]:
    document: dict[str, list[dict[str, str]]] = json.loads(broker.definitions(catalogue, SecretStore(tmp_path)))
    return document


def test_the_password_hash_is_what_rabbitmq_computes() -> None:
    # From RabbitMQ's documentation on password hashing.
    assert (
        broker.password_hash("test12", bytes.fromhex("908DC60A")) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    )


def test_each_service_with_an_amqp_edge_has_a_user_and_none_is_an_administrator(
    the_catalogue: Catalogue, tmp_path: Path
) -> None:
    users = {user["name"]: user["tags"] for user in definitions(the_catalogue, tmp_path)["users"]}
    speaking = {edge.caller for edge in the_catalogue.edges() if edge.protocol == "amqp"}
    assert set(users) == {"admin", *speaking}
    assert {users[name] for name in speaking} == {""}


def test_a_services_user_has_rights_to_the_topology_only(the_catalogue: Catalogue, tmp_path: Path) -> None:
    permissions = [p for p in definitions(the_catalogue, tmp_path)["permissions"] if p["user"] != "admin"]
    assert permissions
    for permission in permissions:
        for right in ("configure", "write", "read"):
            for queue in QUEUES:
                assert re.search(permission[right], queue.name)
                assert re.search(permission[right], queue.dead_letter_queue)
            for foreign in ("amq.topic", "other", f"x{QUEUES[0].name}", f"{QUEUES[0].name}x", "notifications-orders"):
                assert not re.search(permission[right], foreign)


def test_rendering_again_changes_nothing(the_catalogue: Catalogue, tmp_path: Path) -> None:
    store = SecretStore(tmp_path)
    assert broker.definitions(the_catalogue, store) == broker.definitions(the_catalogue, store)
