"""Addresses of records."""

from django.urls import path

from newapp.api import views

urlpatterns = [path("api/v1/records", views.Records.as_view(), name="records")]
