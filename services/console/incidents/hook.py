"""The endpoint that receives Alertmanager's webhook."""

from __future__ import annotations

import hmac
import logging

from contracts.api.problems import problem_response
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from incidents import ingest, metrics, webhook

logger = logging.getLogger(__name__)


@csrf_exempt
@login_not_required
def alertmanager(request: HttpRequest) -> HttpResponseBase:
    """Process a notification of Alertmanager's webhook: 204, or a problem with the error.

    Alertmanager repeats only notifications answered with 5xx: an invalid one stays invalid.
    """
    response = _take_in(request)
    accepted = response.status_code == 204
    metrics.alert_deliveries_total.labels(metrics.ACCEPTED if accepted else metrics.REFUSED).inc()
    return response


def _take_in(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        response = problem_response(405, "method_not_allowed", "Deliveries come by POST.")
        response["Allow"] = "POST"
        return response
    if not _is_allowed(request):
        response = problem_response(401, "token_invalid", "This needs the webhook's bearer token.")
        response["WWW-Authenticate"] = 'Bearer realm="alerts"'
        return response
    if request.content_type != "application/json":
        return problem_response(415, "unsupported_media_type", "Send application/json.")
    body = _body(request)
    if isinstance(body, HttpResponse):
        return body
    try:
        notices = webhook.parse(body)
    except webhook.Malformed as error:
        return problem_response(400, "malformed", f"The body is not JSON: {error}")
    except webhook.Unsupported as error:
        return problem_response(422, "unsupported_version", str(error))
    except webhook.Invalid as error:
        logger.warning("A delivery was refused: %s", error.errors[0])
        return problem_response(
            422, "invalid", "This is no delivery of Alertmanager's webhook. See `errors`.", errors=error.errors
        )
    touched = ingest.take_in(notices)
    logger.info("Took in %d alerts", len(notices), extra={"labels.incidents": str(len(touched))})
    return HttpResponse(status=204)


def _is_allowed(request: HttpRequest) -> bool:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    expected: str = settings.ALERT_WEBHOOK_TOKEN
    return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), expected.encode())


def _body(request: HttpRequest) -> bytes | HttpResponse:
    """Return the body, or the reason for refusing it. Never reads more than the limit."""
    declared = request.META.get("CONTENT_LENGTH") or ""
    if not (declared.isascii() and declared.isdigit()):
        return problem_response(411, "length_required", "Send the body with a Content-Length.")
    # int() rejects thousands of digits.
    if len(declared) > 18 or int(declared) > webhook.MAX_BODY_BYTES:
        return problem_response(413, "payload_too_large", f"The body is over {webhook.MAX_BODY_BYTES} bytes.")
    body = request.read(webhook.MAX_BODY_BYTES + 1)
    if len(body) != int(declared):
        return problem_response(400, "incomplete", "The body ended before its Content-Length.")
    return bytes(body)
