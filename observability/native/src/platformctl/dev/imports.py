"""`python -m platformctl.dev.imports`: checks import-linter's contracts.

All packages are checked with .importlinter. Every service has a package named `config`, so each service is checked in
its own folder, with services/importlinter.ini. The exit code is 1 when a contract is broken.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from string import Template

from platformctl.paths import repository_root


def main() -> int:
    root = repository_root()
    failed = check(root, (root / ".importlinter").read_text())
    template = Template((root / "services" / "importlinter.ini").read_text())
    for folder in sorted(path.parents[1] for path in (root / "services").glob("*/config/__init__.py")):
        failed |= check(folder, template.substitute(packages="\n    ".join(packages(folder))))
    return 1 if failed else 0


def packages(folder: Path) -> list[str]:
    """The names of the packages in a service's folder, without its tests."""
    return sorted(path.parent.name for path in folder.glob("*/__init__.py") if path.parent.name != "tests")


def check(folder: Path, contracts: str) -> bool:
    """Check contracts for the packages in `folder`. Prints violations; returns True if there are any."""
    program = Path(sys.executable).parent / "lint-imports"
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
        file.write(contracts)
        file.flush()
        done = subprocess.run(
            [program, "--no-cache", "--no-logo", file.name], cwd=folder, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        print(f"{folder.name}:\n{done.stdout}{done.stderr}")
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
