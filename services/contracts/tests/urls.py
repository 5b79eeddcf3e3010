"""One endpoint of each kind."""

from typing import Any

from contracts.api.authentication import IsService, ServiceTokenAuthentication
from contracts.api.problems import Problem
from contracts.api.serializers import StrictCharField, StrictIntegerField, StrictSerializer
from contracts.api.urls import urlpatterns as convention_urls
from django.db import OperationalError
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

broken: list[Exception] = []


def check() -> None:
    """A readiness check that fails while `broken` holds an exception."""
    if broken:
        raise broken[0]


class Body(StrictSerializer):
    """The request body of the endpoints."""

    name = StrictCharField(max_length=10)
    count = StrictIntegerField(min_value=1, max_value=5)


class Things(APIView):
    """Accepts a body from a user."""

    def post(self, request: Request) -> Response:
        """Echo the validated body."""
        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        return Response({**body.validated_data, "user": request.user.pk}, status=201)


class Open(APIView):
    """Accepts a body without authentication."""

    authentication_classes: tuple[Any, ...] = ()
    permission_classes: tuple[Any, ...] = ()

    def post(self, request: Request) -> Response:
        """Echo the body."""
        return Response(request.data, status=201)


class Internal(APIView):
    """Accepts services only."""

    authentication_classes = (ServiceTokenAuthentication,)
    permission_classes = (IsService,)

    def get(self, request: Request) -> Response:
        """Return the caller's name."""
        return Response({"service": request.user.pk})


class Failing(APIView):
    """Fails in the way that the path names."""

    authentication_classes: tuple[Any, ...] = ()
    permission_classes: tuple[Any, ...] = ()

    def get(self, request: Request, how: str) -> Response:
        if how == "problem":
            raise Problem(409, "out_of_stock", "Nothing left.", retry_after=3, extra={"product_ids": ["a"]})
        if how == "database":
            raise OperationalError("a secret detail")
        raise RuntimeError("a secret detail")


urlpatterns = [
    *convention_urls,
    path("things", Things.as_view()),
    path("open", Open.as_view()),
    path("internal", Internal.as_view()),
    path("failing/<str:how>", Failing.as_view()),
]
