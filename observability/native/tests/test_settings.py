"""Settings: the allowed values, and the messages about wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from catalogue import Catalogue
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from platform_settings.testing import GENERATED, check_wrong_value
from platformctl.errors import SettingsError
from platformctl.settings import ALERT_VARIABLES, COMPOSE_VARIABLES, OTHER_VARIABLES, Settings, default_ports

Load = Callable[..., Settings]


def test_without_any_setting_the_ports_are_those_of_the_catalogue(
    load_settings: Load, the_catalogue: Catalogue
) -> None:
    settings = load_settings()
    for process in the_catalogue.processes():
        assert settings.port(process.name, "metrics") == process.metrics_port
        if process.http_port is not None:
            assert settings.port(process.name) == process.http_port
    for edge in the_catalogue.proxied_edges():
        assert settings.port(edge.proxy_name, "proxy") == edge.proxy_port


def test_the_environment_overrides_the_file(load_settings: Load) -> None:
    assert load_settings("POSTGRES_PORT=6000").ports["POSTGRES_PORT"] == 6000
    assert load_settings("POSTGRES_PORT=6000", {"POSTGRES_PORT": "6001"}).ports["POSTGRES_PORT"] == 6001


def test_an_offset_moves_every_port_but_those_that_are_set(load_settings: Load) -> None:
    usual = load_settings()
    moved = load_settings("PORT_OFFSET=10000\nPOSTGRES_PORT=6000")
    assert moved.ports["POSTGRES_PORT"] == 6000
    others = {name: port for name, port in moved.ports.items() if name != "POSTGRES_PORT"}
    assert others == {name: usual.ports[name] + 10_000 for name in others}


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("POSTGRES_PORT=0", "from 1 to 65535"),
        ("POSTGRES_PORT=http", "from 1 to 65535"),
        ("USERS_PORT=²", "from 1 to 65535"),
        ("TRAFFIC=maybe", "on, off"),
        ("TRAFFIC_USERS=51", "from 1 to 50"),
        ("ENVIRONMENT=staging", "development, test, drill, production"),
        ("OTEL_TRACES_SAMPLER_ARG=1.5", "from 0 to 1"),
        ("OTEL_TRACES_SAMPLER_ARG=nan", "from 0 to 1"),
        ("CACHE_DIR=somewhere", "an absolute path"),
        ("LOGS_RETENTION_DAYS=0", "from 1 to 365"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_is_allowed(
    load_settings: Load, line: str, allowed: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(line)
    assert line.partition("=")[0] in str(caught.value)
    assert allowed in str(caught.value)


def test_an_offset_that_moves_a_port_beyond_the_last_is_refused_by_the_ports_name(load_settings: Load) -> None:
    with pytest.raises(SettingsError, match="RABBITMQ_DISTRIBUTION_PORT: allowed is a port from 1 to 65535"):
        load_settings("PORT_OFFSET=40000")


def test_credentials_are_not_shown(load_settings: Load) -> None:
    text = "EMAIL_URL=smtp://shop:hunter2@mail.example\nSENTRY_DSN=http://hunter2@errors.example/1"
    assert load_settings(text).email_url == "smtp://shop:hunter2@mail.example"
    assert "hunter2" not in repr(load_settings(text))


@GENERATED
@given(data=st.data())
def test_any_wrong_value_of_any_variable_is_refused_with_its_name(data: DataObject) -> None:
    check_wrong_value(data, Settings, {}, blank_is_unset=True, kinds={"folder": lambda _: st.text("abc", min_size=1)})


def test_all_wrong_values_are_named_at_once(load_settings: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings("TRAFFIC=maybe\nUSERS_PORT=x\nLOGS_RETENTION_DAYS=-1")
    assert all(name in str(caught.value) for name in ("TRAFFIC", "USERS_PORT", "LOGS_RETENTION_DAYS"))


def test_a_misspelt_variable_in_the_file_is_refused(load_settings: Load) -> None:
    with pytest.raises(SettingsError, match="POSTGRE_PORT"):
        load_settings("POSTGRE_PORT=6000")


@pytest.mark.parametrize(
    "line", ["COMPOSE_FILE=a.yml:b.yml", "PYTHON_IMAGE=mirror/python:3", "DOCKER_SOCKET=/run/d.sock"]
)
def test_what_docker_compose_reads_from_the_same_file_is_no_mistake(load_settings: Load, line: str) -> None:
    assert load_settings(line) == load_settings()


def test_unknown_variables_of_the_shell_are_ignored(load_settings: Load) -> None:
    assert load_settings(environ={"HOME": "/somewhere", "POSTGRE_PORT": "1"}) == load_settings()


def test_two_uses_of_one_port_are_refused_and_both_named(load_settings: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings("PROMETHEUS_PORT=5432")
    assert "PROMETHEUS_PORT=5432" in str(caught.value)
    assert "POSTGRES_PORT" in str(caught.value)


def test_the_example_lists_every_setting_with_its_default(root: Path, the_catalogue: Catalogue, tmp_path: Path) -> None:
    uncommented = [
        line[1:] if line.startswith("#") and "=" in line and " " not in line else line
        for line in (root / ".env.example").read_text().splitlines()
    ]
    (tmp_path / "example").write_text("\n".join(uncommented))
    listed = dotenv_values(tmp_path / "example")
    assert set(listed) == {*OTHER_VARIABLES, *ALERT_VARIABLES, *COMPOSE_VARIABLES, *default_ports(the_catalogue)}
    assert {name: int(listed[name] or 0) for name in default_ports(the_catalogue)} == default_ports(the_catalogue)
