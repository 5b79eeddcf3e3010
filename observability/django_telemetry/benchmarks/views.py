"""Minimal views, so that the overhead of instrumentation is large compared with their own cost."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path


def sync_view(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse("ok")


async def async_view(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [
    path("api/v1/things/<int:number>/", sync_view, name="thing"),
    path("api/v1/async-things/<int:number>/", async_view, name="async-thing"),
]
