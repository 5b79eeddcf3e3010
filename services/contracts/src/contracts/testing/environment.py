"""Environment tests common to all services: subclass EnvironmentTests with the service's own cases.

Variables that every service has need no cases there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from platform_settings import Variable, variables
from platform_settings.testing import GENERATED, Wrong, check_wrong_value, urls

from contracts.environment import DEVELOPMENT_SECRET_KEY, ServiceEnvironment, load

LONG = "0123456789abcdef0123456789abcdef"
PASSWORD = "a-real-password"

Case = tuple[str, str]

WRONG: Sequence[Case] = [
    ("ENVIRONMENT", "staging"),
    ("SECRET_KEY", "hunter2"),
    ("SECRET_KEY", ""),
    ("ALLOWED_HOSTS", "a,,b"),
    ("SERVICE_VERSION", ""),
    ("SERVICE_VERSION", "v" * 65),
    ("HTTP_HOST", ""),
    ("HTTP_PORT", "0"),
    ("HTTP_PORT", "eighty"),
    ("DATABASE_URL", "mysql://role:hunter2@db/name"),
    ("DATABASE_URL", "sqlite:///db"),
    ("DATABASE_URL", "postgres://role:hunter2@db:port/name"),
    ("DATABASE_URL", "postgres://role@db"),
    ("DATABASE_URL", "postgres://db"),
    ("DATABASE_URL", "postgres://"),
    ("DATABASE_POOL_MAX_SIZE", "0"),
    ("DATABASE_POOL_MAX_SIZE", "65"),
    ("TEST_DATABASE_NAME", ""),
]
# Well-formed, but refused in production; None: not set.
WEAK: Sequence[tuple[str, str | None]] = [
    ("SECRET_KEY", None),
    ("SECRET_KEY", DEVELOPMENT_SECRET_KEY),
    ("ALLOWED_HOSTS", "*"),
    ("DATABASE_URL", None),
    ("DATABASE_URL", "postgres://role:role@db/name"),
    ("DATABASE_URL", "postgres://role@db/name"),
]
# The same for variables that only some services have.
WRONG_WHERE_DECLARED: Sequence[Case] = [
    ("RABBITMQ_URL", "http://broker"),
    ("RABBITMQ_URL", "amqp://user:hunter2@broker:port/platform"),
    ("SERVICE_TOKEN", "two words that are longer than thirty-two"),
    ("SERVICE_TOKENS", "orders"),
    ("SERVICE_TOKENS", "=hunter2"),
    ("JWT_ISSUER", ""),
    ("JWT_AUDIENCE", "a" * 201),
]
WEAK_WHERE_DECLARED: Sequence[tuple[str, str | None]] = [
    ("RABBITMQ_URL", None),
    ("RABBITMQ_URL", "amqp://user:user@broker/platform"),
    ("RABBITMQ_URL", "amqp://broker/platform"),
    ("SERVICE_TOKEN", None),
    ("SERVICE_TOKEN", "hunter2"),
    ("SERVICE_TOKENS", "orders=hunter2"),
]

_WORD = st.text("abcdefghijklmnopqrstuvwxyz", min_size=8)


def _incomplete(_: Variable) -> st.SearchStrategy[str]:
    return urls("postgres") | _WORD.map("postgres://role@{}".format)


KINDS: Mapping[str, Wrong] = {
    "hosts": lambda _: _WORD.map("{},".format) | _WORD.map("{},,localhost".format),
    "database": _incomplete,
    "broker": lambda _: urls("amqp", "amqps"),
    "token": lambda _: st.builds("{}{}{}".format, _WORD, st.sampled_from(" \n\tü\x7f"), _WORD),
    "tokens": lambda _: _WORD | _WORD.map("={}".format) | _WORD.map("{}=".format) | _WORD.map("orders=ü{}".format),
    "networks": lambda _: _WORD | st.just("10.0.0.1/8") | _WORD.map("127.0.0.0/8,{}".format),
}


class EnvironmentTests:
    """`sound` are the variables that the service needs in production in addition to the common ones."""

    settings: ClassVar[type[ServiceEnvironment]]
    default_port: ClassVar[int]
    sound: ClassVar[Mapping[str, str]] = {}
    wrong: ClassVar[Sequence[Case]] = []
    weak: ClassVar[Sequence[tuple[str, str | None]]] = []
    # For variables of the service's own kinds.
    kinds: ClassVar[Mapping[str, Wrong]] = {}

    @pytest.fixture
    def production(self) -> dict[str, str]:
        """Return an environment that is valid in production."""
        return self._production()

    def _production(self) -> dict[str, str]:
        return {
            "ENVIRONMENT": "production",
            "SECRET_KEY": LONG,
            "ALLOWED_HOSTS": "service.example.com",
            "DATABASE_URL": f"postgres://role:{PASSWORD}@db/name",
            **self.sound,
        }

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Add the cases of all services, and the service's own."""
        declared = variables(self.settings)
        if "wrong_case" in metafunc.fixturenames:
            wrong = [*WRONG, *(case for case in WRONG_WHERE_DECLARED if case[0] in declared), *self.wrong]
            metafunc.parametrize("wrong_case", wrong, ids="{0[0]}={0[1]}".format)
        if "weak_case" in metafunc.fixturenames:
            weak = [*WEAK, *(case for case in WEAK_WHERE_DECLARED if case[0] in declared), *self.weak]
            metafunc.parametrize("weak_case", weak, ids="{0[0]}={0[1]}".format)

    def refused(self, environ: Mapping[str, str]) -> str:
        """Return the message with which the service refuses to start."""
        with pytest.raises(ImproperlyConfigured) as caught:
            load(self.settings, environ)
        return str(caught.value)

    def test_development_starts_without_any_variable(self) -> None:
        environment: Any = load(self.settings, {})
        assert (environment.name, environment.http_host) == ("development", "127.0.0.1")
        assert environment.http_port == self.default_port

    def test_a_valid_production_environment_starts(self, production: dict[str, str]) -> None:
        assert load(self.settings, production).name == "production"

    def test_a_wrong_value_stops_the_start(self, production: dict[str, str], wrong_case: Case) -> None:
        name, value = wrong_case
        message = self.refused({**production, name: value})
        assert named(message) == {name}
        allowed = variables(self.settings)[name].allowed
        assert f"{name}: allowed is {allowed}" in message
        assert len(value) < 4 or value not in message.replace(allowed, "")
        assert "hunter2" not in message

    def test_production_refuses_weak_and_missing_values(
        self, production: dict[str, str], weak_case: tuple[str, str | None]
    ) -> None:
        name, value = weak_case
        environ = {key: given for key, given in {**production, name: value}.items() if given is not None}
        message = self.refused(environ)
        assert named(message) == {name}
        assert "hunter2" not in message

    def test_development_accepts_values_that_are_weak_in_production(self, weak_case: tuple[str, str | None]) -> None:
        name, value = weak_case
        assert load(self.settings, {name: value} if value is not None else {}).name == "development"

    def test_all_wrong_values_are_named_at_once_and_none_is_shown(self, production: dict[str, str]) -> None:
        wrong = {"HTTP_PORT": "hunter2", "SECRET_KEY": "hunter2", "DATABASE_URL": "hunter2"}
        message = self.refused({**production, **wrong, "ALLOWED_HOSTS": "*"})
        assert named(message) == {*wrong, "ALLOWED_HOSTS"}
        assert "hunter2" not in message

    def test_production_refuses_every_default_of_a_secret_at_once(self) -> None:
        weak = {name for name, value in [*WEAK, *WEAK_WHERE_DECLARED, *self.weak] if value is None}
        message = self.refused({"ENVIRONMENT": "production"})
        assert named(message) == weak & set(variables(self.settings))

    def test_secrets_stay_out_of_the_repr(self, production: dict[str, str]) -> None:
        shown = repr(load(self.settings, production))
        assert LONG not in shown
        assert PASSWORD not in shown

    def test_a_secret_may_come_from_a_file(self, production: dict[str, str], tmp_path: Path) -> None:
        secrets = {name for name, variable in variables(self.settings).items() if variable.secret} & set(production)
        assert {"SECRET_KEY", "DATABASE_URL"} <= secrets
        from_files = {name: value for name, value in production.items() if name not in secrets}
        for name in secrets:
            (tmp_path / name).write_text(f"{production[name]}\n")
            from_files[f"{name}_FILE"] = str(tmp_path / name)
        assert load(self.settings, from_files) == load(self.settings, production)

    @GENERATED
    @given(data=st.data())
    def test_any_wrong_value_of_any_variable_stops_the_start_with_its_name(self, data: DataObject) -> None:
        check_wrong_value(data, self.settings, self._production(), kinds={**KINDS, **self.kinds})


def named(message: str) -> set[str]:
    """Return the variables that a message names."""
    return {line.strip().split(":")[0] for line in message.splitlines()[1:]}
