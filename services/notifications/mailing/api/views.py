"""Views."""

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
    """Pages of mails, the last one first."""

    ordering = ("-sent_at", "id")


class Notifications(ListAPIView[Notification]):
    """One's own mails."""

    serializer_class = NotificationSerializer
    pagination_class = NewestFirst
    queryset = Notification.objects.none()

    def get_queryset(self) -> QuerySet[Notification]:
        """The caller's own; nobody else's can be asked for."""
        try:
            user_id = UUID(self.request.user.pk)
        except ValueError:
            raise AuthenticationFailed("The access token is not valid.", code="token_invalid") from None
        return Notification.objects.filter(user_id=user_id)

    @extend_schema(operation_id="list_notifications")
    def get(self, request: Request, *args: object, **kwargs: object) -> Response:
        """The mails that were sent to you about your orders, newest first."""
        return super().get(request, *args, **kwargs)
