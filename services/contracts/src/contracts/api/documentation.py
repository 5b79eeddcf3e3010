"""The page of the OpenAPI document, with a policy for what it may load."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

# Swagger UI comes from its CDN; the script that starts it from this service. Its page and the UI have inline styles.
_SWAGGER = "https://cdn.jsdelivr.net"
POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src 'self' {_SWAGGER}",
        f"style-src 'unsafe-inline' {_SWAGGER}",
        f"img-src 'self' data: {_SWAGGER}",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)


class Page(SpectacularSwaggerSplitView):
    """Swagger UI without inline scripts."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the page, or with `?script=` the script that starts it."""
        response = super().get(request, *args, **kwargs)
        response["Content-Security-Policy"] = POLICY
        return response
