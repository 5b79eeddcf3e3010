"""The library's settings, read once from the environment into a frozen object.

Variables are the standard ``OTEL_*`` and ``SENTRY_*`` ones where a standard exists, and ``TELEMETRY_*`` for the rest.
A wrong ``TELEMETRY_*`` setting stops the start: one error lists every fault with its value and what is allowed. The
standard variables may be meant for other programs of the same environment, so that what isn't supported of them is
ignored; ``TelemetryConfig.ignored`` lists it.
"""

from __future__ import annotations

import difflib
import os
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from opentelemetry import environment_variables as _otel_api_names
from opentelemetry.sdk import environment_variables as _otel_sdk_names

T = TypeVar("T")
Number = TypeVar("Number", int, float)

SIGNALS = frozenset({"traces", "metrics", "logs", "errors"})
SAMPLERS = frozenset(
    {
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    }
)
LOG_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
HTTP_MODES = frozenset({"onepass", "stock"})
TRUST_RULES = frozenset({"token", "all", "none"})

_SENTRY_NAMES = frozenset(
    {
        "SENTRY_DSN",
        "SENTRY_SPOTLIGHT",
        "SENTRY_ENVIRONMENT",
        "SENTRY_RELEASE",
        "SENTRY_SAMPLE_RATE",
        # Read by sentry-cli and by CI steps that share an environment with the service.
        "SENTRY_AUTH_TOKEN",
        "SENTRY_ORG",
        "SENTRY_PROJECT",
        "SENTRY_URL",
        "SENTRY_LOG_LEVEL",
        "SENTRY_PROPERTIES",
        "SENTRY_DEBUG",
        # Read by sentry-sdk itself.
        "SENTRY_TRACE",
        "SENTRY_BAGGAGE",
        "SENTRY_USE_ENVIRONMENT",
        "SENTRY_KEEP_ALIVE",
    }
)
_TELEMETRY_NAMES = frozenset(
    {
        "TELEMETRY_HTTP",
        "TELEMETRY_LOG_LEVEL",
        "TELEMETRY_METRICS_HOST",
        "TELEMETRY_METRICS_PORT",
        "TELEMETRY_METRICS_TOKEN",
        "TELEMETRY_QUEUE_MAX_BYTES",
        "TELEMETRY_REDACT_KEYS",
        "TELEMETRY_REQUEST_TIMEOUT",
        "TELEMETRY_SERIES_LIMIT",
        "TELEMETRY_SHUTDOWN_TIMEOUT",
        "TELEMETRY_SIGNALS",
        "TELEMETRY_SLOW_REQUEST",
        "TELEMETRY_TAIL",
        "TELEMETRY_TRUSTED_PARENTS",
        "TELEMETRY_TRUSTED_TOKENS",
    }
)
_OTEL_NAMES = frozenset(
    value
    for module in (_otel_api_names, _otel_sdk_names)
    for value in vars(module).values()
    if isinstance(value, str) and value.startswith("OTEL_")
) | {
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_PROPAGATORS",
    "OTEL_LOG_LEVEL",
    "OTEL_SEMCONV_STABILITY_OPT_IN",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_PYTHON_DJANGO_EXCLUDED_URLS",
}
_NO_PAIRS: Mapping[str, str] = MappingProxyType({})
_NO_ROUTES: Mapping[str, float] = MappingProxyType({})
_NO_TOKENS: tuple[str, ...] = ()

# Variables of other programs in the same environment: agents of other languages, instrumentation packages, and what
# OpenTelemetry's operator sets in each container.
_OTEL_FOREIGN = re.compile(
    r"OTEL_(?:JAVA|NODE|DOTNET|GO_|INJECTOR_|PYTHON_(?!DJANGO_)|INSTRUMENTATION_(?!HTTP_CAPTURE_)|POD_IP|"
    r"RESOURCE_ATTRIBUTES_|SEMCONV_STABILITY_OPT_IN|LOG_LEVEL)"
)
# What Kubernetes sets in each container of a namespace for a service that is called, for example, otel-collector.
_SERVICE_NAME = re.compile(
    r"_SERVICE_HOST\Z|_SERVICE_PORT(?:_\w+)?\Z|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_PROTO|_PORT|_ADDR)?\Z"
)
_SERVICE_PORT = re.compile(r"(?:tcp|udp|sctp)://\S+:\d+\Z")


@dataclass(frozen=True, slots=True)
class TelemetryConfig:
    """All settings of the library. Times are in seconds, sizes in bytes."""

    service_name: str
    service_version: str
    instance_id: str
    environment: str
    resource_attributes: Mapping[str, str]

    http: str
    signals: frozenset[str]

    # False: spans are created, so that ids exist everywhere, but not exported.
    export_traces: bool
    traces_endpoint: str
    traces_headers: Mapping[str, str] = field(repr=False)
    traces_timeout: float
    traces_compression: str
    sampler: str
    sampler_ratio: float
    tail: bool
    slow_request: float
    slow_routes: Mapping[str, float]
    trusted_parents: str
    trusted_tokens: tuple[str, ...] = field(repr=False)

    queue_max_spans: int
    queue_max_bytes: int
    batch_max_spans: int
    batch_delay: float
    attribute_value_limit: int
    attribute_count_limit: int
    shutdown_timeout: float

    metrics_host: str
    metrics_port: int | None
    metrics_token: str = field(repr=False)
    series_limit: int

    log_level: str

    sentry_dsn: str = field(repr=False)
    sentry_spotlight: str
    sentry_environment: str
    sentry_release: str
    sentry_sample_rate: float

    redact_keys: tuple[str, ...]
    request_timeout: float

    # Files in PEM format, or "".
    traces_ca: str = ""
    traces_client_certificate: str = ""
    traces_client_key: str = ""
    propagators: tuple[str, ...] = ("tracecontext",)
    # Requests whose URL matches have no span and no access line.
    excluded_urls: re.Pattern[str] | None = None
    # Standard variables that have no effect, each with the reason.
    ignored: tuple[str, ...] = ()

    def on(self, signal: str) -> bool:
        """Whether ``signal`` (one of traces, metrics, logs, errors) is enabled."""
        return signal in self.signals


class _Reader:
    """Reads typed values from an environment and collects all faults instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.names: set[str] = set()
        self.faults: list[str] = []
        self.ignored: list[str] = []

    def reject(self, name: str, reason: str) -> None:
        """Note that the value of ``name`` can't be used: a fault, if the variable is the library's own."""
        (self.faults if name.startswith("TELEMETRY_") else self.ignored).append(f"{name}{reason}")

    def text(self, name: str, default: str = "") -> str:
        self.names.add(name)
        return self.environ.get(name, "").strip() or default

    def parse(self, name: str, default: T, parser: Callable[[str], T], allowed: str) -> T:
        raw = self.text(name)
        if not raw:
            return default
        try:
            return parser(raw)
        except (ValueError, re.error):
            # A wrong value is shown, unless the variable may hold a secret.
            shown = "(not shown)" if re.search(r"TOKEN|HEADERS|DSN", name) else repr(raw)
            self.reject(name, f"={shown}: allowed is {allowed}")
            return default

    def choices(self, name: str, default: tuple[str, ...], supported: Iterable[str]) -> tuple[str, ...]:
        """Of a list with commas, the items that are supported; the others are rejected."""
        wanted = tuple(item.strip().lower() for item in self.text(name).split(",") if item.strip())
        known = tuple(item for item in wanted if item in tuple(supported))
        unknown = [item for item in wanted if item not in known]
        if unknown:
            self.reject(name, f": {', '.join(unknown)} isn't supported; allowed is {', '.join(supported)}")
        return known or default

    def choice(self, name: str, default: str, choices: Iterable[str]) -> str:
        options = sorted(choices)

        def pick(raw: str) -> str:
            for option in options:
                if raw.lower() == option.lower():
                    return option
            raise ValueError(raw)

        return self.parse(name, default, pick, "one of " + ", ".join(options))

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        return self.parse(name, default, lambda raw: _within(int(raw), low, high), f"a whole number {low} to {high}")

    def number(self, name: str, default: float, low: float, high: float) -> float:
        return self.parse(name, default, lambda raw: _within(float(raw), low, high), f"a number {low:g} to {high:g}")

    def flag(self, name: str, default: bool) -> bool:
        words = {
            "1": True,
            "true": True,
            "on": True,
            "yes": True,
            "0": False,
            "false": False,
            "off": False,
            "no": False,
        }

        def pick(raw: str) -> bool:
            if raw.lower() not in words:
                raise ValueError(raw)
            return words[raw.lower()]

        return self.parse(name, default, pick, "true or false")


def _within(value: Number, low: float, high: float) -> Number:
    if not low <= value <= high:
        raise ValueError(value)
    return value


def _pairs(raw: str) -> Mapping[str, str]:
    """Parse ``k=v,k2=v2`` with percent-encoded values (OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_HEADERS)."""
    pairs: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in raw.split(","))):
        key, separator, value = item.partition("=")
        if not separator or not key.strip():
            raise ValueError(item)
        pairs[key.strip()] = unquote(value.strip())
    return MappingProxyType(pairs)


def _url(raw: str) -> str:
    parts = urlsplit(raw)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(raw)
    _ = parts.port  # raises ValueError when it isn't a number
    return raw.rstrip("/")


def _signals(raw: str) -> frozenset[str]:
    names = frozenset(part.strip().lower() for part in raw.split(",") if part.strip())
    if names == {"none"}:
        return frozenset()
    if not names <= SIGNALS:
        raise ValueError(raw)
    return names


def _spotlight(raw: str) -> str:
    if raw.lower() in ("0", "false", "off", "no"):
        return ""
    if raw.lower() in ("1", "true", "on", "yes"):
        return "http://localhost:8969/stream"
    return _url(raw)


def _dsn(raw: str) -> str:
    parts = urlsplit(raw)
    project = parts.path.rpartition("/")[2]
    _ = parts.port  # ValueError for a wrong one
    # The SDK's rules, which would raise when it is set up: a host, a key and a numeric project.
    if parts.scheme not in ("http", "https") or not parts.hostname or not parts.username or not _is_whole(project):
        raise ValueError(raw)
    return raw


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _slow(raw: str) -> tuple[float, Mapping[str, float]]:
    """Parse ``1.0,api/v1/orders=2.5``: the default threshold in seconds, then thresholds of single routes."""
    default, routes = 0.0, {}
    for item in filter(None, (part.strip() for part in raw.split(","))):
        route, separator, seconds = item.rpartition("=")
        value = _within(float(seconds), 0.001, 3600)
        if separator:
            routes[route.strip()] = value
        else:
            default = value
    return default or 1.0, MappingProxyType(routes)


def _tokens(raw: str) -> tuple[str, ...]:
    """Parse comma-separated tokens, each bare or as ``name=token``. Short ones are rejected as guessable."""
    tokens = []
    for part in filter(None, (part.strip() for part in raw.split(","))):
        named = re.match(r"[A-Za-z][\w-]{0,63}=(.{8,})\Z", part)
        tokens.append(named.group(1) if named else part)
    if any(len(token) < 8 for token in tokens):
        raise ValueError(raw)
    return tuple(tokens)


def _excluded(raw: str) -> re.Pattern[str]:
    """Parse regular expressions separated by commas, as OpenTelemetry's instrumentations do."""
    return re.compile("|".join(part.strip() for part in raw.split(",") if part.strip()))


def _without_services(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without the variables that Kubernetes sets for services, some of which look like settings."""
    return {
        name: value
        for name, value in environ.items()
        if not _SERVICE_NAME.search(name) and not (name.endswith("_PORT") and _SERVICE_PORT.match(value.strip()))
    }


def _note_unknown_names(read: _Reader) -> None:
    for name in sorted(read.environ):
        if name.startswith("TELEMETRY_"):
            known: frozenset[str] = _TELEMETRY_NAMES
        elif name.startswith("SENTRY_"):
            known = _SENTRY_NAMES
        elif name.startswith("OTEL_") and not _OTEL_FOREIGN.match(name):
            known = _OTEL_NAMES
        else:
            continue
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            read.reject(name, ": no such setting" + (f"; {near[0]} is the nearest" if near else ""))
        elif known is _OTEL_NAMES and name not in read.names and read.environ[name].strip():
            read.reject(name, ": not supported")


def _chosen_signals(read: _Reader) -> tuple[frozenset[str], bool]:
    """The enabled signals, and whether spans are exported."""
    disabled = read.flag("OTEL_SDK_DISABLED", False)
    signals = read.parse(
        "TELEMETRY_SIGNALS", SIGNALS, _signals, "none, or some of " + ", ".join(sorted(SIGNALS)) + " with commas"
    )
    traces_exporters = read.choices("OTEL_TRACES_EXPORTER", ("otlp",), ("otlp", "none"))
    if disabled:
        signals -= {"traces"}
    if read.choices("OTEL_METRICS_EXPORTER", ("prometheus",), ("prometheus", "none")) == ("none",):
        signals -= {"metrics"}
    read.choices("OTEL_LOGS_EXPORTER", ("console",), ("console", "none"))
    return signals, traces_exporters != ("none",)


class _Exporter(NamedTuple):
    """Where and how spans are sent."""

    endpoint: str
    headers: Mapping[str, str]
    timeout: float
    compression: str
    ca: str
    client_certificate: str
    client_key: str


def _exporter(read: _Reader) -> _Exporter:
    """Read the OTLP variables: those for traces take precedence over those for all signals."""
    protocol = "http/protobuf"
    for name in ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"):
        read.choice(name, protocol, (protocol,))
    endpoint = read.parse("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", _url, "an http or https URL")
    headers = dict(read.parse("OTEL_EXPORTER_OTLP_HEADERS", _NO_PAIRS, _pairs, "key=value pairs"))
    headers.update(read.parse("OTEL_EXPORTER_OTLP_TRACES_HEADERS", _NO_PAIRS, _pairs, "key=value pairs"))
    timeout = read.number("OTEL_EXPORTER_OTLP_TIMEOUT", 5.0, 0.1, 60)
    compressions = ("none", "gzip")
    compression = read.choice("OTEL_EXPORTER_OTLP_COMPRESSION", "none", compressions)
    return _Exporter(
        endpoint=read.parse(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{endpoint}/v1/traces", _url, "an http or https URL"
        ),
        headers=MappingProxyType(headers),
        timeout=read.number("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", timeout, 0.1, 60),
        compression=read.choice("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", compression, compressions),
        ca=_file(read, "CERTIFICATE"),
        client_certificate=_file(read, "CLIENT_CERTIFICATE"),
        client_key=_file(read, "CLIENT_KEY"),
    )


def _file(read: _Reader, suffix: str) -> str:
    """The path in the variable for traces, or else in that for all signals; "" without one that can be read."""
    default = read.parse(f"OTEL_EXPORTER_OTLP_{suffix}", "", _readable, "a file that can be read")
    return read.parse(f"OTEL_EXPORTER_OTLP_TRACES_{suffix}", default, _readable, "a file that can be read")


def _readable(raw: str) -> str:
    if not os.access(raw, os.R_OK) or not Path(raw).is_file():
        raise ValueError(raw)
    return raw


def load(
    environ: Mapping[str, str], *, default_service: str = "unknown_service", extra_tokens: Iterable[str] = ()
) -> TelemetryConfig:
    """Build the configuration from ``environ``.

    ``default_service`` names the service when neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES does;
    ``extra_tokens`` are trusted in addition to TELEMETRY_TRUSTED_TOKENS.
    Raises ImproperlyConfigured, which lists every unknown name and every wrong value of the library's own variables.
    """
    read = _Reader(_without_services(environ))
    config = _read(read, default_service, extra_tokens)
    _note_unknown_names(read)
    if read.faults:
        raise ImproperlyConfigured("Telemetry settings are wrong:\n  " + "\n  ".join(read.faults))
    return replace(config, ignored=tuple(read.ignored))


def supported() -> frozenset[str]:
    """The names of all variables that have an effect."""
    read = _Reader({})
    _read(read, "", ())
    return frozenset(read.names)


def _read(read: _Reader, default_service: str, extra_tokens: Iterable[str]) -> TelemetryConfig:
    resource = dict(read.parse("OTEL_RESOURCE_ATTRIBUTES", _NO_PAIRS, _pairs, "key=value pairs separated by commas"))
    service_name = read.text("OTEL_SERVICE_NAME", resource.get("service.name", "") or default_service)
    environment = resource.get("deployment.environment.name") or resource.get("deployment.environment") or "development"
    signals, export_traces = _chosen_signals(read)
    exporter = _exporter(read)
    slow_default, slow_routes = read.parse(
        "TELEMETRY_SLOW_REQUEST",
        (1.0, _NO_ROUTES),
        _slow,
        "seconds, and route=seconds for single routes, separated by commas",
    )
    value_limit = read.integer("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", 1024, 16, 65536)
    return TelemetryConfig(
        service_name=service_name,
        service_version=resource.get("service.version", ""),
        instance_id=resource.get("service.instance.id") or f"{socket.gethostname()}:{os.getpid()}",
        environment=environment,
        resource_attributes=MappingProxyType(resource),
        http=read.choice("TELEMETRY_HTTP", "onepass", HTTP_MODES),
        signals=signals,
        export_traces=export_traces,
        traces_endpoint=exporter.endpoint,
        traces_headers=exporter.headers,
        traces_timeout=exporter.timeout,
        traces_compression=exporter.compression,
        sampler=read.choice("OTEL_TRACES_SAMPLER", "parentbased_always_on", SAMPLERS),
        sampler_ratio=read.number("OTEL_TRACES_SAMPLER_ARG", 1.0, 0, 1),
        tail=read.flag("TELEMETRY_TAIL", True),
        slow_request=slow_default,
        slow_routes=slow_routes,
        trusted_parents=read.choice("TELEMETRY_TRUSTED_PARENTS", "token", TRUST_RULES),
        trusted_tokens=(
            *read.parse(
                "TELEMETRY_TRUSTED_TOKENS", _NO_TOKENS, _tokens, "tokens of 8 characters or more, separated by commas"
            ),
            *extra_tokens,
        ),
        queue_max_spans=read.integer("OTEL_BSP_MAX_QUEUE_SIZE", 4096, 1, 1_000_000),
        queue_max_bytes=read.integer("TELEMETRY_QUEUE_MAX_BYTES", 8 * 1024 * 1024, 65536, 2**31),
        batch_max_spans=read.integer("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, 1, 4096),
        batch_delay=read.number("OTEL_BSP_SCHEDULE_DELAY", 500, 1, 60_000) / 1000,
        attribute_value_limit=read.integer("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", value_limit, 16, 65536),
        attribute_count_limit=read.integer("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", 64, 8, 1024),
        shutdown_timeout=read.number("TELEMETRY_SHUTDOWN_TIMEOUT", 1.0, 0.1, 30),
        metrics_host=read.text("TELEMETRY_METRICS_HOST", "127.0.0.1"),
        metrics_port=read.integer("TELEMETRY_METRICS_PORT", 0, 0, 65535) or None,
        metrics_token=read.text("TELEMETRY_METRICS_TOKEN"),
        series_limit=read.integer("TELEMETRY_SERIES_LIMIT", 1000, 10, 100_000),
        log_level=read.choice("TELEMETRY_LOG_LEVEL", "INFO", LOG_LEVELS),
        sentry_dsn=read.parse("SENTRY_DSN", "", _dsn, "a Sentry DSN, http(s)://key@host/project, or nothing"),
        sentry_spotlight=read.parse("SENTRY_SPOTLIGHT", "", _spotlight, "true, false or the sidecar's URL"),
        sentry_environment=read.text("SENTRY_ENVIRONMENT", environment),
        sentry_release=read.text("SENTRY_RELEASE", resource.get("service.version", "")),
        sentry_sample_rate=read.number("SENTRY_SAMPLE_RATE", 1.0, 0, 1),
        redact_keys=tuple(k.strip().lower() for k in read.text("TELEMETRY_REDACT_KEYS").split(",") if k.strip()),
        request_timeout=read.number("TELEMETRY_REQUEST_TIMEOUT", 10.0, 0.05, 3600),
        traces_ca=exporter.ca,
        traces_client_certificate=exporter.client_certificate,
        traces_client_key=exporter.client_key,
        propagators=read.choices("OTEL_PROPAGATORS", ("tracecontext",), ("tracecontext", "baggage")),
        excluded_urls=read.parse(
            "OTEL_PYTHON_DJANGO_EXCLUDED_URLS",
            read.parse("OTEL_PYTHON_EXCLUDED_URLS", None, _excluded, "regular expressions separated by commas"),
            _excluded,
            "regular expressions separated by commas",
        ),
    )


@lru_cache(maxsize=1)
def get_config() -> TelemetryConfig:
    """The process's configuration, read from the environment on the first call.

    The Django setting TELEMETRY_TRUSTED_TOKENS (tokens, or a mapping whose values are tokens) adds trusted callers,
    so that a project which already keeps its service tokens in settings need not repeat them in the environment.
    """
    from django.conf import settings

    tokens = getattr(settings, "TELEMETRY_TRUSTED_TOKENS", ())
    if isinstance(tokens, Mapping):
        tokens = tokens.values()
    urlconf = str(getattr(settings, "ROOT_URLCONF", "") or "")
    default_service = urlconf.split(".")[0] or "unknown_service"
    return load(os.environ, default_service=default_service, extra_tokens=tokens)
