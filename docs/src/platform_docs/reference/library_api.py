"""The library's public modules, by mkdocstrings from their docstrings."""

from __future__ import annotations

MODULES = (
    "context",
    "http",
    "grpc",
    "amqp",
    "edges",
    "deadlines",
    "retries",
    "metrics",
    "errors",
    "commands",
    "gunicorn",
)
_INTRODUCTION = """\
# Library API

What code outside of the library may use. Other modules are internal and may change in any release.
"""


def page() -> str:
    """The page."""
    modules = [f"## django_telemetry.{name}\n\n::: django_telemetry.{name}\n" for name in MODULES]
    return "\n".join([_INTRODUCTION, *modules])
