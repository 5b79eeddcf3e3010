"""`python -m platformctl.dev.workflows`: runs actionlint on the GitHub workflows, with shellcheck on their scripts.

Builds actionlint into the cache if it is missing, which needs the network once. The exit code is 1 if there are
findings or if actionlint can't be built.
"""

from __future__ import annotations

import subprocess
import sys

from rich.console import Console

from platformctl.app import Platform
from platformctl.dev import tools
from platformctl.errors import InstallError
from platformctl.install.locations import Locations


def main() -> int:
    paths = Platform().paths
    workflows = sorted((paths.root / ".github" / "workflows").glob("*.yml"))
    if not workflows:
        return 0
    console = Console(soft_wrap=True)
    try:
        tools.build(paths, ["actionlint"], console)
    except InstallError as error:
        console.print(str(error), markup=False, highlight=False)
        return 1
    command = [
        str(Locations(paths).actionlint),
        "-shellcheck",
        str(paths.python.parent / "shellcheck"),
        "-pyflakes",
        "",
    ]
    return subprocess.run([*command, *map(str, workflows)], cwd=paths.root, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
