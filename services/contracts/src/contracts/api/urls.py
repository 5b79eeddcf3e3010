"""URLs common to all services: health and the OpenAPI document."""

from django.urls import path
from django.views.decorators.cache import cache_page
from drf_spectacular.views import SpectacularAPIView

from contracts.api import documentation, health, openapi_security  # noqa: F401  (registers the security schemes)

# Generating the document takes a large part of a second of CPU, and it doesn't change until the next release.
SCHEMA_CACHE_SECONDS = 3600

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("api/schema/", cache_page(SCHEMA_CACHE_SECONDS)(SpectacularAPIView.as_view()), name="schema"),
    path("api/docs/", documentation.Page.as_view(url_name="schema"), name="docs"),
]
