"""The pages of logs and their data, on a real Elasticsearch."""

from __future__ import annotations

import html
import json
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from backends import elasticsearch
from backends.elasticsearch import Elasticsearch
from django.http import StreamingHttpResponse
from django.test import Client
from logs import cursor

from tests.logs.conftest import MOMENT, WINDOW, Store

MOMENT_MS = int(MOMENT.timestamp() * 1000)
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def text_of(answer: Any) -> str:
    """Return the page's text, without its markup."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())))


@pytest.fixture
def down(monkeypatch: pytest.MonkeyPatch) -> None:
    """An Elasticsearch address where nothing listens."""
    monkeypatch.setattr(elasticsearch, "client", lambda: Elasticsearch("http://127.0.0.1:9", 1.0))


def test_the_page_shows_the_query_and_waits_for_no_backend(viewer_client: Client, down: None) -> None:
    page = viewer_client.get(f'/logs?query=service.name:"orders"&{WINDOW}').content.decode()
    assert 'value="service.name:&quot;orders&quot;"' in page
    assert "/logs/lines?query=service.name%3A%22orders%22&amp;from=" in page


def test_lines_are_listed_newest_first_with_their_trace(viewer_client: Client, store: Store) -> None:
    store.write({"message": "first"}, {"message": "second", "trace.id": TRACE_ID, "span.id": "b7ad6b7169203331"})
    answer = viewer_client.get(f"/logs/lines?{WINDOW}")
    said = text_of(answer)
    assert said.index("second") < said.index("first")
    assert "2 lines" in said
    assert f"/traces/{TRACE_ID}?span=b7ad6b7169203331" in answer.content.decode()


def test_search_terms_are_highlighted_and_markup_is_escaped(viewer_client: Client, store: Store) -> None:
    store.write({"message": "card <script>alert(1)</script> declined & refunded"})
    page = viewer_client.get(f"/logs/lines?query=declined&{WINDOW}").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <mark>declined</mark> &amp; refunded" in page


def test_an_invalid_query_is_reported_at_the_input_with_its_position(viewer_client: Client, store: Store) -> None:
    page = viewer_client.get(f"/logs/lines?query=paid+and+level:<b>&{WINDOW}").content.decode()
    assert 'id="query-error"' in page
    assert "No line has a field level. Did you mean log.level?" in html.unescape(page)
    assert "paid and <mark>level</mark>:&lt;b&gt;" in page
    assert "query=paid+and+log.level%3A%3Cb%3E&amp;" in page, "what may have been meant is a click away"


def test_an_invalid_query_returns_a_note_to_scripts(viewer_client: Client, store: Store) -> None:
    for path in ("histogram", "tail"):
        answer = viewer_client.get(f"/logs/{path}?query=level:x&{WINDOW}")
        assert "No line has a field level" in answer.json()["note"], path
        assert answer.json()["position"] == 0
    answer = viewer_client.get(f"/logs/export?query=level:x&{WINDOW}")
    assert answer.status_code == 400
    assert b"No line has a field level" in answer.content


def test_an_elasticsearch_that_is_down_shows_a_note_in_each_part(viewer_client: Client, down: None) -> None:
    assert 'data-backend-down="elasticsearch"' in viewer_client.get(f"/logs/lines?{WINDOW}").content.decode()
    answer = viewer_client.get(f"/logs/histogram?{WINDOW}").json()
    assert (answer["note"], answer["backend"]) == ("elasticsearch doesn't answer.", "elasticsearch")
    assert viewer_client.get(f"/logs/export?{WINDOW}").status_code == 502


def test_the_cursor_leads_to_more_lines(viewer_client: Client, store: Store) -> None:
    store.write(*({"message": f"line {n:03d}"} for n in range(230)))
    first = viewer_client.get(f"/logs/lines?{WINDOW}").content.decode()
    more = re.search(r'hx-get="([^"]+after=[^"]+)"', first)
    assert more is not None
    second = viewer_client.get(html.unescape(more[1])).content.decode()
    assert first.count("data-expand") == 200
    assert second.count("data-expand") == 30
    assert "line 029" in second
    assert "hx-get" not in second


@pytest.mark.parametrize("text", ["", "!!", "bm90IGpzb24", cursor.encode([1]), cursor.encode(["x", "y"]), "a" * 500])
def test_an_invalid_cursor_starts_at_the_newest_line(viewer_client: Client, store: Store, text: str) -> None:
    store.write({"message": "here"})
    assert cursor.decode(text) is None
    assert "here" in text_of(viewer_client.get(f"/logs/lines?after={text}&{WINDOW}"))


def test_a_cursor_is_decoded_as_it_was_encoded() -> None:
    assert cursor.decode(cursor.encode([1_780_000_000_000, "id"])) == [1_780_000_000_000, "id"]
    assert cursor.decode(cursor.encode([1, None])) == [1, None]


def test_an_expanded_line_has_all_its_fields_and_their_actions(viewer_client: Client, store: Store) -> None:
    (line_id,) = store.write(
        {
            "message": 'said "hello"',
            "trace.id": TRACE_ID,
            "charge.id": "unindexed",
            "error.stack_trace": "Traceback\n<x>",
        }
    )
    answer = viewer_client.get(f"/logs/line?query=said+or+done&id={line_id}&at={MOMENT_MS + 1}&{WINDOW}")
    page = answer.content.decode()
    filters = [html.unescape(url) for url in re.findall(r'href="(/logs\?query=[^"]+)"', page)]
    assert any(url.startswith("/logs?query=%28said+or+done%29+service.name%3A%22orders%22&") for url in filters)
    assert any("+NOT+service.name%3A%22orders%22&" in url for url in filters)
    assert not any("charge.id%3A" in url for url in filters), "a field without index can't be searched"
    assert "charge.id" in page
    assert f"/traces/{TRACE_ID}" in page
    assert "Traceback\n&lt;x&gt;</pre>" in page
    for url in filters:
        assert "see the message" not in text_of(viewer_client.get(url.replace("/logs?", "/logs/lines?")))


def test_the_lines_around_one_mark_it(viewer_client: Client, store: Store) -> None:
    ids = store.write(*({"message": f"step {n}"} for n in range(5)))
    page = viewer_client.get(f"/logs/around?id={ids[2]}&at={MOMENT_MS + 3}&{WINDOW}").content.decode()
    middle = re.search(r'<li class="is-middle".*?</li>', page, re.DOTALL)
    assert middle is not None
    assert "step 2" in middle[0]
    assert [f"step {n}" in page for n in range(5)] == [True] * 5


def test_a_deleted_line_is_reported(viewer_client: Client, store: Store) -> None:
    for path in ("line", "around"):
        assert "no longer stored" in text_of(viewer_client.get(f"/logs/{path}?id=missing&at={MOMENT_MS}&{WINDOW}"))


ACCESS = {"event.dataset": "access", "event.outcome": "success", "event.duration": 12_500_000}


def test_health_checks_and_the_consoles_lines_are_left_out_unless_requested(
    viewer_client: Client, store: Store
) -> None:
    store.write(
        {"message": "GET readyz 200", "http.route": "readyz", **ACCESS},
        {"message": "GET readyz 503", "http.route": "readyz", **ACCESS, "event.outcome": "failure"},
        {"message": "panel of the console", "service.name": "console"},
        {"message": "Order placed", "trace.id": "a" * 32},
        {"message": "traced by the console", "service.name": "console", "trace.id": "a" * 32},
    )

    def shown(query: str) -> str:
        return text_of(viewer_client.get(f"/logs/lines?{WINDOW}&{query}"))

    quiet = shown("")
    assert "Order placed" in quiet
    assert "GET readyz 503" in quiet, "one that failed is worth a look"
    assert "GET readyz 200" not in quiet
    assert "of the console" not in quiet
    assert "GET readyz 200" in shown("noise=1")
    assert "panel of the console" in shown("noise=1")
    assert "panel of the console" in shown("query=service.name:console")
    assert "GET readyz 200" in shown("query=http.route:readyz")
    assert "traced by the console" in shown(f"query=trace.id:{'a' * 32}")
    page = text_of(viewer_client.get(f"/logs?{WINDOW}"))
    assert "Health checks and the console's own lines are left out: show" in page


def test_access_lines_show_their_duration(viewer_client: Client, store: Store) -> None:
    store.write({"message": "GET api/v1/orders 200", "http.route": "api/v1/orders", **ACCESS})
    assert "GET api/v1/orders 200 in 12.5 ms" in text_of(viewer_client.get(f"/logs/lines?{WINDOW}"))


def test_columns_are_chosen_by_the_url(viewer_client: Client, store: Store) -> None:
    store.write({"event.duration": 1_250_000_000, "http.route": "api/v1/orders"})
    said = text_of(viewer_client.get(f"/logs/lines?columns=http.route,event.duration&{WINDOW}"))
    assert "api/v1/orders 1.25 s" in said
    choice = viewer_client.get(f"/logs/columns?columns=http.route&columns=%3Cb%3E&{WINDOW}").content.decode()
    assert 'value="http.route" checked' in choice
    assert "<b>" not in choice


def test_the_histogram_has_a_count_for_each_level_and_bar(viewer_client: Client, store: Store) -> None:
    store.write({"log.level": "error"}, {})
    found = viewer_client.get(f"/logs/histogram?{WINDOW}").json()
    assert {level: sum(counts) for level, counts in found["levels"].items()} == {"error": 1, "info": 1}
    assert all(len(counts) == len(found["times"]) for counts in found["levels"].values())


def test_the_tail_returns_new_lines_and_its_next_position(viewer_client: Client, store: Store) -> None:
    now = time.time()
    stamp = datetime.fromtimestamp(now, UTC).isoformat()
    store.write({"@timestamp": stamp, "event.id": "new", "message": "just now"})
    first = viewer_client.get(f"/logs/tail?since={int(now * 1000) - 3000}&from=now-5m&to=now").json()
    assert 'data-id="new"' in first["rows"]
    assert first["since"] == int(now * 1000)
    # A line of a slower process, with an earlier time, arrives later.
    late = datetime.fromtimestamp(now - 2, UTC).isoformat()
    store.write({"@timestamp": late, "event.id": "late", "message": "arrived late"})
    second = viewer_client.get(f"/logs/tail?since={first['since']}&from=now-5m&to=now").json()
    assert 'data-id="late"' in second["rows"]
    assert second["since"] == first["since"]


def test_a_live_tail_of_the_past_moves_to_now(viewer_client: Client, store: Store) -> None:
    page = viewer_client.get(f"/logs?query=x&tail=1&{WINDOW}").content.decode()
    assert "data-tailing" not in page
    assert "query=x&amp;tail=1&amp;from=now-15m&amp;to=now" in page
    assert "data-tailing" in viewer_client.get("/logs?tail=1&from=now-5m&to=now").content.decode()


def test_an_export_is_one_json_object_per_line(viewer_client: Client, store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr("logs.search.EXPORT_PAGE", 3)
    store.write(*({"message": f"ünï\u202e\U000e0001 {n}"} for n in range(8)))
    answer: object = viewer_client.get(f"/logs/export?{WINDOW}")
    assert isinstance(answer, StreamingHttpResponse)
    assert answer["Content-Disposition"] == 'attachment; filename="logs.ndjson"'
    text = answer.getvalue().decode()
    assert "ünï" in text
    assert not {"\u202e", "\U000e0001"} & set(text), "a terminal would show the line in another order"
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["message"] for line in lines] == [f"ünï\u202e\U000e0001 {n}" for n in range(7, -1, -1)]


@pytest.mark.parametrize(
    "path", ["/logs", "/logs/lines", "/logs/tail", "/logs/export", "/logs/line", "/logs/histogram"]
)
def test_logs_require_login(client: Client, path: str) -> None:
    assert client.get(path).status_code in (302, 401)
