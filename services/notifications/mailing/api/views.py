"""The API: the caller's notifications."""

from __future__ import annotations

from uuid import UUID

from contracts.api.pagination import Pages
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from mailing.api.serializers import NotificationSerializer
from mailing.models import Notification


class NewestFirst(Pages):
    """Pages of mails, newest first."""

    ordering = ("-sent_at", "id")


class Notifications(ListAPIView[Notification]):
    """The caller's own mails."""

    serializer_class = NotificationSerializer
    pagination_class = NewestFirst
    queryset = Notification.objects.none()

    def get_queryset(self) -> QuerySet[Notification]:
        """Return the caller's own notifications only."""
        try:
            user_id = UUID(self.request.user.pk)
        except ValueError:
            raise AuthenticationFailed("The access token is not valid.", code="token_invalid") from None
        return Notification.objects.filter(user_id=user_id)

    @extend_schema(operation_id="list_notifications")
    def get(self, request: Request, *args: object, **kwargs: object) -> Response:
        """List the mails sent to the caller about their orders, newest first."""
        return super().get(request, *args, **kwargs)
