"""Tests of what every service does alike. A service's suite subclasses ServiceTests and says which addresses it has."""

from __future__ import annotations

import html
import re
from typing import ClassVar

import pytest
from django.core.management import call_command
from django.test import Client

from contracts.testing.bodies import assert_problem


class ServiceTests:
    """Liveness, hosts, content lengths, unknown addresses, ids and documentation. None of it needs the database."""

    # A request that the service takes; these tests spoil its host or its Content-Length.
    method: ClassVar[str] = "GET"
    address: ClassVar[str]
    # Addresses that look like this service's; what no service has is added to them.
    unknown_addresses: ClassVar[tuple[str, ...]]

    def caller(self) -> Client:
        """Who asks for `address` and for unknown addresses."""
        return Client()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "unknown_address" in metafunc.fixturenames:
            metafunc.parametrize("unknown_address", ["/", "/admin/", "/%ff", *self.unknown_addresses])

    def test_livez_checks_no_dependency(self) -> None:
        response = Client().get("/livez")
        assert (response.status_code, response.json()) == (200, {"status": "alive"})

    @pytest.mark.parametrize(
        "host", ["evil.example.com", "testserver:port", "127.0.0.1:port", "a b", "[::1", "x" * 300, ""]
    )
    def test_an_unknown_host_is_refused(self, host: str) -> None:
        for address in ("/livez", self.address):
            assert_problem(Client(headers={"host": host}).get(address), 400)

    @pytest.mark.parametrize("length", ["many", "-1", "+5", "1.5", "1e3", " ", "\u0661", "\u0663"])
    def test_a_malformed_content_length_is_refused(self, length: str) -> None:
        response = self.caller().generic(
            self.method, self.address, b"{}", content_type="application/json", CONTENT_LENGTH=length
        )
        assert_problem(response, 400, "bad_content_length")

    @pytest.mark.parametrize("length", ["65537", "9" * 30])
    def test_a_declared_length_over_the_limit_is_refused(self, length: str) -> None:
        response = self.caller().generic(
            self.method, self.address, b"{}", content_type="application/json", CONTENT_LENGTH=length
        )
        assert_problem(response, 413, "payload_too_large")

    def test_an_unknown_url_is_not_found(self, unknown_address: str) -> None:
        assert_problem(self.caller().get(unknown_address), 404, "not_found")

    def test_every_response_has_its_ids(self) -> None:
        response = Client(headers={"x-request-id": "a-callers.id_1"}).get("/livez")
        assert response["X-Request-ID"] == "a-callers.id_1"
        assert response["traceresponse"].startswith("00-")
        assert Client().get("/livez")["X-Request-ID"]

    def test_the_openapi_document_and_its_page_are_public(self) -> None:
        assert Client().get("/api/schema/").status_code == 200
        assert Client().get("/api/docs/").status_code == 200

    def test_the_page_of_the_document_cannot_be_framed_and_has_no_inline_script(self) -> None:
        page = Client().get("/api/docs/")
        assert page["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
        assert "script-src 'self'" in page["Content-Security-Policy"]
        assert not re.search(rb"<script(?![^>]*\bsrc=)", page.content), "the policy forbids inline scripts"
        (script,) = re.findall(r'src="(/api/docs/[^"]*)"', page.content.decode())
        assert b"SwaggerUIBundle" in Client().get(html.unescape(script)).content

    def test_the_checks_for_a_deployment_pass(self) -> None:
        call_command("check", deploy=True, fail_level="WARNING")
