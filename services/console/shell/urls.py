"""URL patterns of the shell."""

from django.urls import path

from shell import views

urlpatterns = [
    path("livez", views.livez),
    path("readyz", views.readyz),
    path("login", views.LoginView.as_view(), name="login"),
    path("logout", views.logout, name="logout"),
    path("palette", views.palette, name="palette"),
    path("runbooks", views.runbook_list, name="runbooks"),
    path("runbooks/<str:alert>", views.runbook, name="runbook"),
]
