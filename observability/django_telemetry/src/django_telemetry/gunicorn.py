"""Gunicorn's own messages as JSON lines like all others: ``logger_class = "django_telemetry.gunicorn.Logger"``.

The access log stays off: the middleware writes the access line inside the request's span, which gunicorn can't.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from gunicorn.glogging import Logger as _Logger

from .logs import standalone_formatter


class Logger(_Logger):
    """A gunicorn logger that writes ECS lines to stdout, in the master as in the workers."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(standalone_formatter())
        self.error_log.handlers = [handler]
        self.access_log.handlers = []
        self.access_log.disabled = True

    def reopen_files(self) -> None:
        """Nothing to reopen: stdout belongs to whoever started us."""
