"""URL patterns of the API."""

from django.urls import path

from accounts.api import views

urlpatterns = [
    path("api/v1/users", views.SignUpView.as_view()),
    path("api/v1/users/me", views.MeView.as_view()),
    path("api/v1/token", views.TokenView.as_view()),
    path("api/v1/token/refresh", views.TokenRefreshView.as_view()),
    path("api/v1/token/revoke", views.TokenRevokeView.as_view()),
    path("internal/v1/users/<uuid:user_id>", views.InternalUserView.as_view()),
    path(".well-known/jwks.json", views.JwksView.as_view()),
]
