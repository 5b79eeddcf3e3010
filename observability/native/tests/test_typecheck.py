"""The type check knows the types of Django models, with a settings module for each package."""

import re
from pathlib import Path

import pytest
from platformctl.dev import typecheck

ROOT = Path(__file__).parents[3]
MODELS = """
from django.db import models


class Item(models.Model):
    name = models.CharField(max_length=20)
    price = models.DecimalField(max_digits=12, decimal_places=2, null=True)


class Order(models.Model):
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="orders")
"""
USES = """
from decimal import Decimal
from django.conf import settings
from shop.models import Item


def correct(item: Item) -> tuple[int, str, str, Decimal | None]:
    return item.orders.filter(item__name="pen").count(), item.name, settings.COLOUR, item.price


"""
WRONG = {
    "Item().name = None": 'expression has type "None", variable has type "str',
    "Item().price + 1": 'Unsupported operand types for + ("None" and "int")',
    "Item(label='pen')": 'Unexpected attribute "label" for model "Item"',
    "Item.objects.filter(size=5)": "Cannot resolve keyword 'size' into field",
    "Item().orders.get().colour": '"Order" has no attribute "colour"',
    "settings.COLOR": "'Settings' object has no attribute 'COLOR'",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A Django project's folder, inside a project with this one's mypy configuration."""
    folder = tmp_path / "package"
    (folder / "shop").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\nDJANGO_SETTINGS_MODULE = "values"\n')
    (folder / "values.py").write_text('INSTALLED_APPS = ["shop"]\nCOLOUR = "red"\n')
    (folder / "shop" / "__init__.py").touch()
    (folder / "shop" / "models.py").write_text(MODELS)
    return folder


def test_wrong_uses_of_models_and_settings_are_found(package: Path, capfd: pytest.CaptureFixture[str]) -> None:
    uses = package / "shop" / "uses.py"
    uses.write_text(USES + "\n".join(WRONG) + "\n")
    assert typecheck.main([str(package)]) == 1
    code = uses.read_text().splitlines()
    printed = capfd.readouterr().out
    found = {code[int(number) - 1]: text for number, text in re.findall(r"uses\.py:(\d+): error: (.*)", printed)}
    assert found.keys() == WRONG.keys(), printed
    assert [line for line, finding in WRONG.items() if finding not in found[line]] == [], printed
    uses.write_text(USES)
    assert typecheck.main([str(package)]) == 0


@pytest.mark.parametrize(
    ("folder", "module"),
    [
        ("services/orders", "config.settings"),
        ("observability/django_telemetry", "tests.settings"),
        ("observability/native", typecheck.NO_DJANGO),
        ("alerts", typecheck.NO_DJANGO),
    ],
)
def test_the_settings_are_those_of_the_packages_tests(folder: str, module: str) -> None:
    assert typecheck.settings_module(ROOT / folder) == module
