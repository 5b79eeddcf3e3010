"""The API: placing and reading orders."""

from __future__ import annotations

import re
from uuid import UUID

from contracts.api.problems import Problem
from contracts.api.serializers import ProblemSerializer
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ordering import domain
from ordering.api import answers, serializers
from ordering.domain import AccountInactive, NoSuchProduct, OrderFailed
from ordering.idempotency import InProgress, KeyReused
from ordering.models import Order
from ordering.placement import Placement

_KEY = r"[ -~]{1,255}"
_KEY_PARAMETER = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": f"^{_KEY}$"},
    OpenApiParameter.HEADER,
    required=True,
    description="Chosen by the client, one for each order. The same key with the same body never makes a second order; "
    "it gets the first one's answer. Printable ASCII.",
)
_REPLAYED = OpenApiParameter(
    "Idempotent-Replayed",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    enum=["true"],
    description="There when the answer is the kept one of an earlier request.",
    response=[201, 402, 409],
)


class OrdersView(GenericAPIView[Order]):
    """Orders."""

    serializer_class = serializers.OrderSerializer

    def get_queryset(self) -> QuerySet[Order]:
        """Return the caller's own orders."""
        return _own_orders(self.request)

    @extend_schema(operation_id="list_orders", responses={200: serializers.OrderSerializer(many=True)})
    def get(self, request: Request) -> Response:
        """List the caller's orders, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="place_order",
        parameters=[_KEY_PARAMETER, _REPLAYED],
        request=serializers.NewOrderSerializer,
        responses={
            201: serializers.OrderSerializer,
            402: OpenApiResponse(serializers.DeclinedSerializer, "`card_declined` or `insufficient_funds`."),
            409: OpenApiResponse(
                serializers.ConflictSerializer,
                "`out_of_stock` with the products, or `request_in_progress` (with Retry-After) while an earlier "
                "request with this key isn't finished.",
            ),
            422: OpenApiResponse(
                ProblemSerializer, "`idempotency_key_reused`: the key was used with another body before."
            ),
            502: OpenApiResponse(
                serializers.UnavailableSerializer,
                "`dependency_invalid`: an answer of a dependency (named) violates the contract; nothing was ordered.",
            ),
            503: OpenApiResponse(
                serializers.UnavailableSerializer,
                "A dependency (named) failed; nothing was ordered. The same request may be sent again then.",
            ),
        },
    )
    def post(self, request: Request) -> Response:
        """Place an order: reserves the stock and charges the card before it answers 201."""
        user_id = _user_id(request)
        key = _idempotency_key(request)
        body = serializers.NewOrderSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        placement = Placement(user_id, key, body.lines, body.validated_data["payment_token"])
        try:
            return answers.response(domain.place(placement, answers.represent))
        except (KeyReused, InProgress, AccountInactive, NoSuchProduct, OrderFailed) as error:
            raise answers.problem(error) from None


class OrderView(APIView):
    """One order."""

    @extend_schema(operation_id="get_order", responses={200: serializers.OrderSerializer})
    def get(self, request: Request, order_id: UUID) -> Response:
        """Return one of the caller's orders. 404 for another user's order."""
        order = _own_orders(request).filter(pk=order_id).first()
        if order is None:
            raise Http404
        return Response(serializers.OrderSerializer(order).data)


def _user_id(request: Request) -> UUID:
    try:
        return UUID(request.user.pk)
    except ValueError:
        raise AuthenticationFailed("The access token is not valid.", code="token_invalid") from None


def _own_orders(request: Request) -> QuerySet[Order]:
    return Order.objects.filter(user_id=_user_id(request)).prefetch_related("items")


def _idempotency_key(request: Request) -> str:
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if not key:
        raise Problem(400, "idempotency_key_missing", "The Idempotency-Key header is missing.")
    if not re.fullmatch(_KEY, key):
        raise Problem(400, "idempotency_key_invalid", "Idempotency-Key has to be 1 to 255 printable ASCII characters.")
    return key
