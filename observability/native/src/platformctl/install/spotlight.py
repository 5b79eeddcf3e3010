"""Installs Spotlight, Sentry's local viewer, from npm; package-lock.json verifies every package."""

from __future__ import annotations

import shutil

from platformctl.install import versions
from platformctl.install.locations import Locations
from platformctl.install.steps import Shell, Staging, Step
from platformctl.paths import Paths


class Spotlight(Step):
    """Runs `npm ci` into the cache."""

    name = "spotlight"
    typical_seconds = 20
    needs = ("packages",)

    def __init__(self, paths: Paths) -> None:
        self._source = paths.observability / "spotlight"
        self._cache = paths.cache / "npm"
        self._locations = Locations(paths)
        self.title = f"Spotlight {versions.load(paths.root)['SPOTLIGHT_VERSION']} (npm)"

    def is_done(self) -> bool:
        return self._locations.spotlight.is_file()

    def install(self, shell: Shell) -> None:
        with Staging(self._locations.spotlight_folder) as folder:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(self._source / name, folder / name)
            shell.run(
                # Install scripts of packages are disabled: no package here needs one.
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", str(self._cache)],
                folder=folder,
            )
