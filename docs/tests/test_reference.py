"""Generated reference pages are complete: what they are made from is compared with the code both ways."""

from __future__ import annotations

import re

import pytest
import yaml
from catalogue import load
from django_telemetry import conf
from platform_docs import reference
from platform_docs.reference import alerts, attributes, commands, library_settings, metrics, patches, settings
from platform_docs.repository import ROOT

# Stored with access lines of messages, but not mapped: it can be read, not searched for.
NOT_INDEXED = {"messaging.rabbitmq.destination.routing_key"}


def test_every_library_setting_is_documented() -> None:
    assert set(library_settings.documented()) == library_settings.read_by_library()


# Some defaults are described in words, as they follow from another setting.
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, entry in library_settings.documented().items()
        if entry["default"] and " " not in entry["default"] and entry["default"] not in library_settings.documented()
    ],
)
def test_a_documented_default_is_the_librarys(name: str) -> None:
    entry = library_settings.documented()[name]
    # Some defaults are described, as they follow from another setting.
    if (
        not entry["default"]
        or not library_settings.allowed(name)
        or " " in entry["default"]
        or entry["default"].isupper()
    ):
        return
    assert conf.load({name: entry["default"]}) == conf.load({})


def test_checked_settings_say_what_is_allowed() -> None:
    assert library_settings.allowed("OTEL_BSP_MAX_QUEUE_SIZE") == "a whole number 1 to 1000000"
    assert library_settings.allowed("OTEL_SERVICE_NAME") == ""


def test_every_attribute_of_the_library_is_documented() -> None:
    assert attributes.in_library()
    assert set(attributes.documented()) == attributes.in_library()


def test_attributes_name_known_places_and_stored_log_fields_exist() -> None:
    stored = attributes.mapping()
    for name, entry in attributes.documented().items():
        assert set(entry["in"]) <= set(attributes.PLACES), name
        if "access" in entry["in"] or "log" in entry["in"]:
            assert name in stored or name in NOT_INDEXED, f"{name} is not in the index template logs-django"


def test_every_private_name_of_another_package_is_listed() -> None:
    listed = {name for entry in patches.documented()["private"] for name in entry["names"]}
    uses = patches.private_uses()
    assert uses.foreign - listed == set(), "add it to observability/django_telemetry/patches.yaml, with its reason"
    assert listed - set(uses.all) == set(), "no longer used: remove it from patches.yaml"


@pytest.mark.parametrize("entry", patches.documented()["patches"], ids=lambda entry: entry["marker"])
def test_a_listed_patch_exists(entry: dict[str, str]) -> None:
    assert patches.files_with(entry["marker"])


def test_every_assignment_to_another_modules_attribute_is_a_listed_patch() -> None:
    markers = {entry["marker"].split(" ")[0] for entry in patches.documented()["patches"]}
    assert {name for _, name in patches.assignments()} <= markers


def test_every_alert_has_a_row_and_a_runbook_page() -> None:
    pages = alerts.pages()
    names = {rule["alert"] for _, rule in alerts.rules("alert")}
    assert names
    for name in names:
        assert f"reference/alerts/runbooks/{name}.md" in pages
        assert f"[{name}](runbooks/{name}.md)" in pages["reference/alerts/index.md"]


def test_every_make_target_is_described() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (?P<names>.+)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(commands.targets()) == set(phony["names"].split())


def test_every_variable_of_the_example_is_on_the_settings_page() -> None:
    names = set(re.findall(r"^#([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    page = settings.page()
    assert names
    assert all(f"`{name}`" in page for name in names)


def test_every_process_and_port_is_on_the_catalogue_page() -> None:
    page = reference.PAGES["reference/catalogue.md"]()
    processes = list(load().processes())
    assert processes
    for process in processes:
        assert f"`{process.name}`" in page
        assert {str(port) for port in (process.http_port, process.grpc_port, process.metrics_port) if port} <= set(
            re.findall(r"\d+", page)
        )


def test_every_metric_is_on_the_metrics_page() -> None:
    emitters = [emitter for source in metrics.SOURCES for emitter in yaml.safe_load(source.read_text())["emitters"]]
    page = reference.PAGES["reference/metrics.md"]()
    assert all(f"`{family}`" in page for emitter in emitters for family in emitter["families"])
