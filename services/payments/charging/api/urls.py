"""URL patterns of charges."""

from django.urls import path

from charging.api import views

urlpatterns = [
    path("internal/v1/charges", views.Charges.as_view(), name="charges"),
    path("internal/v1/charges/<uuid:order_id>", views.ChargeOfOrder.as_view(), name="charge"),
    path("internal/v1/charges/<uuid:order_id>/void", views.Void.as_view(), name="void"),
]
