"""The checks of `make lint`: style, wording, types, imports, shell scripts, workflows, generated files."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from platformctl.app import Platform
from platformctl.dev import generate

# Folders with a `config` package each, which must be checked one by one.
PACKAGES = (
    "services/_template",
    "services/catalogue",
    "services/settings",
    "services/contracts",
    "observability/django_telemetry",
    "observability/native",
    "observability/jaeger/dependencies",
    "observability/errors",
    "observability/log_pipeline",
    "observability/retention",
    "observability/watchdog",
    "observability/compose",
    "alerts",
    "dashboards",
    "docs",
    "load",
    "testing",
    "tests",
)
# With --check they fail when a file that they generate is out of date.
GENERATORS = ("alerts.generator", "dashboards.builder")


def run(platform: Platform, console: Console) -> int:
    """Run every check, even after failures. Returns the exit code."""
    root = platform.paths.root
    tools = platform.paths.python.parent
    checks: list[tuple[str, Path, Sequence[str]]] = [
        ("ruff check", root, [str(tools / "ruff"), "check", "--quiet", "."]),
        ("ruff format", root, [str(tools / "ruff"), "format", "--quiet", "--check", "."]),
        ("shellcheck", root, [str(tools / "shellcheck"), *map(str, shell_scripts(root))]),
        ("imports", root, [str(tools / "python"), "-m", "platformctl.dev.imports"]),
        ("actionlint", root, [str(tools / "python"), "-m", "platformctl.dev.workflows"]),
        ("wording", root, [str(tools / "python"), "-m", "platformctl.dev.words"]),
    ]
    folders = [*PACKAGES, *(f"services/{name}" for name in platform.catalogue.services)]
    checks += [
        (f"mypy {folder}", root, [str(tools / "python"), "-m", "platformctl.dev.typecheck", folder])
        for folder in folders
        if (root / folder).is_dir()
    ]
    checks += [(f"{name} --check", root, [str(tools / "python"), "-m", name, "--check"]) for name in GENERATORS]
    failed = [name for name, cwd, command in checks if subprocess.run(command, cwd=cwd, check=False).returncode != 0]
    if stale := generate.stale(platform):
        failed.append("generated files")
        for path in stale:
            console.print(f"{path} is not current: make generate")
    console.print(f"lint: {len(checks) + 1} checks, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    return 1 if failed else 0


def shell_scripts(root: Path) -> list[Path]:
    """Every file of the repository whose first line names a shell."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    return sorted(path for path in (root / name for name in listed if name) if _is_shell_script(path))


def _is_shell_script(path: Path) -> bool:
    if not path.is_file() or path.is_symlink():
        return False
    with path.open("rb") as file:
        first = file.readline(100)
    return first.startswith(b"#!") and first.rstrip().endswith((b"/sh", b"/bash", b" sh", b" bash"))
