"""The query language: what it accepts, and what it reports for the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from logs.query import MOST_CLAUSES, QueryError, join, parse, suggest, term

FIELDS = {
    "@timestamp": "date",
    "client.ip": "ip",
    "error.message": "text",
    "error.type": "keyword",
    "event.duration": "long",
    "http.response.status_code": "integer",
    "http.route": "keyword",
    "log.level": "keyword",
    "message": "text",
    "request.id": "keyword",
    "service.name": "keyword",
    "trace.id": "keyword",
    "trace.sampled": "boolean",
    "url.path": "keyword",
}


def dsl(text: str) -> Any:
    """Return the Query DSL of a query."""
    return parse(text, FIELDS).dsl


def refused(text: str) -> QueryError:
    """Return the error of an invalid query."""
    with pytest.raises(QueryError) as error:
        parse(text, FIELDS)
    return error.value


@pytest.mark.parametrize("text", ["", "   ", "*"])
def test_an_empty_query_matches_all_lines(text: str) -> None:
    assert dsl(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "log.level:error",
        'log.level:"error"',
        "log.level: error",
        "log.level : error",
        "log.level:ERROR",
        "  (log.level:error)  ",
    ],
)
def test_a_field_matches_its_value(text: str) -> None:
    assert dsl(text) == {"term": {"log.level": "error"}}


def test_the_query_of_an_alert_is_valid() -> None:
    assert dsl('service.name:"orders" and log.level:(warning or error)') == {
        "bool": {
            "filter": [
                {"term": {"service.name": "orders"}},
                {
                    "bool": {
                        "should": [{"term": {"log.level": "warning"}}, {"term": {"log.level": "error"}}],
                        "minimum_should_match": 1,
                    }
                },
            ]
        }
    }


def test_operators_are_case_insensitive_but_not_recognised_in_quotes() -> None:
    assert dsl("log.level:error OR log.level:info") == dsl("log.level:error or log.level:info")
    assert dsl('message:"this and that or not"') == {"match_phrase": {"message": "this and that or not"}}


@pytest.mark.parametrize("text", ["not log.level:info", "NOT log.level:info", "-log.level:info"])
def test_not_excludes(text: str) -> None:
    assert dsl(text) == {"bool": {"must_not": [{"term": {"log.level": "info"}}]}}


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("http.response.status_code >= 500", {"gte": 500}),
        ("http.response.status_code>=500", {"gte": 500}),
        ("http.response.status_code:>=500", {"gte": 500}),
        ("http.response.status_code < 400", {"lt": 400}),
        ("http.response.status_code:[400 TO 499]", {"gte": 400, "lte": 499}),
        ("http.response.status_code:{400 TO *]", {"gt": 400}),
    ],
)
def test_numbers_are_compared(text: str, bounds: dict[str, int]) -> None:
    assert dsl(text) == {"range": {"http.response.status_code": bounds}}


@pytest.mark.parametrize(
    ("text", "nanoseconds"), [("1s", 10**9), ("250ms", 250_000_000), ("1.5us", 1500), ("7", 7), ("2m", 120 * 10**9)]
)
def test_durations_take_a_unit(text: str, nanoseconds: int) -> None:
    assert dsl(f"event.duration > {text}") == {"range": {"event.duration": {"gt": nanoseconds}}}


def test_negative_numbers_are_not_exclusions() -> None:
    assert dsl("event.duration:-5") == {"term": {"event.duration": -5}}


def test_a_star_checks_that_the_field_exists() -> None:
    assert dsl("http.route:*") == {"exists": {"field": "http.route"}}
    assert dsl("_exists_:http.route") == {"exists": {"field": "http.route"}}


def test_wildcards_match_a_part() -> None:
    assert dsl("http.route:api/*") == {"wildcard": {"http.route": {"value": "api/*", "case_insensitive": True}}}


def test_words_are_searched_in_the_messages() -> None:
    found = parse('declined "by the bank"', FIELDS)
    assert found.words == ("declined", "by the bank")
    phrases = [
        clause["multi_match"]["query"]
        for part in found.dsl["bool"]["filter"]
        for clause in part["bool"]["should"]
        if "multi_match" in clause
    ]
    assert phrases == ["declined", "by the bank"]


def test_excluded_words_are_not_highlighted() -> None:
    assert parse("paid not declined", FIELDS).words == ("paid",)


def test_an_id_alone_is_searched_in_the_id_fields() -> None:
    trace_id = "0AF7651916cd43dd8448eb211c80319c"
    assert {"term": {"trace.id": trace_id.lower()}} in dsl(trace_id)["bool"]["should"]


@pytest.mark.parametrize("text", ["/api/v1/orders", "url.path:/api/v1/orders", "(/api/v1/orders)"])
def test_a_path_is_not_a_regular_expression(text: str) -> None:
    assert "regexp" not in json.dumps(dsl(text))
    assert '{"term": {"url.path": "/api/v1/orders"}}' in json.dumps(dsl(text))


@pytest.mark.parametrize(
    ("text", "said", "position"),
    [
        ("level:error", "No line has a field level. Did you mean log.level?", 0),
        ("paid and lvl:error", "No line has a field lvl.", 9),
        ("_exists_:nope", "No line has a field nope.", 9),
        ("log.level:", "breaks off", None),
        ("(paid", "breaks off", None),
        ("paid)", ") isn't expected at character 5", 4),
        ('message:"open', "quotation mark is open", 8),
        ("a and", "breaks off", None),
        ("or", "OR isn't expected at character 1", 0),
        ("{a}", "quotation marks", 2),
        ("http.response.status_code:many", "is a whole number: 'many' isn't one", 26),
        ("http.response.status_code:5*", "takes no wildcard", 26),
        ("http.response.status_code:99999999999999999999", "is a whole number", 26),
        ("trace.sampled:maybe", "yes/no value", 14),
        ("client.ip:nowhere", "network address", 10),
        ("@timestamp > yesterday", "is a time", 13),
        ("log.level:a:b", 'A value with a colon needs quotation marks: log.level:"a:b"', 10),
        ("> 5", "A comparison needs a field in front", 0),
        ("paid || declined", "Write AND, OR.", 5),
        ("log.level=error", "Write log.level:error.", 0),
        ("log.level!=error", "Write NOT log.level:error.", 0),
        ("fuzzy~2", "can't be used here", 0),
        ("boost^3", "can't be used here", 0),
    ],
)
def test_an_invalid_query_is_reported_with_its_position(text: str, said: str, position: int | None) -> None:
    error = refused(text)
    assert said in error.message
    assert error.position == position


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a" * 2001, "too long"),
        ("(" * 21 + "a" + ")" * 21, "deep at most"),
        (" ".join(f"w{n}" for n in range(MOST_CLAUSES + 1)), "too many conditions"),
        ("a*b*c*d*e*f*g*h*i*j*k*l", "too many wildcards"),
        ("NOT " * 100 + "a", "nested too deeply"),
    ],
)
def test_a_query_is_limited_in_size(text: str, said: str) -> None:
    assert said in refused(text).message


def test_many_alternatives_are_not_too_deep() -> None:
    assert len(dsl(" or ".join(f"w{n}" for n in range(MOST_CLAUSES)))["bool"]["should"]) == MOST_CLAUSES


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "\\",
        "a\\",
        '\\"',
        "[x TO",
        "^",
        "~",
        "/",
        "//",
        "a:/",
        "😀",
        "a\x00b",
        "NOT",
        "a:(b",
        "+",
        "-",
        "a:*:*",
        "TO",
        "<",
    ],
)
def test_any_input_is_either_parsed_or_reported(text: str) -> None:
    try:
        assert isinstance(dsl(text), dict)
    except QueryError as error:
        assert error.message  # noqa: PT017


def test_no_input_reaches_elasticsearchs_own_query_language() -> None:
    found = json.dumps(dsl('service.name:"x\\" OR _index:*" and paid* or "a AND b"'))
    assert "query_string" not in found
    assert "script" not in found


@pytest.mark.parametrize("value", ["plain", 'with "quotes"', "back\\slash", "a:b (c) *"])
def test_a_filter_matches_exactly_its_value(value: str) -> None:
    assert dsl(term("service.name", value)) == {"term": {"service.name": value}}
    assert dsl(term("service.name", value, negated=True)) == {"bool": {"must_not": [{"term": {"service.name": value}}]}}


def test_a_filter_added_to_alternatives_narrows_all_of_them() -> None:
    joined = join("log.level:error or log.level:warning", term("service.name", "orders"))
    assert joined == '(log.level:error or log.level:warning) service.name:"orders"'
    assert dsl(joined)["bool"]["filter"][1] == {"term": {"service.name": "orders"}}
    assert join(joined, "x") == f"({joined}) x"
    assert join("(a or b)", "x") == "(a or b) x"
    assert join("", "x") == join("*", "x") == "x"


def test_suggestions_are_fields_similar_to_the_requested_one() -> None:
    assert suggest("servce.name", FIELDS) == ["service.name"]
    assert suggest("status_code", FIELDS)[0] == "http.response.status_code"
    assert suggest("zzzzzzzz", FIELDS) == []
