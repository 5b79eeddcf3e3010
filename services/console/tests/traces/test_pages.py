"""The pages of traces and their data."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from backends.errors import BackendDown
from django.http import QueryDict
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traces.form import Search
from traces.search import find
from traces.views import normal_id

from tests.traces.conftest import Backends
from tests.traces.samples import START_US, TRACE_ID, order, raw, span

OTHER_ID = "1" * 32


def text_of(answer: object) -> str:
    """Return the page's text, without its markup."""
    content: bytes = answer.content  # type: ignore[attr-defined]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", content.decode())))


def test_the_form_shows_the_parameters_of_the_url(viewer_client: Client, backends: Backends) -> None:
    answer = viewer_client.get("/traces?service=orders&min=250ms&error=true&tags=order.id=x&from=now-6h&to=now")
    page = answer.content.decode()
    assert '<option value="orders" selected>' in page
    assert 'name="min" value="250ms"' in page
    assert 'name="tags" value="order.id=x"' in page
    assert re.search(r'name="error" value="true" checked', page)
    assert "/traces/results?service=orders&amp;min=250ms" in page
    assert not backends.asked, "the page itself waits for no backend"


def test_a_service_that_is_not_in_the_catalogue_can_be_searched(viewer_client: Client) -> None:
    assert '<option value="rabbitmq" selected>' in viewer_client.get("/traces?service=rabbitmq").content.decode()


def test_invalid_input_is_reported_at_its_field_and_nothing_is_searched(
    viewer_client: Client, backends: Backends
) -> None:
    page = viewer_client.get("/traces?service=orders&min=soon").content.decode()
    assert re.search(r'name="min" value="soon"[^>]*aria-invalid="true" aria-describedby="error-min"', page)
    results = viewer_client.get("/traces/results?service=orders&min=soon")
    assert "Nothing was searched" in text_of(results)
    assert not backends.asked


def test_results_name_the_failing_span_and_link_to_it(viewer_client: Client, backends: Backends) -> None:
    backends.answers["/api/traces"] = [order()]
    answer = viewer_client.get("/traces/results?service=orders&from=now-1h&to=now")
    page = answer.content.decode()
    assert "3 failed: payments: POST charges" in text_of(answer)
    assert f"/traces/{TRACE_ID}?span={'e' * 16}" in page
    assert "data-points=" in page


def test_without_a_service_all_are_searched_and_each_trace_is_listed_once(
    viewer_client: Client, backends: Backends
) -> None:
    backends.answers["/api/traces"] = [order()]
    answer = viewer_client.get("/traces/results")
    asked = [params["service"] for path, params in backends.asked]
    assert {"orders", "payments", "users"} <= set(asked)
    assert len(asked) == len(set(asked))
    assert answer.content.decode().count('data-pick aria-label="') == 1


def test_a_service_without_an_answer_is_named_and_the_others_are_shown(
    viewer_client: Client, backends: Backends
) -> None:
    def answer(params: dict[str, str]) -> list[object]:
        if params["service"] == "payments":
            raise BackendDown("jaeger", "no answer within 5 s")
        return [order()]

    backends.answers["/api/traces"] = answer
    said = text_of(viewer_client.get("/traces/results"))
    assert "Jaeger had no answer in time for payments" in said
    assert "POST api/v1/orders" in said


def test_results_are_sorted_as_requested(viewer_client: Client, backends: Backends) -> None:
    backends.answers["/api/traces"] = [
        raw(span("a", operation="short", duration=10, start=9, trace_id=OTHER_ID), trace_id=OTHER_ID),
        raw(span("b", operation="long", duration=99)),
    ]
    newest = text_of(viewer_client.get("/traces/results?service=orders"))
    longest = text_of(viewer_client.get("/traces/results?service=orders&sort=longest"))
    assert newest.index("short") < newest.index("long")
    assert longest.index("long") < longest.index("short")


def test_health_checks_are_hidden_unless_requested(viewer_client: Client, backends: Backends) -> None:
    backends.answers["/api/traces"] = [
        raw(span("a", operation="GET readyz", trace_id=OTHER_ID), trace_id=OTHER_ID),
        raw(span("b", operation="GET api/v1/products")),
        raw(span("c", operation="GET livez", error=True, trace_id="2" * 32), trace_id="2" * 32),
    ]
    quiet = text_of(viewer_client.get("/traces/results?service=orders"))
    assert "Left out: 1 health check: show" in quiet
    assert "readyz" not in quiet
    assert "livez" in quiet, "one that failed is worth a look"
    assert "readyz" in text_of(viewer_client.get("/traces/results?service=orders&probes=true"))
    assert "readyz" in text_of(viewer_client.get("/traces/results?service=orders&operation=GET+readyz"))


def test_the_consoles_own_requests_are_left_out_unless_requested(viewer_client: Client, backends: Backends) -> None:
    def answer(params: dict[str, str]) -> list[object]:
        name = params["service"]
        trace_id = name.encode().hex().zfill(32)
        return [raw(span("a", service=name, operation=f"GET {name}", trace_id=trace_id), trace_id=trace_id)]

    backends.answers["/api/traces"] = answer
    quiet = text_of(viewer_client.get("/traces/results"))
    assert "GET orders" in quiet
    assert "GET console" not in quiet
    assert "Left out: requests of console: show" in quiet
    for shown in ("/traces/results?probes=true", "/traces/results?service=console"):
        assert "GET console" in text_of(viewer_client.get(shown))


def test_a_health_check_that_is_not_implemented_is_hidden(viewer_client: Client, backends: Backends) -> None:
    watch = span("a", operation="grpc.health.v1.Health/Watch", error=True, tags={"error.type": "UNIMPLEMENTED"})
    backends.answers["/api/traces"] = [raw(watch)]
    assert "1 health check" in text_of(viewer_client.get("/traces/results?service=inventory"))


def stored(durations: list[int]) -> Any:
    """Return the answers of a Jaeger with traces of these durations (microseconds), the first one newest."""

    def answer(params: dict[str, Any]) -> list[object]:
        least = int(str(params.get("minDuration", "0us")).removesuffix("us"))
        found: list[object] = [
            raw(
                span("a", operation=f"took-{took}", duration=took, start=10**6 - at, trace_id=f"{at:032x}"),
                trace_id=f"{at:032x}",
            )
            for at, took in enumerate(durations, 1)
            if took >= least
        ]
        return found[: params["limit"]]

    return answer


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 5_000_000), min_size=1, max_size=400))
def test_longest_first_begins_with_the_longest_of_all(backends: Backends, durations: list[int]) -> None:
    backends.answers["/api/traces"] = stored(durations)
    found = find(Search.from_params(QueryDict("service=orders&sort=longest&limit=20")))
    shown = [round(row.duration * 1e6) for row in found.rows]
    assert shown
    assert shown == sorted(durations, reverse=True)[: len(shown)]


def test_longest_first_finds_an_old_trace(viewer_client: Client, backends: Backends) -> None:
    backends.answers["/api/traces"] = stored([*range(1000, 1900), 4_670_000])
    text = text_of(viewer_client.get("/traces/results?service=orders&sort=longest&limit=50"))
    assert "took-4670000" in text
    assert "all that took longer than" in text


def test_an_empty_result_suggests_what_to_try(viewer_client: Client, backends: Backends) -> None:
    assert "No trace matches" in text_of(viewer_client.get("/traces/results?service=orders"))


def test_a_jaeger_that_is_down_shows_a_note_in_the_results(viewer_client: Client, backends: Backends) -> None:
    backends.is_down = True
    answer = viewer_client.get("/traces/results?service=orders")
    assert answer.status_code == 200
    assert 'data-backend-down="jaeger"' in answer.content.decode()


def test_a_traces_data_has_its_spans_and_its_log_link(viewer_client: Client, backends: Backends) -> None:
    backends.answers[f"/api/traces/{TRACE_ID}"] = [order()]
    found = viewer_client.get(f"/traces/{TRACE_ID}/data").json()
    assert found["trace_id"] == TRACE_ID
    assert len(found["columns"]["id"]) == 5
    assert found["start_us"] == START_US
    assert f"trace.id%3A%22{TRACE_ID}%22" in found["logs_url"]


def test_an_unknown_trace_lists_possible_reasons(viewer_client: Client, backends: Backends, settings: Any) -> None:
    settings.TRACES_RETENTION_DAYS = 5
    answer = viewer_client.get(f"/traces/{TRACE_ID}/data")
    assert "5 days" in answer.json()["note"], "as long as the setting says"
    assert "no trace with this id" in answer.json()["note"]
    assert answer.json()["logs_url"]


def test_the_page_of_a_trace_reports_that_jaeger_is_down(viewer_client: Client, backends: Backends) -> None:
    backends.is_down = True
    answer = viewer_client.get(f"/traces/{TRACE_ID}/data")
    assert (answer.json()["note"], answer.json()["backend"]) == ("jaeger doesn't answer.", "jaeger")
    assert viewer_client.get(f"/traces/{TRACE_ID}").status_code == 200


@pytest.mark.parametrize("wrong", ["xyz", "0" * 32, "a" * 33, "%3Cscript%3E"])
def test_an_invalid_trace_id_is_reported(viewer_client: Client, wrong: str) -> None:
    answer = viewer_client.get(f"/traces/{wrong}")
    assert answer.status_code == 404
    assert "is no trace id: a trace id has 32 hex digits" in text_of(answer)
    assert b"<script>" not in answer.content


@pytest.mark.parametrize(("text", "known"), [("ABC", "abc".zfill(32)), ("f" * 32, "f" * 32), ("", None), ("0", None)])
def test_ids_are_recognised_by_their_digits(text: str, known: str | None) -> None:
    assert normal_id(text) == known


def test_a_short_id_redirects_to_its_full_url(viewer_client: Client) -> None:
    answer = viewer_client.get("/traces/ABCDEF0123456789?span=s")
    assert answer["Location"] == f"/traces/{'abcdef0123456789'.zfill(32)}?span=s"


def test_log_lines_have_their_span_and_are_ordered_by_time(viewer_client: Client, backends: Backends) -> None:
    backends.lines = [
        {"@timestamp": "2026-05-28T20:26:40.000900Z", "event.id": "2", "message": "later", "span": {"id": "e" * 16}},
        {"@timestamp": "2026-05-28T20:26:40.000100Z", "event.id": "1", "message": "<b>", "log.level": "error"},
    ]
    found = viewer_client.get(f"/traces/{TRACE_ID}/lines?start={START_US}&end={START_US + 1000}").json()
    assert [line["message"] for line in found["lines"]] == ["<b>", "later"]
    assert found["lines"][1]["span_id"] == "e" * 16
    assert found["lines"][1]["time"] - found["lines"][0]["time"] == 800
    _, body = backends.asked[-1]
    assert {"term": {"trace.id": TRACE_ID}} in body["query"]["bool"]["filter"]


def test_log_lines_require_the_bounds_of_the_trace(viewer_client: Client, backends: Backends) -> None:
    assert viewer_client.get(f"/traces/{TRACE_ID}/lines?start=x").status_code == 400


def test_two_traces_are_compared(viewer_client: Client, backends: Backends) -> None:
    backends.answers[f"/api/traces/{TRACE_ID}"] = [order()]
    backends.answers[f"/api/traces/{OTHER_ID}"] = [
        raw(span("x", operation="POST api/v1/orders", kind="server", trace_id=OTHER_ID), trace_id=OTHER_ID)
    ]
    page = viewer_client.get(f"/traces/compare?a={OTHER_ID}&b={TRACE_ID}").content.decode()
    assert f"/traces/compare/rows?a={OTHER_ID}&amp;b={TRACE_ID}" in page
    rows = text_of(viewer_client.get(f"/traces/compare/rows?a={OTHER_ID}&b={TRACE_ID}"))
    assert "B took 900 µs longer" in rows
    assert "only B" in rows


def test_a_pasted_url_is_accepted_as_its_trace(viewer_client: Client) -> None:
    page = viewer_client.get(f"/traces/compare?a=http://console/traces/{OTHER_ID}?span=x&b={TRACE_ID}").content.decode()
    assert f"a={OTHER_ID}&amp;b={TRACE_ID}" in page


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"a=zzz&b={TRACE_ID}", "That is no trace id"),
        (f"a={TRACE_ID}&b={TRACE_ID}", "These are the same trace."),
        ("", "Choose two traces"),
    ],
)
def test_an_impossible_comparison_shows_the_reason(viewer_client: Client, address: str, said: str) -> None:
    assert said in text_of(viewer_client.get(f"/traces/compare?{address}"))


def test_a_comparison_with_an_unknown_trace_names_it(viewer_client: Client, backends: Backends) -> None:
    backends.answers[f"/api/traces/{TRACE_ID}"] = [order()]
    rows = text_of(viewer_client.get(f"/traces/compare/rows?a={OTHER_ID}&b={TRACE_ID}"))
    assert f"Jaeger has no trace {OTHER_ID}" in rows


def test_urls_of_jaeger_redirect_here(viewer_client: Client) -> None:
    assert viewer_client.get(f"/trace/{TRACE_ID}?uiFind=abc")["Location"] == f"/traces/{TRACE_ID}?span=abc"
    end = START_US
    answer = viewer_client.get(f"/search?service=orders&start={end - 60_000_000}&end={end}&lookback=custom&limit=50")
    assert answer["Location"].startswith("/traces?service=orders&limit=50&from=")
    assert f"to={end // 1000}" in answer["Location"]


@pytest.mark.parametrize(
    "path", ["/traces", "/traces/results", f"/traces/{TRACE_ID}", f"/traces/{TRACE_ID}/data", "/logs"]
)
def test_traces_require_login(client: Client, backends: Backends, path: str) -> None:
    assert client.get(path).status_code in (302, 401)
    assert not backends.asked
