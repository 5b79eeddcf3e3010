"""Management commands as units of work."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from .context import unit_of_work


class TelemetryCommand(BaseCommand):
    """A management command whose run is one unit of work: a span, ids in every log line, failures reported.

    For commands that do one thing and exit. A command that serves or loops uses unit_of_work() for each iteration.
    """

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the command inside a unit of work named after its module."""
        with unit_of_work(f"manage.py {type(self).__module__.rpartition('.')[2]}"):
            return super().execute(*args, **options)
