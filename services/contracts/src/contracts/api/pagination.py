"""Paging of all lists: {results, next, previous}."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as InvalidValue
from django.db import DataError
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response


class Pages(CursorPagination):
    """Cursor pages: stable while rows are added, and as fast on the last page as on the first."""

    page_size = 20
    max_page_size = 100
    page_size_query_param = "page_size"
    ordering: Any = ("-created_at", "id")

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """Return the page's rows. 404 for a forged cursor: its position may be no valid value of the ordering field."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (InvalidValue, ValueError, DataError):
            raise NotFound(self.invalid_cursor_message) from None

    def get_page_size(self, request: Request) -> int | None:
        """Return the requested size, or the default. Raises ValidationError outside of 1 to max_page_size."""
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return self.page_size
        if asked.isascii() and asked.isdigit() and len(asked) <= 9 and 1 <= int(asked) <= self.max_page_size:
            return int(asked)
        message = f"A whole number from 1 to {self.max_page_size}."
        raise ValidationError({self.page_size_query_param: [ErrorDetail(message, code="invalid")]})

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Return the query parameters, with the bounds of page_size."""
        parameters = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            if parameter["name"] == self.page_size_query_param:
                parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": self.max_page_size}
        return parameters

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the URLs of its neighbours."""
        return Response({"results": data, "next": self.get_next_link(), "previous": self.get_previous_link()})
