"""Starting telemetry's own threads without raising into the caller when a thread can't be started."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ._fork import is_uwsgi_master


def start_thread(run: Callable[[], None], name: str) -> threading.Thread | None:
    """A running daemon thread; None when the system is out of threads or the interpreter is shutting down.

    Also None in uWSGI's master before it forks, where no thread may be running.

    What is queued for the thread stays queued, within its bounds, until the next attempt.
    """
    if is_uwsgi_master():
        return None
    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread
