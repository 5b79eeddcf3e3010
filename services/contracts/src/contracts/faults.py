"""Faults that a drill enables inside a service, because they can't be caused from outside.

FAULTS, as `error_ratio=0.2,leak_mib_per_request=1`, is refused unless ENVIRONMENT is drill. Without it nothing is
installed: no middleware, no cost.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from jwt.algorithms import RSAAlgorithm

VARIABLE = "FAULTS"
ENVIRONMENT = "drill"
HEALTH = ("/livez", "/readyz")
KEY_SET = "/.well-known/jwks.json"
MIB = 1024 * 1024
# The limits of each fault. They stop it before it harms the machine that the drill runs on.
LIMITS: Mapping[str, float] = {
    "error_ratio": 1.0,
    "leak_mib_per_request": 16.0,
    "cpu_seconds_per_request": 10.0,
    "wrong_key_set": 1.0,
}
LEAK_AT_MOST_MIB = 768.0
_ALLOWED = ", ".join(f"{name}=0..{most:g}" for name, most in LIMITS.items())


class InjectedFault(RuntimeError):
    """A request that fails because a drill injected a fault."""


@dataclass(frozen=True)
class Faults:
    """The faults of each request that isn't a health check.

    `error_ratio` is the share of requests that crash; `wrong_key_set` (0 or 1) publishes a key that signs nothing, as
    after a key rotation that the key set missed.
    """

    error_ratio: float = 0.0
    leak_mib_per_request: float = 0.0
    cpu_seconds_per_request: float = 0.0
    wrong_key_set: float = 0.0


def load(environment: str, environ: Mapping[str, str] = os.environ) -> Faults | None:
    """Return the faults in FAULTS; None without it.

    Raises ImproperlyConfigured outside of a drill's environment, and for a fault or a value that isn't allowed.
    """
    text = environ.get(VARIABLE, "").strip()
    if not text:
        return None
    if environment != ENVIRONMENT:
        raise ImproperlyConfigured(f"{VARIABLE} is for drills: ENVIRONMENT is {environment}, allowed is {ENVIRONMENT}")
    values: dict[str, float] = {}
    for entry in text.split(","):
        name, _, value = (part.strip() for part in entry.partition("="))
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if name not in LIMITS or name in values or not 0 <= number <= LIMITS[name]:
            raise ImproperlyConfigured(f"{VARIABLE}: {entry.strip()!r} isn't allowed, once each is: {_ALLOWED}")
        values[name] = number
    return Faults(**values)


def middleware(environment: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return what a service appends to its MIDDLEWARE: nothing, except in a drill. Raises as `load` does."""
    return [f"{__name__}.{FaultMiddleware.__name__}"] if load(environment, environ) else []


class FaultMiddleware:
    """Last in MIDDLEWARE, so that a fault appears to come from the view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase], faults: Faults | None = None) -> None:
        self._get_response = get_response
        self._faults = faults or load(ENVIRONMENT) or Faults()
        self._leaked: list[bytes] = []
        self._key_set = _key_set() if self._faults.wrong_key_set else ""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Runs when the view is already known, so that metrics name it. Raises InjectedFault."""
        if request.path in HEALTH:
            return None
        if request.path == KEY_SET and self._key_set:
            return HttpResponse(self._key_set, content_type="application/json")
        self._leak()
        self._burn()
        if random.random() < self._faults.error_ratio:  # noqa: S311 (chance, not a secret)
            raise InjectedFault("a drill lets this request fail")
        return None

    def _leak(self) -> None:
        size = self._faults.leak_mib_per_request
        if size and len(self._leaked) * size < LEAK_AT_MOST_MIB:
            # Not zeros: the kernel allocates memory only for written pages.
            self._leaked.append(b"\xff" * int(size * MIB))

    def _burn(self) -> None:
        if self._faults.cpu_seconds_per_request:
            # The thread's own CPU time: concurrent work of other threads doesn't count.
            until = time.thread_time() + self._faults.cpu_seconds_per_request
            while time.thread_time() < until:
                pass


def _key_set() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    jwk = {**RSAAlgorithm.to_jwk(key, as_dict=True), "kid": "drill", "use": "sig", "alg": "RS256"}
    return json.dumps({"keys": [jwk]})
