"""OpenAPI: adds the error responses that the conventions define for every operation."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema

from contracts.api.problems import CONTENT_TYPE
from contracts.api.serializers import ProblemSerializer, StrictSerializer


class ConventionSchema(AutoSchema):
    """Adds problem responses; the statuses follow from an operation's method, body, authentication and path."""

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        responses = super()._get_response_bodies(direction)
        for status in self._problem_statuses():
            if status not in responses:
                responses[status] = self._get_response_for_code(ProblemSerializer, status, [CONTENT_TYPE], direction)
        # An operation documents its own error (402, 409) by its serializer: same media type.
        for status, response in responses.items():
            if status >= "400" and "application/json" in response.get("content", {}):
                response["content"][CONTENT_TYPE] = response["content"].pop("application/json")
        return responses

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)
        if direction == "request" and isinstance(serializer, StrictSerializer):
            schema["additionalProperties"] = False
        return schema

    def _problem_statuses(self) -> list[str]:
        statuses = ["400", "406", "500", "503"]
        if self.view.get_authenticators():
            statuses += ["401", "403"]
        if "{" in self.path or self.method == "GET":
            statuses.append("404")
        if self.method in {"POST", "PUT", "PATCH"}:
            statuses += ["413", "415"]
        return sorted(statuses)
