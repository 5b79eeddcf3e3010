"""URLs of pages: built in one module, escaped there."""

from __future__ import annotations

from shell import links
from shell.timerange import TimeRange


def test_values_are_escaped() -> None:
    assert links.service("a/b?c") == "/services/a%2Fb%3Fc"
    assert links.logs('x" or "y&from=now') == "/logs?query=x%22+or+%22y%26from%3Dnow"
    assert links.logs_of_service('o"rders\\') == "/logs?query=service.name%3A%22o%5C%22rders%5C%5C%22"


def test_a_search_for_traces_accepts_all_parameters() -> None:
    found = links.traces(
        "orders", error=True, tags={"http.route": "api/v1/orders"}, timerange=TimeRange(1, 2, "now-1h", "now")
    )
    assert found == "/traces?service=orders&error=true&tags=http.route%3Dapi%2Fv1%2Forders&from=now-1h&to=now"


def test_a_board_takes_several_values_of_a_variable() -> None:
    assert links.board("platform-edges", {"service": ["orders", "users"]}) == (
        "/d/platform-edges?var-service=orders&var-service=users"
    )
