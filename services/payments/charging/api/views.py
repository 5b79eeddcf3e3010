"""Views: map HTTP to the domain and back. The rules are in charging.domain."""

from __future__ import annotations

import re
from uuid import UUID

from contracts.api.authentication import IsService, ServiceTokenAuthentication
from contracts.api.problems import CONTENT_TYPE, DependencyUnavailable, Problem, problem_body
from contracts.api.serializers import ProblemSerializer
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from charging import domain
from charging.api.serializers import ChargeSerializer, NewChargeSerializer
from charging.clients import DEPENDENCY, ProviderUnavailable, RefundRefused, card_provider
from charging.models import Charge, Status

# Printable ASCII. No space at either end: HTTP strips it from header values.
KEY_PATTERN = r"^[!-~]([ -~]{0,253}[!-~])?$"

_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": KEY_PATTERN},
    OpenApiParameter.HEADER,
    required=True,
    description="Names this charge: the same key gets the same result, and never a second charge.",
)
_REPLAYED = OpenApiParameter(
    "Idempotent-Replayed",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    response=[201, 402],
    description="`true` when the result was known from before.",
)
_DECLINED = OpenApiResponse(ProblemSerializer, "Declined; `code` is card_declined or insufficient_funds.")
_CONFLICT = OpenApiResponse(
    ProblemSerializer, "`request_in_progress` (Retry-After), `order_cancelled` or `order_already_charged`."
)
_REUSED = OpenApiResponse(ProblemSerializer, "`idempotency_key_reused`: the key was used with another body before.")


class InternalView(APIView):
    """For services only."""

    authentication_classes = (ServiceTokenAuthentication,)
    permission_classes = (IsService,)


class Charges(InternalView):
    """Charges of orders."""

    @extend_schema(
        operation_id="charge_order",
        request=NewChargeSerializer,
        parameters=[_KEY, _REPLAYED],
        responses={201: ChargeSerializer, 402: _DECLINED, 409: _CONFLICT, 422: _REUSED},
    )
    def post(self, request: Request) -> Response:
        """Charge an order once. After a 503 the card may have been charged: retry with the same key, or void."""
        body = NewChargeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = domain.ChargeRequest(**body.validated_data, idempotency_key=_idempotency_key(request))
        try:
            result = domain.charge(wanted, card_provider())
        except domain.KeyReused:
            raise Problem(
                status.HTTP_422_UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "This Idempotency-Key was used with another body before.",
            ) from None
        except domain.InProgress:
            raise Problem(
                status.HTTP_409_CONFLICT,
                "request_in_progress",
                "This charge is being made right now. Ask again for its result.",
                retry_after=1,
            ) from None
        except domain.OrderCancelled:
            raise Problem(status.HTTP_409_CONFLICT, "order_cancelled", "The order was cancelled.") from None
        except domain.OrderAlreadyCharged:
            raise Problem(
                status.HTTP_409_CONFLICT, "order_already_charged", "The order has its charge, under another key."
            ) from None
        except ProviderUnavailable:
            raise DependencyUnavailable(DEPENDENCY) from None
        response = _answer(result.charge)
        if result.replayed:
            response["Idempotent-Replayed"] = "true"
        return response


class ChargeOfOrder(InternalView):
    """One order's charge."""

    @extend_schema(operation_id="charge_of_order", responses=ChargeSerializer)
    def get(self, request: Request, order_id: UUID) -> Response:
        """Return the order's charge in its current state."""
        charge = Charge.objects.filter(order_id=order_id).first()
        if charge is None:
            raise Http404
        return Response(ChargeSerializer(charge).data)


class Void(InternalView):
    """Void of a charge."""

    @extend_schema(
        operation_id="void_charge_of_order",
        request=None,
        responses={200: ChargeSerializer, 409: OpenApiResponse(ProblemSerializer, "`refund_refused` by the provider.")},
    )
    def post(self, request: Request, order_id: UUID) -> Response:
        """Ensure that no money is taken for the order, now or later. Idempotent."""
        try:
            charge = domain.void(order_id, card_provider())
        except ProviderUnavailable:
            raise DependencyUnavailable(DEPENDENCY) from None
        except RefundRefused as error:
            raise Problem(
                status.HTTP_409_CONFLICT, "refund_refused", f"The card provider refuses the refund: {error.code}."
            ) from None
        return Response(ChargeSerializer(charge).data)


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if not re.fullmatch(KEY_PATTERN, key):
        raise Problem(
            status.HTTP_400_BAD_REQUEST,
            "idempotency_key_required",
            "The header Idempotency-Key is required: 1 to 255 printable ASCII characters.",
        )
    return key


def _answer(charge: Charge) -> Response:
    """Answer 201 for a captured charge, 402 for a declined one. Both are results and are repeated for the same key."""
    if charge.status == Status.CAPTURED:
        return Response(ChargeSerializer(charge).data, status=status.HTTP_201_CREATED)
    # Callers know two reasons; a token that the provider doesn't know is a card that can't pay.
    code = charge.decline_code if charge.decline_code == "insufficient_funds" else "card_declined"
    body = problem_body(status.HTTP_402_PAYMENT_REQUIRED, code, "The card provider declined the charge.")
    return Response(body, status=status.HTTP_402_PAYMENT_REQUIRED, content_type=CONTENT_TYPE)
