"""Numbers, dates and sizes in URLs and queries are bounded: any input gives a page or a message."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.http import QueryDict
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import cursor
from logs.address import Address
from logs.query import QueryError, parse
from shell.timerange import TimeRange
from traces.form import Search

from tests.logs.test_query import FIELDS

KINDS = {
    **FIELDS, "a.byte": "byte", "a.short": "short", "a.float": "float", "a.half": "half_float", "a.double": "double",
    "a.unsigned": "unsigned_long", "a.date": "date_nanos",
}  # fmt: skip
DIGITS = st.one_of(
    st.integers(0, 400).map(lambda length: "9" * length),
    st.floats(allow_nan=True, allow_infinity=True).map(str),
    st.integers().map(str),
    st.sampled_from(["1e999", "-1e999", "nan", "inf", "0x10", "1_0", "\u0661", "0." + "0" * 300 + "1"]),
)
DATES = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.sampled_from(["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31", "0001-01-01", "2026-W01"]),
)
VALUES = st.one_of(
    DIGITS,
    DATES,
    st.tuples(DIGITS, st.sampled_from(["ns", "us", "\u00b5s", "ms", "s", "m", "%"])).map("".join),
    st.text(max_size=10),
    st.sampled_from(["*", "::/0", "10.0.0.0/8", "true", '"a b"', "a*b?"]),
)
CONDITIONS = st.one_of(
    st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from([":", " > ", " <= ", ":>"]), VALUES).map("".join),
    st.tuples(st.sampled_from(sorted(KINDS)), VALUES, VALUES).map(lambda parts: "{}:[{} TO {}]".format(*parts)),
    st.tuples(VALUES, st.sampled_from(["~", "^"]), DIGITS).map("".join),
    VALUES,
)
QUERIES = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " OR ", " ", " not ", " -"]), inner).map("".join),
        inner.map(lambda query: f"({query})"),
        inner.map(lambda query: f"NOT {query}"),
    ),
    max_leaves=6,
)


def _is_finite_json(value: object) -> bool:
    """Whether Elasticsearch can read the value: its JSON has no infinite numbers."""
    json.dumps(value, allow_nan=False)
    return True


@settings(max_examples=3000, deadline=None)
@given(QUERIES)
def test_every_log_query_is_searched_or_explained(query: str) -> None:
    try:
        found = parse(query, KINDS)
    except QueryError:
        return
    assert _is_finite_json(found.dsl)


@pytest.mark.parametrize(
    "query",
    [
        f"event.duration > {'9' * 300}s", "a.double:1e999", "a.double:nan", "a.half:1e6", "a.byte:200", "a.unsigned:-1",
        "http.response.status_code:3000000000", '@timestamp > "0001-01-01"', 'a.date:"2300-01-01"',
        '@timestamp > "9999-12-31T23:59:59-23:59"',
    ],
)  # fmt: skip
def test_a_value_outside_of_the_fields_range_is_explained(query: str) -> None:
    with pytest.raises(QueryError, match="isn't one"):
        parse(query, KINDS)


@settings(max_examples=1000, deadline=None)
@given(
    st.one_of(DIGITS, DATES, st.from_regex(r"now(-\d{1,6}[smhdwMy])?", fullmatch=True)),
    st.one_of(DIGITS, DATES, st.from_regex(r"now(-\d{1,6}[smhdwMy])?", fullmatch=True)),
)
def test_every_time_range_has_a_label_and_times_that_backends_accept(from_: str, to: str) -> None:
    found = TimeRange.from_params({"from": from_, "to": to}, now=1_800_000_000.0)
    assert found.label
    assert 0 <= found.start < found.end
    assert datetime.fromtimestamp(found.end, UTC).year <= 2100


def test_a_range_a_thousand_years_ago_is_refused() -> None:
    assert TimeRange.from_params({"from": "now-999999y", "to": "now-999998y"}).message


@settings(max_examples=1000, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(("min", "max", "limit", "start", "end", "tags", "from", "to"), VALUES)))
def test_every_search_for_traces_is_bounded(params: dict[str, str]) -> None:
    query = QueryDict(mutable=True)
    query.update(params)
    found = Search.from_params(query, now=1_800_000_000.0)
    for duration in (found.min_duration, found.max_duration):
        assert duration is None or 0 <= duration * 1e6 < 2**63
    assert 1 <= found.limit <= 1000


@pytest.mark.parametrize("tags", ['{"a":' * 2000, '{"a":' + "[" * 2000 + "]" * 2000 + "}", '{"a":' + "9" * 5000 + "}"])
def test_deeply_nested_tags_are_explained(tags: str) -> None:
    assert "tags" in Search.from_params(QueryDict(f"tags={tags}")).errors


@given(st.text(), st.text())
def test_every_address_of_the_logs_page_is_readable(columns: str, after: str) -> None:
    query = QueryDict(mutable=True)
    query.update({"columns": columns, "after": after})
    assert Address.from_params(query).columns
    values = cursor.decode(after)
    assert values is None or len(values) == 2
