"""GET /api/v1/products and /api/v1/products/{id}."""

from __future__ import annotations

import uuid
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from conftest import AddProduct
from contracts.testing import tokens
from contracts.testing.bodies import assert_problem
from django.db import IntegrityError, transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from stock.models import Product

pytestmark = pytest.mark.django_db


def test_a_product_is_public(client: Client, add_product: AddProduct) -> None:
    product = add_product(available=7, sku="KETTLE", name="Kettle", price=Decimal("54.9"))
    response = client.get(f"/api/v1/products/{product.id}")
    assert response.status_code == 200, response.content
    assert response.json() == {
        "id": str(product.id),
        "sku": "KETTLE",
        "name": "Kettle",
        "price": {"amount": "54.90", "currency": "EUR"},
        "available": 7,
    }


def test_the_product_list_is_public_and_pages_newest_first(client: Client, add_product: AddProduct) -> None:
    products = [add_product() for _ in range(45)]
    address, pages = "/api/v1/products", []
    while address:
        page = client.get(address).json()
        pages.append([product["id"] for product in page["results"]])
        address = page["next"] and urlsplit(page["next"])._replace(scheme="", netloc="").geturl()
    assert [len(page) for page in pages] == [20, 20, 5]
    assert [key for page in pages for key in page] == [str(product.id) for product in reversed(products)]


def test_the_last_page_links_back(client: Client, add_product: AddProduct) -> None:
    for _ in range(3):
        add_product()
    first = client.get("/api/v1/products?page_size=2").json()
    last = client.get(first["next"]).json()
    assert (first["previous"], last["next"]) == (None, None)
    assert client.get(last["previous"]).json()["results"] == first["results"]


def test_an_empty_list_is_an_empty_page(client: Client) -> None:
    assert client.get("/api/v1/products").json() == {"results": [], "next": None, "previous": None}


def test_a_page_holds_up_to_100_products(client: Client) -> None:
    Product.objects.bulk_create(
        Product(sku=str(number), name="P", price=1, currency="EUR", available=1) for number in range(120)
    )
    assert len(client.get("/api/v1/products?page_size=100").json()["results"]) == 100


@pytest.mark.parametrize("size", ["0", "-1", "101", "x", "", "1.5", "9" * 5000, "\u0661"])
def test_an_invalid_page_size_is_400(client: Client, size: str) -> None:
    problem = assert_problem(client.get(f"/api/v1/products?page_size={size}"), 400, "invalid")
    assert problem["errors"][0]["field"] == "page_size"


@pytest.mark.parametrize("cursor", ["x", "%00", "cD0yMDI2", "\u00e9", "bz0tMQ==", "bz05OTk5OTk5OTk5OTk5OTk5OTk5OTk="])
def test_an_invalid_cursor_is_4xx(client: Client, add_product: AddProduct, cursor: str) -> None:
    add_product()
    response = client.get(f"/api/v1/products?cursor={cursor}")
    assert response.status_code in (200, 400, 404), response.content
    if response.status_code != 200:
        assert_problem(response, response.status_code)


def test_the_number_of_queries_does_not_grow_with_the_page(
    client: Client, add_product: AddProduct, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(20):
        add_product()
    with django_assert_num_queries(1):
        client.get("/api/v1/products")


def test_an_unknown_product_is_404(client: Client) -> None:
    assert_problem(client.get(f"/api/v1/products/{uuid.uuid4()}"), 404, "not_found")


@pytest.mark.parametrize("bad_id", ["5", "x", "%00", "0" * 5000, "../products"])
def test_an_invalid_id_is_404(client: Client, bad_id: str) -> None:
    assert_problem(client.get(f"/api/v1/products/{bad_id}"), 404, "not_found")


@pytest.mark.parametrize("what", sorted(tokens.bad_tokens()))
def test_an_invalid_token_is_ignored_by_public_views(client: Client, what: str) -> None:
    headers = {"authorization": f"Bearer {tokens.bad_tokens()[what]}"}
    assert client.get("/api/v1/products", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"available": -1}, "product_available_is_not_negative"),
        ({"price": Decimal("-0.01")}, "product_price_is_not_negative"),
        ({"currency": "eur"}, "product_currency_is_iso_4217"),
        ({"sku": "TWICE"}, "stock_product_sku_key"),
    ],
)
def test_a_database_constraint_rejects_an_impossible_product(
    add_product: AddProduct, change: dict[str, object], constraint: str
) -> None:
    add_product(sku="TWICE")
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        add_product(**change)
