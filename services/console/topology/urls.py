"""URL patterns of the services' pages."""

from django.urls import path

from topology import views

urlpatterns = [
    path("services", views.services, name="services"),
    path("services/<str:name>", views.service, name="service"),
    path("topology/state", views.state, name="topology-state"),
    path("topology/<str:name>/state", views.service_state, name="service-state"),
    path("topology/<str:name>/charts", views.service_charts, name="service-charts"),
]
