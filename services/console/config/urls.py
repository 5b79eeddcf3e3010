"""URL patterns of the console."""

from django.urls import include, path

urlpatterns = [
    path("", include(f"{app}.urls")) for app in ("shell", "topology", "incidents", "boards", "traces", "logs")
]

handler403 = "shell.views.forbidden"
handler404 = "shell.views.not_found"
handler500 = "shell.views.server_error"
