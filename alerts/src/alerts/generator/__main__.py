"""`python -m alerts.generator` writes the generated files; `--check` only reports whether they are current."""

from __future__ import annotations

import argparse
import sys

import catalogue

from alerts.generator import alertmanager
from alerts.generator.build import FOLDER, files


def main() -> int:
    """Run the command line. Returns exit code 1 when --check finds a stale file."""
    parser = argparse.ArgumentParser(prog="python -m alerts.generator", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is stale")
    parser.add_argument(
        "--alertmanager", action="store_true", help="print alertmanager.yml with the environment's receivers"
    )
    options = parser.parse_args()
    if options.alertmanager:
        print(alertmanager.configuration(catalogue.load(), alertmanager.Receivers.from_environment()), end="")
        return 0
    stale = [
        (path, text) for path, text in files(catalogue.load()).items() if not path.exists() or path.read_text() != text
    ]
    for path, text in stale:
        if options.check:
            print(f"{path.relative_to(FOLDER.parent)} is stale: run python -m alerts.generator", file=sys.stderr)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            print(f"wrote {path.relative_to(FOLDER.parent)}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
