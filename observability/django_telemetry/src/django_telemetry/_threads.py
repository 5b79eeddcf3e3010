"""Starting telemetry's own threads, which must not cost the caller anything even when there can be none."""

from __future__ import annotations

import threading
from collections.abc import Callable


def start_thread(run: Callable[[], None], name: str) -> threading.Thread | None:
    """A running daemon thread; None when the system has no more, or the interpreter is on its way out.

    What is queued for the thread stays queued, within its bounds, until the next attempt.
    """
    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread
