"""Addresses that every service has: health and its OpenAPI document."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from contracts.api import health, openapi_security  # noqa: F401  (registers the security schemes)

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]
