"""The locations of installed programs in the cache. Each folder's name contains the versions that it was built from."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from catalogue import Service

from platformctl.install import versions
from platformctl.install.distributions import Distribution
from platformctl.paths import Paths

GO_TOOLS = ("jaeger", "process-compose", "toxiproxy", "actionlint", "prometheus", "alertmanager")


@dataclass(frozen=True)
class Locations:
    """Paths of installed programs; they may not exist yet."""

    paths: Paths

    @property
    def jaeger(self) -> Path:
        return self.go_tool("jaeger") / "jaeger"

    @property
    def process_compose(self) -> Path:
        return self.go_tool("process-compose") / "process-compose"

    @property
    def toxiproxy(self) -> Path:
        return self.go_tool("toxiproxy") / "toxiproxy"

    @property
    def actionlint(self) -> Path:
        return self.go_tool("actionlint") / "actionlint"

    @property
    def uv(self) -> Path:
        """The uv that the bootstrap script installed."""
        return self.paths.cache / "uv" / _digest(self.paths.native / "tools" / "uv-requirements.txt") / "bin" / "uv"

    @property
    def elasticsearch(self) -> Path:
        plugin = sorted(self.elasticsearch_plugin.iterdir())
        return self.paths.cache / "elasticsearch" / f"{self._version('ELASTICSEARCH_VERSION')}-{_digest(*plugin)}"

    @property
    def elasticsearch_plugin(self) -> Path:
        """The committed sources of the server's plugin."""
        return self.paths.native / "tools" / "elasticsearch"

    def assets_folder(self, service: Service) -> Path:
        lock = self.paths.root / service.folder / "package-lock.json"
        return self.paths.cache / service.name / _digest(lock)

    def assets(self, service: Service) -> Path:
        """The browser assets of a service's pages."""
        return self.assets_folder(service) / "node_modules"

    @property
    def go_toolchain(self) -> Path:
        """The folder of the Go from PyPI, used if the machine has none."""
        requirements = self.paths.native / "tools" / "go" / "requirements.txt"
        return self.paths.cache / "go" / f"toolchain-{_digest(requirements)}"

    def go_module(self, tool: str) -> Path:
        """The committed module that pins a Go tool."""
        return self.paths.native / "tools" / tool

    def go_tool(self, tool: str) -> Path:
        """The folder of a built Go tool; other pins have another folder."""
        module = self.go_module(tool)
        variable = f"{tool.replace('-', '_').upper()}_VERSION"
        return self.paths.cache / tool / f"{self._version(variable)}-{_digest(module / 'go.mod', module / 'go.sum')}"

    @property
    def java_home(self) -> Path:
        """A link to the folder of the machine's Java."""
        return self.paths.run / "java"

    @property
    def postgres_binaries(self) -> Path:
        """A link to the folder of PostgreSQL's programs, which each distribution has in a folder of its own."""
        return self.paths.run / "postgresql"

    def link_system_programs(self, distribution: Distribution) -> None:
        """Create the links to Java and PostgreSQL, which are known only after the installation."""
        self.paths.run.mkdir(parents=True, exist_ok=True)
        _link(self.postgres_binaries, distribution.postgres_binaries)
        _link(self.java_home, system_java_home())

    def _version(self, key: str) -> str:
        return re.sub(r"^v", "", versions.load(self.paths.root)[key])


def system_java_home() -> Path:
    """The folder of the Java on PATH, else that of Debian's package."""
    java = shutil.which("java")
    return Path(java).resolve().parents[1] if java else Path("/usr/lib/jvm/default-java")


def _link(link: Path, target: Path) -> None:
    partial = link.with_name(f".{link.name}.partial")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    partial.replace(link)


def _digest(*files: Path) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()[:10]
