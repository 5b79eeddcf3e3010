"""Failures of a backend. Fragments turn these into a note on their panel."""

from __future__ import annotations


class BackendDown(Exception):
    """A backend gave no usable answer. `reason` is shown to users and doesn't contain the backend's name."""

    def __init__(self, backend: str, reason: str) -> None:
        super().__init__(f"{backend}: {reason}")
        self.backend = backend
        self.reason = reason


class BackendRejected(BackendDown):
    """A backend rejected the request; `reason` is its message, `status` its HTTP status."""

    def __init__(self, backend: str, reason: str, status: int = 400) -> None:
        super().__init__(backend, reason)
        self.status = status
