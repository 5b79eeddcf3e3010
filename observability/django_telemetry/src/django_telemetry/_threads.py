"""Starting telemetry's own threads without raising into the caller when a thread can't be started."""

from __future__ import annotations

import threading
from collections.abc import Callable


def start_thread(run: Callable[[], None], name: str) -> threading.Thread | None:
    """A running daemon thread; None when the system is out of threads or the interpreter is shutting down.

    What is queued for the thread stays queued, within its bounds, until the next attempt.
    """
    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread
