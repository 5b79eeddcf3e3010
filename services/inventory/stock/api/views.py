"""The API: products."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from stock.api.serializers import ProductSerializer
from stock.models import Product


class ProductListView(ListAPIView[Product]):
    """Products (public)."""

    authentication_classes = ()
    permission_classes = [AllowAny]
    serializer_class = ProductSerializer
    queryset = Product.objects.all()

    @extend_schema(operation_id="list_products")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List all products, newest first, in pages."""
        return super().get(request, *args, **kwargs)


class ProductView(RetrieveAPIView[Product]):
    """One product (public)."""

    authentication_classes = ()
    permission_classes = [AllowAny]
    serializer_class = ProductSerializer
    queryset = Product.objects.all()

    @extend_schema(operation_id="get_product")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return a product."""
        return super().get(request, *args, **kwargs)
