"""Checks the health of a process with its probe."""

from __future__ import annotations

import http.client
import subprocess
import urllib.error
import urllib.request
from contextlib import suppress

from platformctl.run.model import ExecProbe, HttpProbe, Probe

TIMEOUT_SECONDS = 3.0


def is_healthy(probe: Probe, timeout: float = TIMEOUT_SECONDS) -> bool:
    """Whether the probe succeeds now."""
    match probe:
        case HttpProbe():
            return _status(probe.url, timeout) == http.HTTPStatus.OK
        case ExecProbe(command):
            with suppress(subprocess.TimeoutExpired, OSError):
                return subprocess.run(command, capture_output=True, timeout=timeout, check=False).returncode == 0
            return False


def explain(probe: Probe, timeout: float = TIMEOUT_SECONDS) -> str:
    """The probe's result as text: "GET http://… answers 503: {…}"."""
    match probe:
        case HttpProbe():
            try:
                with urllib.request.urlopen(probe.url, timeout=timeout) as response:  # noqa: S310 - always http
                    return f"GET {probe.url} answers {response.status}"
            except urllib.error.HTTPError as error:
                return f"GET {probe.url} answers {error.code}: {error.read(1000).decode(errors='replace')}"
            except (OSError, http.client.HTTPException) as error:
                return f"GET {probe.url}: {error}"
        case ExecProbe(command):
            return f"{' '.join(command)} fails"


def _status(url: str, timeout: float) -> int:
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:  # noqa: S310 - always http
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, http.client.HTTPException):
        return 0
