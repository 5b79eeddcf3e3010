"""URL patterns of the API."""

from django.urls import path

from stock.api import views

urlpatterns = [
    path("api/v1/products", views.ProductListView.as_view()),
    path("api/v1/products/<uuid:pk>", views.ProductView.as_view()),
]
