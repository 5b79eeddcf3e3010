"""`python -m platform_docs build | serve | generate`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

from platform_docs import committed
from platform_docs.repository import DOCS, ROOT


def main() -> int:
    """Run a command. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m platform_docs", description="The documentation site.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="into var/site; a warning fails it")
    serve = commands.add_parser("serve", help="on 127.0.0.1, rebuilt at every change")
    serve.add_argument("--port", default="8010")
    generate = commands.add_parser("generate", help="write measurements and figures that are committed")
    generate.add_argument("--check", action="store_true", help="only say whether they are current")
    options = parser.parse_args()
    if options.command == "generate":
        return write_generated(check=options.check)
    if not install_scripts():
        return 1
    mkdocs = [sys.executable, "-m", "mkdocs"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    if options.command == "serve":
        command = [*mkdocs, "serve", "--dev-addr", f"127.0.0.1:{options.port}"]
        return subprocess.run(command, cwd=ROOT, check=False, env=environment).returncode
    # Not --quiet: a warning that isn't logged isn't counted, so it would not fail the build.
    return subprocess.run([*mkdocs, "build", "--strict"], cwd=ROOT, check=False, env=environment).returncode


def write_generated(*, check: bool) -> int:
    """Write what is not current, or with `check` only name it. Returns the exit code."""
    stale = committed.stale()
    for path, content in stale.items():
        if check:
            print(f"{path} is not current: make generate")
        else:
            (ROOT / path).write_text(content)
            print(f"wrote {path}")
    return 1 if check and stale else 0


def install_scripts() -> bool:
    """Fetch what the site serves from npm, unless it is current. False, and a message, when it can't be had."""
    lock, installed = DOCS / "package-lock.json", DOCS / "node_modules" / ".platform-lock.json"
    if installed.is_file() and installed.read_bytes() == lock.read_bytes():
        return True
    if shutil.which("npm") is None:
        print("npm is missing: `make up` installs it, or: apt-get install npm", file=sys.stderr)
        return False
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(npm, cwd=DOCS, check=False, stdout=subprocess.DEVNULL).returncode:
        return False
    shutil.copyfile(lock, installed)
    return True


if __name__ == "__main__":
    sys.exit(main())
