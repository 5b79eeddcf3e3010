"""Forking: what must start anew in a child process."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def after_fork(method: Callable[[], None]) -> None:
    """Call a bound method in every forked child, as long as its object lives."""
    if not hasattr(os, "register_at_fork"):  # no fork on this platform
        return
    reference = weakref.WeakMethod(method)

    def call() -> None:
        live = reference()
        if live is not None:
            live()

    os.register_at_fork(after_in_child=call)
