"""Import contracts cover every package, and a service that breaks one is reported."""

from __future__ import annotations

import configparser
import tomllib
from pathlib import Path
from string import Template

import pytest
from platformctl.dev import imports

# Contract of .importlinter → our other packages that its packages may import.
ALLOWED = {
    "ground-floor": set(),
    "alerts-and-dashboards": {"catalogue"},
    "contracts": {"catalogue", "contracts", "django_telemetry", "platform_settings"},
}


def contracts(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(path)
    return parser


def listed(parser: configparser.ConfigParser, section: str, option: str) -> set[str]:
    return set(parser[section][option].split())


@pytest.fixture
def ours(root: Path) -> set[str]:
    """Every importable package of the workspace that doesn't belong to a service."""
    workspace = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    members = [path for member in workspace for path in root.glob(member)]
    installed = {path.parent.name for member in members for path in member.glob("src/*/__init__.py")}
    flat = {member.name for member in members if (member / "__init__.py").exists()}
    return installed | flat


def test_every_package_is_under_the_contracts(root: Path, ours: set[str]) -> None:
    parser = contracts(root / ".importlinter")
    assert listed(parser, "importlinter", "root_packages") == ours
    assert listed(parser, "importlinter:contract:acyclic", "ancestors") == ours
    assert listed(parser, "importlinter:contract:direction", "layers") - {"|"} == ours


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_not_allowed_is_forbidden(root: Path, ours: set[str], name: str) -> None:
    parser = contracts(root / ".importlinter")
    assert listed(parser, f"importlinter:contract:{name}", "forbidden_modules") == ours - ALLOWED[name]


def test_services_may_import_the_catalogue_contracts_and_the_library(root: Path, ours: set[str]) -> None:
    parser = contracts(root / "services" / "importlinter.ini")
    forbidden = listed(parser, "importlinter:contract:services", "forbidden_modules")
    assert forbidden == ours - {"catalogue", "contracts", "django_telemetry", "platform_settings"}


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("import contracts.events", ""),
        ("import alerts.generator", "Of our packages, a service imports only the shared ones BROKEN"),
        ("import shop.late", "No package of a service has cycles inside BROKEN"),
    ],
)
def test_a_service_that_breaks_a_contract_is_reported(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, broken: str
) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").touch()
    (shop / "early.py").write_text(f"{text}\n")
    (shop / "late.py").write_text("def run() -> None:\n    import shop.early\n")
    template = Template((root / "services" / "importlinter.ini").read_text())
    found = imports.check(tmp_path, template.substitute(packages="\n    ".join(imports.packages(tmp_path))))
    printed = capsys.readouterr().out
    assert found == bool(broken)
    assert broken in printed
