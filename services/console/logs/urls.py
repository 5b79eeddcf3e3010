"""URL patterns of the logs app."""

from django.urls import path

from logs import views

urlpatterns = [
    path("logs", views.search, name="logs"),
    path("logs/", views.search),
    path("logs/lines", views.lines, name="log-lines"),
    path("logs/histogram", views.histogram, name="log-histogram"),
    path("logs/line", views.line, name="log-line"),
    path("logs/around", views.around, name="log-around"),
    path("logs/tail", views.tail, name="log-tail"),
    path("logs/columns", views.columns, name="log-columns"),
    path("logs/export", views.export, name="log-export"),
]
