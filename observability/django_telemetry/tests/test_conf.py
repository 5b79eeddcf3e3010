"""Settings: valid ones are read; wrong ones stop the start with an error that names what is allowed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from django.core.exceptions import ImproperlyConfigured
from django_telemetry.conf import load


def test_everything_has_a_default() -> None:
    config = load({}, default_service="shop")
    assert config.service_name == "shop"
    assert config.signals == {"traces", "metrics", "logs", "errors"}
    assert config.traces_endpoint == "http://localhost:4318/v1/traces"
    assert config.metrics_port is None
    assert config.sampler == "parentbased_always_on"


def test_standard_variables_are_read() -> None:
    config = load(
        {
            "OTEL_SERVICE_NAME": "orders",
            "OTEL_RESOURCE_ATTRIBUTES": "service.version=1.2,service.instance.id=orders-relay,"
            "deployment.environment.name=drill,team=a%20b",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4318/",
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=k",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.25",
            "OTEL_BSP_SCHEDULE_DELAY": "250",
            "SENTRY_SPOTLIGHT": "1",
            "TELEMETRY_SLOW_REQUEST": "0.8,api/v1/orders=2",
            "TELEMETRY_TRUSTED_TOKENS": "orders=abcdefgh==,justatoken",
        }
    )
    assert (config.service_name, config.service_version, config.instance_id) == ("orders", "1.2", "orders-relay")
    assert config.environment == config.sentry_environment == "drill"
    assert config.resource_attributes["team"] == "a b"
    assert config.traces_endpoint == "https://collector:4318/v1/traces"
    assert config.traces_headers == {"api-key": "k"}
    assert config.sampler_ratio == 0.25
    assert config.batch_delay == 0.25
    assert config.sentry_spotlight == "http://localhost:8969/stream"
    assert (config.slow_request, dict(config.slow_routes)) == (0.8, {"api/v1/orders": 2.0})
    assert config.trusted_tokens == ("abcdefgh==", "justatoken")


def test_the_sdk_can_be_disabled() -> None:
    assert not load({"OTEL_SDK_DISABLED": "true"}).on("traces")


def test_without_an_exporter_spans_are_still_created() -> None:
    config = load({"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"})
    assert config.on("traces")
    assert not config.export_traces


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("TELEMETRY_HTTP", "fast", "onepass, stock"),
        ("TELEMETRY_SIGNALS", "traces,smoke", "errors, logs, metrics, traces"),
        ("TELEMETRY_METRICS_PORT", "70000", "0 to 65535"),
        ("TELEMETRY_LOG_LEVEL", "LOUD", "DEBUG"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "0 to 1"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan", "0 to 1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "http or https URL"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_PROPAGATORS", "b3", "tracecontext"),
        ("OTEL_RESOURCE_ATTRIBUTES", "nonsense", "key=value"),
        ("SENTRY_SAMPLE_RATE", "x", "0 to 1"),
        ("TELEMETRY_SLOW_REQUEST", "-1", "seconds"),
    ],
)
def test_a_wrong_value_stops_the_start_with_its_name_and_what_is_allowed(name: str, value: str, hint: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        load({name: value})
    assert name in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("TELEMETRY_METRIC_PORT", "TELEMETRY_METRICS_PORT"),
        ("OTEL_SERVICENAME", "OTEL_SERVICE_NAME"),
        ("SENTRY_DNS", "SENTRY_DSN"),
    ],
)
def test_an_unknown_name_stops_the_start_and_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{name}: no such setting; {nearest}"):
        load({name: "1"})


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        load({"TELEMETRY_HTTP": "x", "OTEL_TRACES_SAMPLER": "y", "TELEMETRY_NOPE": "z"})
    for name in ("TELEMETRY_HTTP", "OTEL_TRACES_SAMPLER", "TELEMETRY_NOPE"):
        assert name in str(caught.value)


@pytest.mark.parametrize("name", ["SENTRY_DSN", "TELEMETRY_TRUSTED_TOKENS", "OTEL_EXPORTER_OTLP_HEADERS"])
def test_a_wrong_value_that_may_be_a_secret_is_not_shown(name: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        load({name: "s3cret"})
    assert "s3cret" not in str(caught.value)


def test_variables_of_other_languages_and_packages_are_ignored() -> None:
    load({"OTEL_JAVAAGENT_ENABLED": "1", "OTEL_PYTHON_LOG_LEVEL": "x", "OTEL_INSTRUMENTATION_X": "y", "PATH": "/"})


def test_the_configuration_is_frozen_and_keeps_secrets_out_of_its_repr() -> None:
    config = load({"TELEMETRY_METRICS_TOKEN": "s3cret", "SENTRY_DSN": "https://s3cret@host/1"})
    with pytest.raises(FrozenInstanceError):
        config.http = "stock"  # type: ignore[misc]
    assert "s3cret" not in repr(config)
