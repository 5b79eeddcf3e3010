"""Views."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from newapp.api.serializers import RecordSerializer
from newapp.models import Record


class Records(ListAPIView[Record]):
    """The caller's own records."""

    serializer_class = RecordSerializer
    queryset = Record.objects.none()

    def get_queryset(self) -> QuerySet[Record]:
        try:
            user_id = UUID(self.request.user.pk)
        except ValueError:
            raise AuthenticationFailed("The access token is not valid.", code="token_invalid") from None
        return Record.objects.filter(user_id=user_id)

    @extend_schema(operation_id="list_records")
    def get(self, request: Request, *args: object, **kwargs: object) -> Response:
        """The records of your orders, newest first."""
        return super().get(request, *args, **kwargs)
