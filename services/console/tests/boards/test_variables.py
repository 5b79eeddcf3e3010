"""Variables: options, chosen values and invalid values."""

from __future__ import annotations

from typing import Any

import pytest
from boards import definitions, variables
from boards.definitions import parse
from boards.variables import BadVariable
from django.http import QueryDict
from shell.timerange import TimeRange

from tests.boards.conftest import FakePrometheus


def resolve(address: str, last_hour: TimeRange, uid: str = "platform-service") -> dict[str, variables.Resolved]:
    return variables.resolve(definitions.load(uid), QueryDict(address), last_hour)


def test_all_is_the_default_and_means_every_option(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.labels = {"service": ["orders", "users"]}
    service = resolve("", last_hour)["service"]
    assert service.value.is_all
    assert service.value.selected == ("orders", "users")
    assert service.label == "All"
    for address in ("var-service=$__all", "var-service=All", "var-service="):
        assert resolve(address, last_hour)["service"].value.is_all


def test_several_values_keep_their_order_without_duplicates(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.labels = {"service": ["orders", "payments", "users"]}
    service = resolve("var-service=users&var-service=orders&var-service=users", last_hour)["service"]
    assert service.value.selected == ("users", "orders")
    assert [name for name, is_chosen in service.choices if is_chosen] == ["orders", "users"]


def test_a_chosen_value_that_no_longer_exists_is_still_offered(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.labels = {"service": ["orders"]}
    service = resolve("var-service=retired", last_hour)["service"]
    assert service.value.selected == ("retired",)
    assert ("retired", True) in service.choices


def test_a_later_variable_depends_on_an_earlier_one(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    metrics.labels = {"service": ["orders", "users"], "version": ["1.0"]}
    resolve("var-service=orders", last_hour)
    asked = {call[1]: call[2] for call in metrics.asked}
    assert asked["version"] == 'service_build_info{service=~"orders"}'
    assert asked["process"] == 'service_build_info{service=~"orders", version=~"1\\\\.0"}'


def test_a_chosen_value_is_escaped_in_the_query_of_the_next_variable(
    metrics: FakePrometheus, last_hour: TimeRange
) -> None:
    resolve("var-service=" + '"} or up{a="', last_hour)
    asked = {call[1]: call[2] for call in metrics.asked}
    assert asked["version"].count('"') == 2


def test_options_are_fetched_once_for_all_panels_of_a_page(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    resolve("", last_hour)
    count = len(metrics.asked)
    resolve("", last_hour)
    assert len(metrics.asked) == count


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("var-service=" + "x" * 201, "longer than 200"),
        ("var-service=a%00b", "control characters"),
        ("&".join(f"var-service=s{number}" for number in range(101)), "more than 100 values"),
    ],
)
def test_invalid_values_are_refused(address: str, said: str, metrics: FakePrometheus, last_hour: TimeRange) -> None:
    with pytest.raises(BadVariable, match=said):
        resolve(address, last_hour)


def test_no_url_parameter_changes_where_links_lead(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    for name in ("console_url", "jaeger_url", "kibana_url"):
        found = resolve(f"var-{name}=https://evil.example", last_hour)[name]
        assert found.value.selected == found.variable.default


def test_unknown_variables_are_ignored(metrics: FakePrometheus, last_hour: TimeRange) -> None:
    assert "nothing" not in resolve("var-nothing=x", last_hour)


def one(last_hour: TimeRange, address: str = "", **variable: Any) -> variables.Resolved:
    board = parse(
        {"uid": "v", "title": "V", "panels": [], "templating": {"list": [{"name": "v", **variable}]}},
    )
    return variables.resolve(board, QueryDict(address), last_hour)["v"]


def test_a_single_choice_takes_the_first_option_and_only_one_value(last_hour: TimeRange) -> None:
    assert one(last_hour, type="custom", query="p50, p95 , p99").value.selected == ("p50",)
    assert one(last_hour, "var-v=p95&var-v=p99", type="custom", query="p50,p95").value.selected == ("p95",)


def test_a_text_variable_is_the_entered_text(last_hour: TimeRange) -> None:
    assert one(last_hour, type="textbox", query="default").value.selected == ("default",)
    assert one(last_hour, "var-v=typed", type="textbox", query="default").value.selected == ("typed",)


def test_a_variable_of_an_unknown_kind_is_reported() -> None:
    board = parse({"uid": "v", "title": "V", "panels": [], "templating": {"list": [{"name": "v", "type": "adhoc"}]}})
    assert board.unsupported == ("The variable v is of type adhoc, which is not supported here.",)
