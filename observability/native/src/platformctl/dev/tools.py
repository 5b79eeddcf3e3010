"""`python -m platformctl.dev.tools NAME...`: builds Go tools into the cache, where tests and `make lint` find them.

prometheus comes with promtool, alertmanager with amtool. What has been built before is kept. The exit code is 1 if a
tool can't be built, with the reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from platformctl.app import Platform
from platformctl.errors import InstallError
from platformctl.install.gotools import GoTool, GoToolchain
from platformctl.install.locations import GO_TOOLS, Locations
from platformctl.install.plan import Installation
from platformctl.install.steps import Step
from platformctl.paths import Paths


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m platformctl.dev.tools", description=__doc__)
    parser.add_argument("names", nargs="+", choices=GO_TOOLS, metavar="NAME", help=", ".join(GO_TOOLS))
    try:
        build(Platform().paths, parser.parse_args(arguments).names, Console(soft_wrap=True))
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def build(paths: Paths, names: Sequence[str], console: Console) -> None:
    """Build the tools that are missing. Raises InstallError."""
    missing: list[Step] = [tool for tool in (GoTool(paths, name) for name in names) if not tool.is_done()]
    if missing:
        Installation([GoToolchain(paths, Locations(paths).uv), *missing], paths.cache, console).run()


if __name__ == "__main__":
    sys.exit(main())
