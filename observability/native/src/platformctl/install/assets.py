"""The browser assets of a service's pages, from npm; package-lock.json verifies every package."""

from __future__ import annotations

import shutil

from catalogue import Service

from platformctl.install.locations import Locations
from platformctl.install.steps import Shell, Staging, Step
from platformctl.paths import Paths


class Assets(Step):
    """Runs `npm ci` into the cache."""

    typical_seconds = 10
    needs = ("packages",)

    def __init__(self, paths: Paths, service: Service) -> None:
        self.name = f"{service.name}-assets"
        self.title = f"What the pages of {service.name} load (npm)"
        self._service = service
        self._source = paths.root / service.folder
        self._cache = paths.cache / "npm"
        self._locations = Locations(paths)

    def is_done(self) -> bool:
        return self._locations.assets(self._service).is_dir()

    def install(self, shell: Shell) -> None:
        with Staging(self._locations.assets_folder(self._service)) as folder:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(self._source / name, folder / name)
            shell.run(
                # Install scripts of packages are disabled: no package here needs one.
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", str(self._cache)],
                folder=folder,
            )
