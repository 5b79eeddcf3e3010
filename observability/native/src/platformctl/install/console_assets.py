"""What the console's pages load in the browser, from npm; package-lock.json verifies every package."""

from __future__ import annotations

import shutil

from platformctl.install.locations import Locations
from platformctl.install.steps import Shell, Staging, Step
from platformctl.paths import Paths


class ConsoleAssets(Step):
    """`npm ci` into the cache."""

    name = "console-assets"
    title = "The console's charts and scripts (npm)"
    typical_seconds = 10
    needs = ("packages",)

    def __init__(self, paths: Paths) -> None:
        self._source = paths.root / "services" / "console"
        self._cache = paths.cache / "npm"
        self._locations = Locations(paths)

    def is_done(self) -> bool:
        return self._locations.console_assets.is_dir()

    def install(self, shell: Shell) -> None:
        with Staging(self._locations.console_folder) as folder:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(self._source / name, folder / name)
            shell.run(
                # No package's own install script runs: nothing here needs one.
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", str(self._cache)],
                folder=folder,
            )
