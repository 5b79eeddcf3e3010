"""URL patterns of the users service."""

from django.urls import include, path

urlpatterns = [
    path("", include("contracts.api.urls")),
    path("", include("accounts.api.urls")),
]
