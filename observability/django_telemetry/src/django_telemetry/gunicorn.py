"""For gunicorn: its own messages as JSON lines like all others, and shorter pauses of the workers.

``logger_class = "django_telemetry.gunicorn.Logger"``, and ``post_worker_init = django_telemetry.gunicorn.freeze``.
The access log stays off: the middleware writes the access line inside the request's span, which gunicorn can't.
"""

from __future__ import annotations

import gc
import logging
import sys
import traceback
from typing import Any

from gunicorn.glogging import Logger as _Logger

from .logs import standalone_formatter

# What gunicorn says about a request repeats what the client sent: its address, a header, the URI with its query.
_ABOUT_REQUESTS = {
    "Invalid request from ip=": "Invalid request",
    "Error handling request": "Error handling request",
    "Error handling HTTP/2 request": "Error handling HTTP/2 request",
}


def _without_request(record: logging.LogRecord) -> bool:
    """Cut a message about a request down to what gunicorn itself says. A filter that lets everything pass."""
    for start, shown in _ABOUT_REQUESTS.items():
        if isinstance(record.msg, str) and record.msg.startswith(start):
            record.msg, record.args = shown, None
            if record.exc_info and record.exc_info[0] is not None:
                # The text of the exception may quote the request too; where it came from doesn't.
                record.__dict__["error.type"] = record.exc_info[0].__qualname__
                record.__dict__["error.stack_trace"] = "".join(traceback.format_tb(record.exc_info[2]))
                record.exc_info = None
    return True


def freeze(_worker: object) -> None:
    """Take what is loaded by now out of the garbage collector's sight. A hook for post_worker_init.

    A full collection walks all that a project has loaded, some hundred thousand objects that never become garbage, and
    telemetry, which holds spans and lines for a moment, brings such collections about a little more often.
    """
    gc.collect()
    gc.freeze()


class Logger(_Logger):
    """A gunicorn logger that writes ECS lines to stdout, in the master as in the workers."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(standalone_formatter())
        handler.addFilter(_without_request)
        self.error_log.handlers = [handler]
        self.access_log.handlers = []
        self.access_log.disabled = True

    def reopen_files(self) -> None:
        """Nothing to reopen: stdout belongs to whoever started us."""
