"""docker-compose.yml as the tests read it: anchors and merges resolved, ${NAME:-default} replaced by the defaults."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import catalogue
import yaml
from platformctl.install.locations import Locations
from platformctl.paths import Paths, repository_root
from platformctl.settings import DEFAULT_CACHE

ROOT = repository_root()
Service = dict[str, Any]
# The one-shots of a service: suffix of the container's name → whether a service has it.
STEPS: Mapping[str, Callable[[catalogue.Service], bool]] = {
    "migrate": lambda service: True,
    "seed": lambda service: service.seed is not None,
    "first-user": lambda service: service.first_user is not None,
}
SERVICE_ONE_SHOTS = frozenset(
    f"{service.name}-{suffix}"
    for service in catalogue.load().services.values()
    for suffix, has in STEPS.items()
    if has(service)
)
ONE_SHOTS = SERVICE_ONE_SHOTS | {"secrets", "postgres-setup", "elasticsearch-setup", "kibana-setup"}

# Ends by itself, and exists only when an operator runs it.
ON_DEMAND = "drill"


class _Loader(yaml.SafeLoader):
    """Supports compose's tags !override and !reset."""


def _tagged(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return None


_Loader.add_multi_constructor("!", _tagged)


def temporary(service: Service) -> list[str]:
    """The options of each temporary file system at /tmp, after its path."""
    mounted = [entry["target"] + ":" for entry in service.get("volumes", []) if isinstance(entry, dict)]
    return [entry for entry in (*service["tmpfs"], *mounted) if entry.startswith("/tmp:")]


def interpolate(text: str) -> str:
    """Replace every ${NAME:-default} by its default and $$ by a dollar."""
    replaced = re.sub(r"(?<!\$)\$\{(\w+):-([^}]*)\}", lambda match: match[2], text)
    return replaced.replace("$$", "$")


@cache
def document(name: str = "docker-compose.yml") -> dict[str, Any]:
    """The whole file."""
    loaded: dict[str, Any] = yaml.load((ROOT / name).read_text(), Loader=_Loader)
    replaced: dict[str, Any] = _walk(loaded)
    return replaced


def _walk(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _walk(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_walk(item) for item in value]
    return interpolate(value) if isinstance(value, str) else value


def services() -> dict[str, Service]:
    """Container → its part of the file."""
    found: dict[str, Service] = document()["services"]
    return found


def long_running() -> dict[str, Service]:
    """Containers that keep running, including those of a profile."""
    return {name: service for name, service in services().items() if name not in {*ONE_SHOTS, ON_DEMAND}}


def started_by_up() -> dict[str, Service]:
    """Containers that keep running after `docker compose up` without any profile."""
    return {name: service for name, service in long_running().items() if not service.get("profiles")}


def mounts(service: Service) -> Iterator[tuple[str, str, bool]]:
    """(source, target, read-only) of each volume, without temporary file systems."""
    for source, target, options in _mounts(service):
        yield source, target, "ro" in options


def relabelled(service: Service) -> Iterator[tuple[str, bool]]:
    """(source, whether SELinux's label is changed so that containers may read it) of each volume."""
    for source, _, options in _mounts(service):
        yield source, "z" in options


def _mounts(service: Service) -> Iterator[tuple[str, str, list[str]]]:
    for entry in service.get("volumes", []):
        if not isinstance(entry, dict):
            source, target, *options = entry.split(":")
            yield source, target, ",".join(options).split(",")


def megabytes(limit: str) -> int:
    """The number of a limit such as 160m. Raises ValueError for another unit."""
    if not limit.endswith("m"):
        raise ValueError(f"{limit!r}: limits are written in m")
    return int(limit[:-1])


def built(tool: str) -> Path:
    """The path of a tool that `tools/build` builds; it may not exist yet."""
    module = ROOT / "observability" / "compose" / "tools" / tool
    pins = hashlib.sha256((module / "go.mod").read_bytes() + (module / "go.sum").read_bytes()).hexdigest()[:10]
    return Path(os.environ.get("CACHE_DIR") or DEFAULT_CACHE) / tool / pins / tool


def go_tool(tool: str) -> Path:
    """The folder of a tool that `python -m platformctl.dev.tools` builds; it may not exist yet."""
    return Locations(Paths(ROOT, Path(os.environ.get("CACHE_DIR") or DEFAULT_CACHE))).go_tool(tool)


def docker_compose() -> Path | None:
    """A docker compose: DOCKER_COMPOSE, the one from tools/build, a plugin's binary, or one on PATH."""
    plugins = (
        Path.home() / ".docker" / "cli-plugins",
        "/usr/libexec/docker/cli-plugins",
        "/usr/lib/docker/cli-plugins",
    )
    candidates = [
        os.environ.get("DOCKER_COMPOSE"),
        built("docker-compose"),
        *(Path(folder) / "docker-compose" for folder in plugins),
        shutil.which("docker-compose"),
    ]
    return next((Path(each) for each in candidates if each and Path(each).is_file()), None)
