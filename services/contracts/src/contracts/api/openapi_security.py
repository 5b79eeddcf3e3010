"""Describes the two kinds of token to drf-spectacular."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class AccessTokenScheme(OpenApiAuthenticationExtension):
    """A user's access token."""

    target_class = "contracts.api.authentication.AccessTokenAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return OpenAPI's security scheme object."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class ServiceTokenScheme(OpenApiAuthenticationExtension):
    """A service's token."""

    target_class = "contracts.api.authentication.ServiceTokenAuthentication"
    name = "serviceToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return OpenAPI's security scheme object."""
        return {"type": "http", "scheme": "bearer"}
