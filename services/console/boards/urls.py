"""URL patterns of dashboards. A panel's data has its own URL: each panel loads separately."""

from django.urls import path

from boards import views

urlpatterns = [
    path("dashboards/", views.index, name="boards"),
    path("dashboards", views.index),
    path("d/<str:uid>", views.board, name="board"),
    path("d/<str:uid>/controls", views.controls, name="board-controls"),
    path("d/<str:uid>/annotations", views.annotation_events, name="board-annotations"),
    path("d/<str:uid>/panels/<int:panel_id>", views.panel, name="board-panel"),
    # Grafana's URLs end in a readable name.
    path("d/<str:uid>/<slug:name>", views.board),
    path("dashboards/<str:uid>", views.board),
]
