"""`make new-service`: a folder from services/_template, and its entry in the catalogue."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import catalogue as catalogue_module
from catalogue import Catalogue

from platformctl.app import Platform
from platformctl.errors import PlatformError
from platformctl.settings import default_ports

ENTRY = "catalogue-entry.yaml"
NAME = re.compile(r"[a-z][a-z0-9]{1,29}")
# The first line after the services in catalogue.yaml.
AFTER_SERVICES = "external:\n"
# The packages beside the app in a service's folder.
OF_EVERY_SERVICE = frozenset({"config", "tests"})
# Not the template's: what tools leave behind.
LEFT_BEHIND = shutil.ignore_patterns("__pycache__", ".*_cache", ENTRY)


@dataclass(frozen=True)
class NewService:
    """What was created: the folder, and the entry as it is in catalogue.yaml now."""

    folder: Path
    entry: str


@dataclass(frozen=True)
class _Ports:
    http: int
    metrics: int
    consumer_metrics: int
    proxy: int


def create(platform: Platform, name: str, app: str = "", owner: str = "platform") -> NewService:
    """Create services/`name` and add its entry. Raises PlatformError and changes nothing where a name can't be used."""
    app = app or name
    services = platform.paths.root / "services"
    problems = list(_problems(platform.catalogue, services, name, app, owner))
    if problems:
        raise PlatformError(f"no service {name!r} can be created", detail=problems)
    template, folder = services / "_template", services / name
    words = _words(name, app, owner, _free_ports(platform.catalogue))
    entry = _filled((template / ENTRY).read_text(), words)
    catalogue_file = services / "catalogue" / "catalogue.yaml"
    before = catalogue_file.read_text()
    catalogue_file.write_text(_with_entry(before, entry))
    try:
        catalogue_module.load(catalogue_file)
        shutil.copytree(template, folder, ignore=LEFT_BEHIND)
        _fill(folder, words)
        _tidy(platform, folder)
    except BaseException:
        catalogue_file.write_text(before)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return NewService(folder.relative_to(platform.paths.root), entry)


def _problems(catalogue: Catalogue, services: Path, name: str, app: str, owner: str) -> Iterator[str]:
    for what, value in (("name", name), ("app", app), ("owner", owner)):
        if not NAME.fullmatch(value):
            yield f"{what}={value}: allowed are 2 to 30 lower-case letters and digits, a letter first"
    if name in {*catalogue.services, *catalogue.external} or (services / name).exists():
        yield f"name={name}: there is one already"
    if app in {service.app for service in catalogue.services.values()} | OF_EVERY_SERVICE:
        yield f"app={app}: there is one already"
    elif NAME.fullmatch(app) and importlib.util.find_spec(app) is not None:
        yield f"app={app}: a package of that name is installed"


def _free_ports(catalogue: Catalogue) -> _Ports:
    """The next ports in the order of the others: 8007, 8107, 8117, 18071."""
    taken = set(default_ports(catalogue).values())
    for number in range(1, 100):
        ports = _Ports(8000 + number, 8100 + number, 8110 + number, 18001 + 10 * number)
        if not taken & {ports.http, ports.metrics, ports.consumer_metrics, ports.proxy}:
            return ports
    raise PlatformError("there are no free ports in the order of the others", advice="add the entry by hand")


def _words(name: str, app: str, owner: str, ports: _Ports) -> dict[str, str]:
    """Placeholder in the template → value."""
    return {
        "newservice": name,
        "NewService": name.capitalize(),
        "newapp": app,
        "NewApp": app.capitalize(),
        "newowner": owner,
        "65001": str(ports.http),
        "65002": str(ports.metrics),
        "65003": str(ports.consumer_metrics),
        "65004": str(ports.proxy),
    }


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub("|".join(words), lambda match: words[match[0]], text)


def _fill(folder: Path, words: dict[str, str]) -> None:
    # The deepest first, so that a path is still right when its turn comes.
    for path in sorted(folder.rglob("*"), key=lambda each: len(each.parts), reverse=True):
        if path.is_file():
            path.write_text(_filled(path.read_text(), words))
        path.rename(path.with_name(_filled(path.name, words)))


def _with_entry(text: str, entry: str) -> str:
    """The catalogue with the entry as its last service, before the comment of what follows."""
    before, found, after = text.partition(f"\n{AFTER_SERVICES}")
    if not found:
        raise PlatformError(f"catalogue.yaml has no line {AFTER_SERVICES.strip()!r}", advice="add the entry by hand")
    lines = before.splitlines()
    comment: list[str] = []
    while lines and lines[-1].startswith("#"):
        comment.insert(0, lines.pop())
    return "\n".join([*lines, entry, *comment]) + found + after


def _tidy(platform: Platform, folder: Path) -> None:
    """Sort imports and fill lines as `make lint` wants them: both depend on the names."""
    ruff = str(platform.paths.python.parent / "ruff")
    for arguments in (("check", "--quiet", "--select", "I", "--fix"), ("format", "--quiet")):
        done = subprocess.run([ruff, *arguments, str(folder)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PlatformError("ruff failed", detail=(done.stdout + done.stderr).splitlines()[-10:])
