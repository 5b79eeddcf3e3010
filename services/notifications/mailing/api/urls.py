"""URL patterns of notifications."""

from django.urls import path

from mailing.api import views

urlpatterns = [path("api/v1/notifications", views.Notifications.as_view(), name="notifications")]
