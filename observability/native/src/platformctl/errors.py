"""Errors that the operator can act on."""

from __future__ import annotations

from collections.abc import Sequence


class PlatformError(Exception):
    """Stops the command. `detail` is shown below the message; `advice` states what to do."""

    def __init__(self, message: str, *, detail: Sequence[str] = (), advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = tuple(detail)
        self.advice = advice

    def __str__(self) -> str:
        parts = [self.message, *(f"    {line}" for line in self.detail)]
        if self.advice:
            parts.append(f"  What to do: {self.advice}")
        return "\n".join(parts)


class SettingsError(PlatformError):
    """A variable in .env or the environment has a value that isn't allowed."""


class InstallError(PlatformError):
    """Something could not be downloaded, verified or built."""


class PortsTaken(PlatformError):
    """Another process listens on one of the platform's ports."""


class SupervisorError(PlatformError):
    """The process runner doesn't respond, or refuses a request."""


class ProcessFailed(PlatformError):
    """A process didn't become ready."""


class ProbeFailed(PlatformError):
    """The probe order failed, or one of its signals is missing."""
