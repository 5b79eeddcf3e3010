"""URL patterns of the traces app."""

from django.urls import path

from traces import views

urlpatterns = [
    path("traces", views.search, name="traces"),
    path("traces/", views.search),
    path("traces/results", views.results, name="trace-results"),
    path("traces/operations", views.operations, name="trace-operations"),
    path("traces/compare", views.compare_page, name="trace-compare"),
    path("traces/compare/rows", views.compare_rows, name="trace-compare-rows"),
    path("traces/<str:trace_id>", views.trace, name="trace"),
    path("traces/<str:trace_id>/data", views.trace_data, name="trace-data"),
    path("traces/<str:trace_id>/lines", views.trace_lines, name="trace-lines"),
    # Jaeger's own URLs, which dashboards and other programs link to.
    path("search", views.jaeger_search),
    path("trace/<str:trace_id>", views.jaeger_trace),
]
