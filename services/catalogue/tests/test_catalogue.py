"""The catalogue loads, an inconsistent one is refused, and its graph is walked over calls and events."""

from pathlib import Path

import catalogue
import pytest
from catalogue import graph


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = catalogue.default_path().read_text()
    assert old in text, f"the catalogue no longer holds {old!r}; adapt this test"
    path = tmp_path / "catalogue.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_graph_reaches_over_several_hops() -> None:
    assert graph.callers_of(catalogue.load(), "card-provider") == ["orders", "payments"]


def test_the_product_is_what_serves_customers() -> None:
    known = catalogue.load()
    assert list(known.for_operators()) == ["console"]
    assert {**known.for_customers(), **known.for_operators()} == dict(known.services)
    assert not graph.callers_of(known, "console")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("service: users, protocol: http", "service: nobody, protocol: http", "nobody"),
        ("protocol: grpc", "protocol: soap", "soap"),
        ("metrics_port: 8102", "metrics_port: 8101", "8101"),
        ("kind: grpc", "kind: magic", "magic"),
        ("audience: operators", "audience: nobody", "audience nobody"),
        (
            "service: card-provider, protocol: http, proxy_port: 18046",
            "service: console, protocol: http",
            "operators only",
        ),
        ("publisher: orders", "publisher: nobody", "nobody"),
        ("service: orders\n    route", "service: nobody\n    route", "nobody"),
    ],
)
def test_an_inconsistency_is_refused_and_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(catalogue.CatalogueError, match=says):
        catalogue.load(changed(tmp_path, old, new))
