"""For gunicorn: its own messages as JSON lines, and shorter garbage collection pauses in the workers.

``logger_class = "django_telemetry.gunicorn.Logger"``, and ``post_worker_init = django_telemetry.gunicorn.freeze``.
Keep gunicorn's access log off: only the middleware can write the access line inside the request's span.
"""

from __future__ import annotations

import gc
import logging
import sys
import traceback
from typing import Any

from gunicorn.glogging import Logger as _Logger

from .logs import standalone_formatter

# gunicorn's messages about a request quote client input: its address, a header, the URI with its query.
_ABOUT_REQUESTS = {
    "Invalid request from ip=": "Invalid request",
    "Error handling request": "Error handling request",
    "Error handling HTTP/2 request": "Error handling HTTP/2 request",
}


def _without_request(record: logging.LogRecord) -> bool:
    """Reduce a message about a request to gunicorn's own text. A logging filter that drops no record."""
    for start, shown in _ABOUT_REQUESTS.items():
        if isinstance(record.msg, str) and record.msg.startswith(start):
            record.msg, record.args = shown, None
            if record.exc_info and record.exc_info[0] is not None:
                # The exception's text may quote the request too; its type and stack trace don't.
                record.__dict__["error.type"] = record.exc_info[0].__qualname__
                record.__dict__["error.stack_trace"] = "".join(traceback.format_tb(record.exc_info[2]))
                record.exc_info = None
    return True


def freeze(_worker: object) -> None:
    """Exclude all objects loaded so far from garbage collection. A hook for post_worker_init.

    A full collection traverses everything a project has loaded: some hundred thousand objects that never become
    garbage. Telemetry holds spans and lines for a short time and so triggers full collections slightly more often.
    """
    gc.collect()
    gc.freeze()


class Logger(_Logger):
    """A gunicorn logger that writes ECS lines to stdout, both in the master and in the workers."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(standalone_formatter())
        handler.addFilter(_without_request)
        self.error_log.handlers = [handler]
        self.access_log.handlers = []
        self.access_log.disabled = True

    def reopen_files(self) -> None:
        """Does nothing: stdout is owned by the parent process."""
