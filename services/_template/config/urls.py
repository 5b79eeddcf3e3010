"""Addresses of newservice."""

from django.urls import include, path

urlpatterns = [
    path("", include("contracts.api.urls")),
    path("", include("newapp.api.urls")),
]
