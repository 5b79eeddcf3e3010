"""URL patterns of the orders service."""

from django.urls import include, path

urlpatterns = [
    path("", include("contracts.api.urls")),
    path("", include("ordering.api.urls")),
]
