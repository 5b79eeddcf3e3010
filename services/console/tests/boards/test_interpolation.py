"""Chosen values are data: in PromQL, in Lucene and in URLs."""

from __future__ import annotations

import re

import pytest
from boards.interpolation import Value, lucene, promql, promql_regex, url_values

EVIL = [
    'x"} or vector(1) or up{a="',
    "x'} or vector(1) or up{a='",
    "x`} or vector(1)",
    "a|b",
    ".*",
    "a\\",
    'a\\"',
    "line\nbreak",
    "(?i)x",
    "a{1,}",
    "$service",
    "é‐日",
]


def test_one_value_is_itself_and_several_are_an_alternation() -> None:
    query = 'up{service=~"$service"}'
    assert promql(query, {"service": Value(("orders",))}, {}) == 'up{service=~"orders"}'
    assert promql(query, {"service": Value(("orders", "users"))}, {}) == 'up{service=~"(orders|users)"}'
    assert promql(query, {"service": Value(())}, {}) == 'up{service=~""}'


def test_all_is_every_option_or_the_value_set_by_the_author() -> None:
    query = 'up{service=~"${service}"}'
    assert promql(query, {"service": Value(("a", "b"), is_all=True)}, {}) == 'up{service=~"(a|b)"}'
    assert promql(query, {"service": Value(("a", "b"), is_all=True, all_value=".+")}, {}) == 'up{service=~".+"}'


def test_every_variable_syntax_is_supported() -> None:
    values = {"s": Value(("x",))}
    assert promql("$s ${s} ${s:regex} ${s:raw} [[s]]", values, {}) == "x x x x x"


def test_regex_groups_and_unknown_names_are_unchanged() -> None:
    query = 'label_replace(up, "a", "$1", "b", "(.*)$")'
    assert promql(query, {}, {}) == query
    assert promql("$other", {}, {}) == "$other"


def test_grafanas_own_variables_are_filled_in() -> None:
    assert promql("rate(x[$__rate_interval]) [${__range}]", {}, {"__rate_interval": "60s", "__range": "5s"}) == (
        "rate(x[60s]) [5s]"
    )


@pytest.mark.parametrize("value", EVIL)
@pytest.mark.parametrize("quotes", ['"', "'"])
def test_a_value_never_leaves_its_string_in_promql(value: str, quotes: str) -> None:
    filled = promql(f"up{{a=~{quotes}$v{quotes}}}", {"v": Value((value,))}, {})
    inner = filled.removeprefix(f"up{{a=~{quotes}").removesuffix(f"{quotes}}}")
    assert re.fullmatch(r"(?:[^\\\"'`\n]|\\\\)*", inner), inner


@pytest.mark.parametrize("value", EVIL)
def test_a_value_matches_only_itself(value: str) -> None:
    expression = promql_regex(value).replace("\\\\", "\\")
    assert re.fullmatch(expression, value)
    assert not re.fullmatch(expression, f"{value}x")
    assert not re.fullmatch(expression, "orders")


def test_the_raw_format_is_escaped_too() -> None:
    assert promql('up{a="${v:raw}"}', {"v": Value(('"} or up{a="',))}, {}).count('"') == 2


def test_lucene_gets_quoted_terms() -> None:
    values = {"service": Value(("orders", "users")), "one": Value(("a b",))}
    assert lucene("service.name:(${service:lucene})", values) == 'service.name:(("orders" OR "users"))'
    assert lucene("x:$one", values) == 'x:"a b"'
    assert lucene("x:($none)", {"none": Value(())}) == 'x:("")'


@pytest.mark.parametrize("value", ['x" OR *:*', "x\\", 'x\\" OR "y', "a\nb"])
def test_a_value_never_leaves_its_quotes_in_lucene(value: str) -> None:
    filled = lucene("field:(${v:lucene})", {"v": Value((value,))})
    assert re.fullmatch(r'field:\("(?:[^"\\\n]|\\.)*"\)', filled), filled


def test_every_value_in_a_url_is_escaped() -> None:
    assert url_values("service", Value(("a&b=c", "d e"))) == "var-service=a%26b%3Dc&var-service=d+e"
    assert url_values("service", Value(("a", "b"), is_all=True)) == "var-service=%24__all"
