"""Settings of django_telemetry: meanings from settings.yaml beside it, allowed values from the library itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import yaml
from django.core.exceptions import ImproperlyConfigured
from django_telemetry import conf

from platform_docs.reference.tables import code, table
from platform_docs.repository import ROOT

SOURCE = ROOT / "observability" / "django_telemetry" / "settings.yaml"
GROUPS = {
    "OTEL_": "Standard OpenTelemetry variables",
    "TELEMETRY_": "Of this library",
    "SENTRY_": "Standard Sentry variables",
}
# No number, choice, URL or list of pairs: refused wherever a value is checked at all.
_IMPOSSIBLE = "\x00"
_REFUSAL = re.compile(r"allowed is (?P<allowed>.+)")
_INTRODUCTION = """\
# Library settings

`django_telemetry` reads its settings once, at start, into a frozen object. An unknown `TELEMETRY_*` name or a wrong
value of one stops the start. The message names every wrong variable, what is allowed and the nearest known name.

The standard `OTEL_*` and `SENTRY_*` variables may be meant for other programs of the same environment. They never stop
the start: names and values that are not supported are listed in one warning, and the defaults apply. Variables of
instrumentation packages (`OTEL_PYTHON_*`, `OTEL_INSTRUMENTATION_*`), of other languages' agents, of OpenTelemetry's
operator, and those that Kubernetes sets for services (`OTEL_COLLECTOR_PORT_4318_TCP`, `SENTRY_PORT=tcp://…`) are
ignored silently.

`python manage.py telemetry check` shows the settings that are in effect.
"""
_PROCESSES = """\
## Forks and workers

With `preload_app` gunicorn loads the app before it forks. Queues, threads and counters start anew in each worker; the
metrics port and the check for unapplied migrations start in workers only. `service.instance.id` is then the master's,
the same for all its workers; without preload each worker has its own. Each worker needs a metrics port
of its own.

`post_worker_init = django_telemetry.gunicorn.freeze` in gunicorn's settings moves what is loaded at a worker's start
out of the garbage collector's reach, which shortens the longest pauses ([measurements](../measurements.md)).
"""


def documented() -> Mapping[str, Mapping[str, str]]:
    """Variable → its default and meaning."""
    found: Mapping[str, Mapping[str, str]] = yaml.safe_load(SOURCE.read_text())["settings"]
    return found


def read_by_library() -> frozenset[str]:
    """The variables that the library reads."""
    return conf.supported()


def allowed(name: str) -> str:
    """What the library says is allowed, when it is given a value that can't be right; empty for free text."""
    try:
        refusals: Sequence[str] = conf.load({name: _IMPOSSIBLE}).ignored
    except ImproperlyConfigured as error:
        refusals = str(error).splitlines()
    found = [match["allowed"] for line in refusals if name in line and (match := _REFUSAL.search(line))]
    return found[0] if found else ""


def page() -> str:
    """The page."""
    return "\n".join([_INTRODUCTION, *_groups(), _PROCESSES])


def _groups() -> Iterator[str]:
    settings = documented()
    for prefix, title in GROUPS.items():
        rows = [
            (code(name), entry["default"], allowed(name), entry["meaning"])
            for name, entry in settings.items()
            if name.startswith(prefix)
        ]
        yield f"## {title}\n"
        yield table(("variable", "default", "allowed", "meaning"), rows)
