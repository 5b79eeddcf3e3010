"""Authenticates callers: services with a token from settings.SERVICE_TOKENS. Health checks are open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from contracts.api.authentication import service_of
from grpc_health.v1 import health

OPEN = f"/{health.SERVICE_NAME}/"


class ServiceTokenInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Rejects calls without a known service token as UNAUTHENTICATED, before the request is decoded."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tokens = tokens

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Return the method's handler, or one that rejects the call."""
        if handler_call_details.method.startswith(OPEN) or self._knows(handler_call_details.invocation_metadata):
            return continuation(handler_call_details)
        return grpc.unary_unary_rpc_method_handler(_refuse)

    def _knows(self, metadata: Any) -> bool:
        values = [value for key, value in metadata or () if key == "authorization"]
        if len(values) != 1 or not isinstance(values[0], str):
            return False
        scheme, _, token = values[0].partition(" ")
        return scheme.lower() == "bearer" and service_of(token.strip(), self._tokens) is not None


def _refuse(request: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.UNAUTHENTICATED, "A service token is needed: authorization: Bearer <token>")
    raise AssertionError("abort raises")
