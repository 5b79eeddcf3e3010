"""The API: sign-up, tokens, accounts, keys."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from contracts.api import clients
from contracts.api.authentication import KEYS_TTL_SECONDS, IsService, ServiceTokenAuthentication
from contracts.api.problems import Problem
from contracts.api.serializers import ProblemSerializer
from django.conf import settings
from django.http import Http404
from django.utils.cache import patch_cache_control
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import domain, sessions
from accounts.api import serializers
from accounts.keys import key_ring
from accounts.models import User
from accounts.throttling import Throttled


class Unauthorized(Problem):
    """401 from a view that reads its credentials from the request body."""

    auth_header = 'Bearer realm="api"'

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(status.HTTP_401_UNAUTHORIZED, code, detail)


class TooManyAttempts(Problem):
    """429 with the seconds until the next attempt is accepted."""

    def __init__(self, throttled: Throttled) -> None:
        detail = "Too many attempts. Wait for the time in Retry-After."
        super().__init__(status.HTTP_429_TOO_MANY_REQUESTS, "too_many_attempts", detail, retry_after=throttled.seconds)


class PublicView(APIView):
    """A public endpoint. An access token sent with the request is ignored."""

    authentication_classes = ()
    permission_classes = [AllowAny]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Forbid caching of tokens and accounts, unless the view sets its own policy."""
        finalized = super().finalize_response(request, response, *args, **kwargs)
        if "Cache-Control" not in finalized:
            patch_cache_control(finalized, no_store=True)
        return finalized


class SignUpView(PublicView):
    """Accounts."""

    @extend_schema(
        operation_id="sign_up",
        request=serializers.SignUpSerializer,
        responses={201: serializers.UserSerializer, 409: ProblemSerializer, 429: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """Create an account. 409 `email_taken` when the address already has one."""
        body = serializers.SignUpSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            user = domain.sign_up(**body.validated_data, network=_network(request))
        except Throttled as throttled:
            raise TooManyAttempts(throttled) from None
        except domain.EmailTaken:
            raise Problem(409, "email_taken", "There is an account with this e-mail address.") from None
        return Response(serializers.UserSerializer(user).data, status=status.HTTP_201_CREATED)


class TokenView(PublicView):
    """Login."""

    @extend_schema(
        operation_id="log_in",
        request=serializers.CredentialsSerializer,
        responses={200: serializers.TokenPairSerializer, 401: ProblemSerializer, 429: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """Issue tokens for an e-mail address and password. 401 `invalid_credentials` when they don't match."""
        body = serializers.CredentialsSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            pair = domain.log_in(**body.validated_data, network=_network(request))
        except Throttled as throttled:
            raise TooManyAttempts(throttled) from None
        except domain.InvalidCredentials:
            raise Unauthorized("invalid_credentials", "No account has this e-mail address and password.") from None
        return Response(serializers.TokenPairSerializer(pair).data)


class TokenRefreshView(PublicView):
    """Renewal of access tokens."""

    @extend_schema(
        operation_id="refresh_token",
        request=serializers.RefreshSerializer,
        responses={200: serializers.TokenPairSerializer, 401: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """Replace a refresh token, and issue a new access token. 401 `token_expired` or `token_invalid`.

        A token that was replaced more than ten seconds ago ends its session: a copy of it may be in other hands.
        """
        body = serializers.RefreshSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            pair = sessions.renew(body.validated_data["refresh"])
        except sessions.RefreshRefused as refusal:
            if refusal.expired:
                raise Unauthorized("token_expired", "The refresh token has expired. Log in again.") from None
            raise Unauthorized("token_invalid", "The refresh token is not valid.") from None
        return Response(serializers.TokenPairSerializer(pair).data)


class TokenRevokeView(PublicView):
    """Log-out."""

    @extend_schema(operation_id="revoke_token", request=serializers.RefreshSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the session of a refresh token. 204 also for a token that isn't valid (RFC 7009)."""
        body = serializers.RefreshSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        sessions.end(body.validated_data["refresh"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(APIView):
    """The caller's own account."""

    @extend_schema(operation_id="get_me", responses={200: serializers.UserSerializer})
    def get(self, request: Request) -> Response:
        """Return the account that the access token belongs to."""
        user = domain.active_user(str(request.user.pk))
        if user is None:
            raise AuthenticationFailed("The account of this token is deleted or inactive.", code="account_inactive")
        return Response(serializers.UserSerializer(user).data)


class InternalUserView(APIView):
    """Accounts, for other services."""

    authentication_classes = [ServiceTokenAuthentication]
    permission_classes = [IsService]

    @extend_schema(operation_id="get_user", responses={200: serializers.InternalUserSerializer})
    def get(self, request: Request, user_id: UUID) -> Response:
        """Return an account, active or inactive."""
        user = User.objects.filter(pk=user_id).first()
        if user is None:
            raise Http404
        return Response(serializers.InternalUserSerializer(user).data)


class JwksView(PublicView):
    """The public keys that verify access tokens."""

    @extend_schema(operation_id="get_jwks", responses={200: serializers.JwksSerializer})
    def get(self, request: Request) -> Response:
        """Return the keys that verify access tokens (RFC 7517). Clients may cache them for five minutes."""
        response = Response(key_ring().jwks())
        patch_cache_control(response, public=True, max_age=int(KEYS_TTL_SECONDS))
        return response


def _network(request: Request) -> str | None:
    """Return the client's network; None for one without limits."""
    client = clients.address(request._request, settings.TRUSTED_PROXIES)
    if client is not None and clients.within(client, settings.UNLIMITED_NETWORKS):
        return None
    return clients.network(client)
