"""Settings: valid ones are read; wrong ones of the library stop the start, other ones are ignored and named."""

from __future__ import annotations

import contextlib
from dataclasses import FrozenInstanceError, replace

import pytest
import sentry_sdk
from django.core.exceptions import ImproperlyConfigured
from django_telemetry import conf, errors, tracing
from django_telemetry.accounting import Account
from django_telemetry.conf import load
from django_telemetry.pipeline import SpanPipeline
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st


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
        ("TELEMETRY_SLOW_REQUEST", "-1", "seconds"),
    ],
)
def test_a_wrong_value_stops_the_start_with_its_name_and_what_is_allowed(name: str, value: str, hint: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        load({name: value})
    assert name in str(caught.value)
    assert hint in str(caught.value)


def test_an_unknown_name_stops_the_start_and_names_the_nearest() -> None:
    with pytest.raises(ImproperlyConfigured, match="TELEMETRY_METRIC_PORT: no such setting; TELEMETRY_METRICS_PORT"):
        load({"TELEMETRY_METRIC_PORT": "1"})


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        load({"TELEMETRY_HTTP": "x", "TELEMETRY_TAIL": "y", "TELEMETRY_NOPE": "z"})
    for name in ("TELEMETRY_HTTP", "TELEMETRY_TAIL", "TELEMETRY_NOPE"):
        assert name in str(caught.value)


def test_a_wrong_value_that_may_be_a_secret_is_not_shown() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        load({"TELEMETRY_TRUSTED_TOKENS": "s3cret"})
    assert "s3cret" not in str(caught.value)
    for name in ("SENTRY_DSN", "OTEL_EXPORTER_OTLP_HEADERS"):
        (ignored,) = load({name: "s3cret"}).ignored
        assert name in ignored
        assert "s3cret" not in ignored


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("OTEL_TRACES_SAMPLER", "sometimes", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "0 to 1"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan", "0 to 1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "http or https URL"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem", "a file"),
        ("OTEL_PROPAGATORS", "b3,tracecontext", "b3 isn't supported; allowed is tracecontext, baggage"),
        ("OTEL_TRACES_EXPORTER", "console", "console isn't supported; allowed is otlp"),
        ("OTEL_METRICS_EXPORTER", "otlp", "allowed is prometheus"),
        ("OTEL_LOGS_EXPORTER", "otlp", "allowed is console"),
        ("OTEL_RESOURCE_ATTRIBUTES", "nonsense", "key=value"),
        ("OTEL_PYTHON_DJANGO_EXCLUDED_URLS", "(", "regular expressions"),
        ("OTEL_PYTHON_DJANGO_TRACED_REQUEST_ATTRS", "path_info", "no such setting"),
        ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", ".*", "no such setting"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "100", "not supported"),
        ("OTEL_SERVICENAME", "x", "no such setting; OTEL_SERVICE_NAME is the nearest"),
        ("SENTRY_DNS", "x", "no such setting; SENTRY_DSN is the nearest"),
        ("SENTRY_SAMPLE_RATE", "x", "0 to 1"),
        ("SENTRY_TRACES_SAMPLE_RATE", "0.5", "no such setting"),
    ],
)
def test_a_standard_variable_without_effect_is_named_and_the_default_applies(name: str, value: str, hint: str) -> None:
    config = load({name: value})
    (ignored,) = config.ignored
    assert ignored.startswith(name)
    assert hint in ignored
    assert replace(config, ignored=(), instance_id="") == replace(load({}), instance_id="")


# What Kubernetes and OpenTelemetry's operator set, for services called otel-collector, sentry, telemetry and
# telemetry-metrics, and what is meant for other programs.
PLATFORM = {
    "OTEL_COLLECTOR_SERVICE_HOST": "10.0.0.1",
    "OTEL_COLLECTOR_SERVICE_PORT": "4318",
    "OTEL_COLLECTOR_SERVICE_PORT_OTLP_HTTP": "4318",
    "OTEL_COLLECTOR_PORT": "tcp://10.0.0.1:4318",
    "OTEL_COLLECTOR_PORT_4318_TCP": "tcp://10.0.0.1:4318",
    "OTEL_COLLECTOR_PORT_4318_TCP_PROTO": "tcp",
    "OTEL_COLLECTOR_PORT_4318_TCP_PORT": "4318",
    "OTEL_COLLECTOR_PORT_4318_TCP_ADDR": "10.0.0.1",
    "SENTRY_PORT": "tcp://10.0.0.2:9000",
    "SENTRY_SERVICE_HOST": "10.0.0.2",
    "TELEMETRY_PORT": "tcp://[fd00::1]:9000",
    "TELEMETRY_SERVICE_HOST": "fd00::1",
    "TELEMETRY_METRICS_PORT": "tcp://10.0.0.3:9100",
    "TELEMETRY_METRICS_PORT_9100_TCP_ADDR": "10.0.0.3",
    "OTEL_POD_IP": "10.0.0.4",
    "OTEL_NODE_IP": "10.0.0.5",
    "OTEL_RESOURCE_ATTRIBUTES_POD_NAME": "shop-1",
    "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME": "node-1",
    "OTEL_JAVAAGENT_ENABLED": "1",
    "OTEL_PYTHON_LOG_LEVEL": "x",
    "OTEL_INSTRUMENTATION_X": "y",
    "SENTRY_TRACE": "a-b-1",
    "SENTRY_KEEP_ALIVE": "1",
    "PATH": "/",
}


def test_variables_of_the_platform_and_of_other_programs_are_ignored() -> None:
    config = load(PLATFORM)
    assert config.ignored == ()
    assert config.metrics_port is None


def test_several_exporters_and_propagators_may_be_listed() -> None:
    config = load(
        {
            "OTEL_PROPAGATORS": "tracecontext,baggage",
            "OTEL_TRACES_EXPORTER": "otlp,console",
            "OTEL_METRICS_EXPORTER": "prometheus,otlp",
        }
    )
    assert config.propagators == ("tracecontext", "baggage")
    assert config.export_traces
    assert config.on("metrics")
    assert len(config.ignored) == 2


def test_an_ipv6_endpoint_is_read() -> None:
    assert load({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1]:4318"}).traces_endpoint == "http://[::1]:4318/v1/traces"


_STANDARD = [*sorted(conf._OTEL_NAMES | conf._SENTRY_NAMES | set(PLATFORM)), "OTEL_UNKNOWN", "SENTRY_UNKNOWN"]
_ODD = (
    *("", "none", "otlp", "console", "otlp,console", "grpc", "http/json", "b3multi,baggage", "tracecontext,baggage"),
    *("true", "0", "-1", "1e9", "nan", "10s", "a=b", "a=b,,c", "=", "(", "*", "tcp://10.0.0.1:80", "[::1]:4318"),
    *("http://[::1]:4318", "http://[::1", "https://collector:99999", "http://k@host/1", "http://k@host", "\x00"),
)


@given(st.dictionaries(st.sampled_from(_STANDARD), st.one_of(st.sampled_from(_ODD), st.text(max_size=30)), max_size=8))
@example({"SENTRY_DSN": "http://wrong", "SENTRY_SPOTLIGHT": "1"})
@example({"SENTRY_DSN": "http://k@host"})
@example({"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "wrong"})
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_combination_of_standard_variables_refuses_the_start(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    # The library's own names are here only as Kubernetes sets them.
    environ = {name: PLATFORM[name] if name.startswith("TELEMETRY_") else value for name, value in environ.items()}
    config = load(environ)
    with monkeypatch.context() as patch:
        for name, value in environ.items():
            with contextlib.suppress(ValueError):  # the system takes no NUL and no surrogate
                patch.setenv(name, value)  # the SDKs read some themselves
        provider = tracing.build_provider(config)
        pipeline = SpanPipeline(config, Account("test"))
        transport = errors.configure(config)
    pipeline.close(0)
    provider.shutdown()
    if transport is not None:
        transport.close(0)
        errors.disable()
        sentry_sdk.get_global_scope().set_client(None)


def test_the_configuration_is_frozen_and_keeps_secrets_out_of_its_repr() -> None:
    config = load({"TELEMETRY_METRICS_TOKEN": "s3cret", "SENTRY_DSN": "https://s3cret@host/1"})
    with pytest.raises(FrozenInstanceError):
        config.http = "stock"  # type: ignore[misc]
    assert "s3cret" not in repr(config)
