"""Middlewares and views that do what a project's own code may do to a response, a span or an exception."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from opentelemetry import trace

from .urls import urlpatterns as others

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class Middleware:
    """A middleware that does nothing."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)


class SetsRequestId(Middleware):
    """Sets the headers that the library also sets."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = super().__call__(request)
        response["X-Request-ID"] = "own-id"
        response["traceresponse"] = "own-trace"
        return response


class AnswersExceptions(Middleware):
    """Answers every exception of a view with the status of the class."""

    status = 500

    def process_exception(self, _request: HttpRequest, exception: Exception) -> HttpResponse:
        return HttpResponse(type(exception).__name__, status=self.status)


class AnswersExceptionsWell(AnswersExceptions):
    status = 200


class ReplacesTheResponse(Middleware):
    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = super().__call__(request)
        return HttpResponse(f"replaced {response.status_code}", status=418, headers={"X-Own": "yes"})


class AnswersEarly(Middleware):
    def __call__(self, _request: HttpRequest) -> HttpResponseBase:
        return HttpResponse("early", status=203)


class Raises(Middleware):
    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        super().__call__(request)
        raise LookupError("raised in a middleware")


class RenamesTheSpan(Middleware):
    def process_view(self, _request: HttpRequest, *_: object) -> None:
        trace.get_current_span().update_name("renamed by a middleware")


MIDDLEWARES = (
    SetsRequestId,
    AnswersExceptions,
    AnswersExceptionsWell,
    ReplacesTheResponse,
    AnswersEarly,
    Raises,
    RenamesTheSpan,
)


def graphql(_request: HttpRequest) -> HttpResponse:
    """A view that names its span after the operation, as one with many operations at one URL does."""
    span = trace.get_current_span()
    span.update_name("graphql PlaceOrder")
    span.set_attribute("http.route", "graphql/PlaceOrder")
    return HttpResponse("placed")


def own_id(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", headers={"X-Request-ID": "own-id"})


urlpatterns = [path("graphql", graphql), path("own-id", own_id), *others]
