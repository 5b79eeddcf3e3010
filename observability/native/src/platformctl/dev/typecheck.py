"""The type check of one package: `python -m platformctl.dev.typecheck services/orders`.

django-stubs' plugin for mypy imports the package's Django settings, to know the models and the settings' types. So
mypy runs in the package's folder with the settings module that its tests name, and in an environment without
anything else: settings fall back on their values for development, which need no database and no secrets.

mypy's cache doesn't notice that a setting has got another type: remove the package's .mypy_cache after that.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

# For packages without Django: the plugin insists on settings.
NO_DJANGO = "django.conf.global_settings"


def main(arguments: Sequence[str]) -> int:
    """Check the packages in the folders that are given. Returns 1 when one of them has findings."""
    codes = [check(Path(folder).resolve()) for folder in arguments]
    return 1 if any(codes) else 0


def check(folder: Path) -> int:
    """Run mypy over ``folder`` with the settings of the project that ``folder`` is in. Returns mypy's exit code."""
    config = next(parent / "pyproject.toml" for parent in folder.parents if (parent / "pyproject.toml").is_file())
    environment = {
        "DJANGO_SETTINGS_MODULE": settings_module(folder),
        # Setting up Django would start exporters, and patch what mypy itself runs on.
        "TELEMETRY_SIGNALS": "none",
        "LANG": "C.UTF-8",
    }
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--config-file", str(config), "."]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def settings_module(folder: Path) -> str:
    """The Django settings module that the package's tests run with."""
    project = folder / "pyproject.toml"
    tool = tomllib.loads(project.read_text()).get("tool", {}) if project.is_file() else {}
    return str(tool.get("pytest", {}).get("ini_options", {}).get("DJANGO_SETTINGS_MODULE", NO_DJANGO))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
