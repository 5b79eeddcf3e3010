"""The endpoint of the load test."""

from __future__ import annotations

from django.urls import path
from rest_framework import generics, serializers
from rest_framework.pagination import PageNumberPagination

from benchmarks.models import Thing


class ThingSerializer(serializers.ModelSerializer[Thing]):
    shelf = serializers.CharField(source="shelf.name")

    class Meta:
        model = Thing
        fields = ("id", "name", "shelf")


class Pages(PageNumberPagination):
    page_size = 20


class Things(generics.ListAPIView[Thing]):
    """Lists twenty rows with two queries: one counts, one fetches."""

    queryset = Thing.objects.select_related("shelf").order_by("id")
    serializer_class = ThingSerializer
    pagination_class = Pages
    permission_classes = ()


urlpatterns = [path("api/v1/things", Things.as_view(), name="things")]
