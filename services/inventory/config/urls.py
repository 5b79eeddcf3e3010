"""URL patterns of the inventory service."""

from django.urls import include, path

urlpatterns = [
    path("", include("contracts.api.urls")),
    path("", include("stock.api.urls")),
]
