"""URL patterns of the orders API."""

from django.urls import path

from ordering.api import views

urlpatterns = [
    path("api/v1/orders", views.OrdersView.as_view()),
    path("api/v1/orders/<uuid:order_id>", views.OrderView.as_view()),
]
