"""Django's system checks for telemetry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django_telemetry import checks
from django_telemetry.conf import get_config
from django_telemetry.instrumentor import MIDDLEWARE

ENGINE = {"default": {"ENGINE": "django_prometheus.db.backends.postgresql"}}


def _ids(monkeypatch: pytest.MonkeyPatch, settings: Any, **changes: Any) -> list[str | None]:
    monkeypatch.setattr(checks, "get_config", lambda: replace(get_config(), **changes))
    return [message.id for message in checks.check_settings(None)]


@pytest.fixture(autouse=True)
def _good(settings: Any) -> None:
    settings.DATABASES = ENGINE


def test_good_settings_have_no_message(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    assert _ids(monkeypatch, settings) == []


def test_a_middleware_before_the_telemetry_middleware(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware", MIDDLEWARE]
    assert _ids(monkeypatch, settings) == ["django_telemetry.W001"]


@pytest.mark.parametrize("name", checks._DOUBLED_MIDDLEWARE)
def test_a_middleware_that_duplicates_telemetry(monkeypatch: pytest.MonkeyPatch, settings: Any, name: str) -> None:
    settings.MIDDLEWARE = [MIDDLEWARE, name]
    assert _ids(monkeypatch, settings) == ["django_telemetry.W002"]


def test_middlewares_of_django_prometheus(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    kinds = ("PrometheusBeforeMiddleware", "PrometheusAfterMiddleware")
    settings.MIDDLEWARE = [MIDDLEWARE, *(f"django_prometheus.middleware.{kind}" for kind in kinds)]
    assert _ids(monkeypatch, settings) == ["django_telemetry.W006"] * 2


def test_an_instrumentation_that_duplicates_telemetry(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor

    monkeypatch.setattr(PsycopgInstrumentor(), "_is_instrumented_by_opentelemetry", True)
    assert _ids(monkeypatch, settings) == ["django_telemetry.W003"]


def test_logging_that_is_configured_differently(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.LOGGING_CONFIG = "logging.config.dictConfig"
    assert _ids(monkeypatch, settings) == ["django_telemetry.W004"]


def test_an_engine_without_database_metrics(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.mysql"}}
    assert _ids(monkeypatch, settings) == ["django_telemetry.I001"]


def test_an_open_metrics_port_without_a_token(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    opened = {"metrics_port": 9000, "metrics_host": "0.0.0.0"}
    assert _ids(monkeypatch, settings, **opened) == ["django_telemetry.W005"]
    assert _ids(monkeypatch, settings, **opened, metrics_token="secret") == []


def test_nothing_is_checked_when_telemetry_is_off(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.LOGGING_CONFIG = None
    assert _ids(monkeypatch, settings, signals=frozenset()) == []


def test_other_instrumentation_sees_django_as_instrumented() -> None:
    from opentelemetry.instrumentation.django import DjangoInstrumentor

    assert DjangoInstrumentor().is_instrumented_by_opentelemetry
