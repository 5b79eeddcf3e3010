"""The images of this repository: each is built once, by a container that all its users wait for, and never pulled."""

from __future__ import annotations

from collections import Counter

import pytest

from tests import stack

OURS = {
    name: service for name, service in stack.services().items() if service["image"].startswith("django-observability/")
}
BUILDERS = {service["image"]: name for name, service in OURS.items() if "build" in service}


def reached(name: str) -> set[str]:
    """The container and all that it waits for, directly or not."""
    found = {name}
    for needed in stack.services()[name].get("depends_on", {}):
        found |= reached(needed)
    return found


def test_each_image_is_built_by_exactly_one_container() -> None:
    builds = Counter(service["image"] for service in OURS.values() if "build" in service)
    assert builds == Counter({service["image"] for service in OURS.values()})


@pytest.mark.parametrize("name", OURS)
def test_an_image_of_ours_is_never_pulled(name: str) -> None:
    assert OURS[name].get("pull_policy") == "never"


@pytest.mark.parametrize("name", OURS)
def test_starting_a_container_alone_builds_its_image(name: str) -> None:
    builder = BUILDERS[OURS[name]["image"]]
    assert builder in reached(name), (
        f"`docker compose up {name}` on a new machine: {builder} is not among what it needs"
    )


def test_only_images_of_ours_are_built() -> None:
    assert [name for name, service in stack.services().items() if "build" in service and name not in OURS] == []
