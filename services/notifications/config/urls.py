"""URL patterns of the notifications service."""

from django.urls import include, path

urlpatterns = [
    path("", include("contracts.api.urls")),
    path("", include("mailing.api.urls")),
]
