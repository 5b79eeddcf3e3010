"""Writes the docs page versions.md from the results of `tox`: the suite on each declared pair of Python and Django.

Usage: python tests/versions.py FOLDER...   (folders with a JUnit file per environment; tox's `report` calls it)
"""

from __future__ import annotations

import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Versions

The test suite of this library on each pair of Python and Django that it declares, as `tox` ran it; `tox -e report`
writes this page. "not run": left out of that run, or the machine had no such Python. Django 6.0 needs Python 3.12, and
Django 4.2 was made for Python up to 3.12.

| Python | Django | passed | failed | skipped | on |
| --- | --- | --- | --- | --- | --- |
"""


def environments() -> list[str]:
    """The environments of pyproject.toml, except the one that runs this script."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        names: list[str] = tomllib.load(file)["tool"]["tox"]["env_list"]
    return [name for name in names if name != "report"]


def row(environment: str, folders: list[Path]) -> str:
    """The table row of one environment."""
    found = [path for folder in folders if (path := folder / f"{environment}.xml").is_file()]
    if not found:
        python, django = environment.split("-")
        return f"| {python[2]}.{python[3:]} | {django[6]}.{django[7]} | not run | | | |"
    suite = next(ElementTree.parse(found[-1]).iter("testsuite"))
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
    number = {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
    failed = number["failures"] + number["errors"]
    passed = number["tests"] - failed - number["skipped"]
    # Django sets the process's time zone, which pytest uses for its timestamps.
    day = datetime.fromisoformat(suite.get("timestamp", "")).astimezone(UTC).date()
    return f"| {properties['python']} | {properties['django']} | {passed} | {failed} | {number['skipped']} | {day} |"


def main(folders: list[Path]) -> None:
    """Print the table and write it to the page."""
    table = HEAD + "\n".join(row(environment, folders) for environment in environments()) + "\n"
    sys.stdout.write(table)
    (ROOT.parents[1] / "docs" / "library" / "versions.md").write_text(table)


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
