"""Type-checks one package: `python -m platformctl.dev.typecheck services/orders`.

The mypy plugin of django-stubs imports the package's Django settings to read the types of models and settings. So mypy
runs in the package's folder, with the settings module that its tests use and without any other environment variable:
settings use their development defaults, which need no database and no secrets.

mypy's cache doesn't notice when the type of a setting changes: delete the package's .mypy_cache after that.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

# For packages without Django: the plugin requires settings.
NO_DJANGO = "django.conf.global_settings"


def main(arguments: Sequence[str]) -> int:
    """Check the packages in the given folders. Returns 1 if there are findings."""
    codes = [check(Path(folder).resolve()) for folder in arguments]
    return 1 if any(codes) else 0


def check(folder: Path) -> int:
    """Run mypy on ``folder`` with the settings of the project that contains it. Returns mypy's exit code."""
    config = next(parent / "pyproject.toml" for parent in folder.parents if (parent / "pyproject.toml").is_file())
    environment = {
        "DJANGO_SETTINGS_MODULE": settings_module(folder),
        # Setting up Django would start exporters and patch modules that mypy uses.
        "TELEMETRY_SIGNALS": "none",
        "LANG": "C.UTF-8",
    }
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--config-file", str(config), "."]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def settings_module(folder: Path) -> str:
    """The Django settings module that the package's tests use."""
    project = folder / "pyproject.toml"
    tool = tomllib.loads(project.read_text()).get("tool", {}) if project.is_file() else {}
    return str(tool.get("pytest", {}).get("ini_options", {}).get("DJANGO_SETTINGS_MODULE", NO_DJANGO))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
