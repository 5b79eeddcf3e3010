"""URL patterns of the payments service."""

from django.urls import include, path

urlpatterns = [
    path("", include("contracts.api.urls")),
    path("", include("charging.api.urls")),
]
