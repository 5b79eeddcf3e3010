"""The receiver over HTTP, with the real Elasticsearch."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import brotli
import pytest
import requests
import sentry_sdk
from platform_errors.incoming import LARGEST_BODY_BYTES
from platform_errors.store import MOST_QUEUED_BYTES, RETRY_AFTER_SECONDS, Store
from platform_testing.http import StubServer
from platform_testing.polling import eventually
from platform_testing.ports import free_port
from sentry_sdk.envelope import Envelope
from werkzeug import Response

from .conftest import AUTH, KEY, Running, Search
from .events import TRACE, envelope, event

MEBIBYTE = 1024 * 1024


def test_an_error_is_stored_under_its_event_id_with_its_trace_and_release(running: Running, search: Search) -> None:
    sent = event()
    answer = running.post(envelope(sent))
    assert (answer.status_code, answer.json()) == (200, {"id": sent["event_id"]})
    (hit,) = search.wait_for(1)
    found = hit["_source"]
    assert hit["_id"] == sent["event_id"]
    assert found["error"]["type"] == "OrderError"
    assert found["error"]["message"] == "no order 17"
    assert found["error"]["grouping_name"] == "OrderError: no order 17"
    assert found["error"]["culprit"] == "ordering.relay in run"
    assert re.fullmatch("[0-9a-f]{32}", found["error"]["grouping_key"])
    assert found["error"]["stack_trace"].endswith("OrderError: no order 17\n")
    assert found["service"] == {
        "name": "orders",
        "version": "1.4",
        "environment": "test",
        "node": {"name": "orders-relay"},
    }
    assert (found["trace"], found["span"]) == ({"id": TRACE}, {"id": "00f067aa0ba902b7"})
    assert (found["transaction"]["name"], found["url"]["path"]) == ("POST api/v1/orders", "/api/v1/orders")
    assert (found["request"]["id"], found["labels"]) == ("r-1", {"plan_kind": "pro"})
    assert "hunter2" not in json.dumps(found)


def test_sentry_sdk_itself_reports_through_its_dsn(running: Running, search: Search) -> None:
    client = sentry_sdk.Client(dsn=running.dsn, release="orders@2.0", default_integrations=False)
    with sentry_sdk.new_scope() as scope:
        scope.set_client(client)
        try:
            json.loads("{")
        except ValueError as error:
            sentry_sdk.capture_exception(error)
    client.close(timeout=5)
    (hit,) = search.wait_for(1)
    assert hit["_source"]["service"]["name"] == "orders"
    assert hit["_source"]["service"]["version"] == "2.0"
    assert hit["_source"]["error"]["type"] == "JSONDecodeError"
    assert "json.loads" in hit["_source"]["error"]["stack_trace"]


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate), ("br", brotli.compress)],
)
def test_compressed_envelopes_are_read(
    running: Running, search: Search, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    assert running.post(compress(envelope(event())), {"Content-Encoding": encoding}).status_code == 200
    search.wait_for(1)


def test_the_older_endpoint_takes_an_event_as_json(running: Running, search: Search) -> None:
    sent = event(event_id="F6265B28-2E45-4D4B-96D7-323E2A5B8F33")
    answer = running.post(json.dumps(sent).encode(), path="/api/1/store/")
    assert answer.json() == {"id": "f6265b282e454d4b96d7323e2a5b8f33"}
    assert search.wait_for(1)[0]["_id"] == "f6265b282e454d4b96d7323e2a5b8f33"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Sentry sentry_key=",
        "Sentry sentry_key=ffffffffffffffff",
        f"Sentry sentry_key={KEY}0",
        "Sentry",
        "Sentry sentry_key=ä",
    ],
)
def test_a_request_without_the_right_key_is_refused(running: Running, header: str) -> None:
    answer = requests.post(
        f"{running.url}/api/1/envelope/",
        data=envelope(event()),
        headers={"X-Sentry-Auth": header.encode("latin-1")},
        timeout=10,
    )
    assert answer.status_code == 403
    assert running.metrics()["error_requests_refused_total/key"] == 1
    assert running.metrics()["error_events_received_total"] == 0


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_a_web_page_is_refused_even_with_the_key(running: Running, headers: dict[str, str]) -> None:
    assert running.post(envelope(event()), headers).status_code == 403
    assert requests.get(f"{running.url}/metrics", headers=headers, timeout=10).status_code == 403


def test_the_key_may_be_in_the_query(running: Running) -> None:
    answer = requests.post(f"{running.url}/api/1/envelope/?sentry_key={KEY}", data=envelope(event()), timeout=10)
    assert answer.status_code == 200


def test_a_body_over_the_limit_is_refused(running: Running) -> None:
    assert running.post(b"x" * (LARGEST_BODY_BYTES + 1)).status_code == 413
    assert running.metrics()["error_requests_refused_total/too_large"] == 1


def test_a_chunked_body_over_the_limit_is_refused(running: Running) -> None:
    chunks = (b"x" * 65_536 for _ in range(LARGEST_BODY_BYTES // 65_536 + 1))
    answer = requests.post(f"{running.url}/api/1/envelope/", data=chunks, headers=AUTH, timeout=10)
    assert answer.status_code == 413, answer.text


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress)]
)
def test_a_small_body_that_decompresses_to_a_large_one_is_refused(
    running: Running, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    bomb = compress(b"0" * 200 * MEBIBYTE)
    assert len(bomb) < LARGEST_BODY_BYTES
    assert running.post(bomb, {"Content-Encoding": encoding}).status_code == 413


def test_many_small_values_are_refused_before_they_become_objects(running: Running) -> None:
    body = envelope(event(extra=[[]] * 60_000))
    assert len(body) < LARGEST_BODY_BYTES
    assert running.post(body).status_code == 413


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"", ""),
        (b"not an envelope", ""),
        (b"{}\n[]\n{}\n", ""),
        (b'{}\n{"type":"event"}\nnot json\n', ""),
        (b'{}\n{"type":"event"}\n[1]\n', ""),
        (b'{}\n{"type":"event","length":"x"}\n{}\n', ""),
        (b'{}\n{"type":"event","length":999999}\n{"a":', ""),
        (b'{}\n{"type":"event"}\n' + b"[" * 20_000, ""),
        (b"not gzip", "gzip"),
        (gzip.compress(envelope())[:-4], "gzip"),
        (gzip.compress(envelope()) + b"more", "gzip"),
        (b"not deflate", "deflate"),
        (b"not brotli", "br"),
        (brotli.compress(envelope())[:-4], "br"),
    ],
)
def test_a_broken_envelope_is_refused(running: Running, body: bytes, encoding: str) -> None:
    answer = running.post(body, {"Content-Encoding": encoding} if encoding else {})
    assert answer.status_code == 400, answer.text
    assert running.metrics()["error_requests_refused_total/broken"] == 1


def test_an_unknown_encoding_is_refused(running: Running) -> None:
    assert running.post(envelope(event()), {"Content-Encoding": "zstd"}).status_code == 415


def test_other_kinds_of_items_are_accepted_and_counted(running: Running, search: Search) -> None:
    made = Envelope()
    made.add_event(event())  # type: ignore[arg-type]
    made.add_transaction({"transaction": "x"})
    made.add_session({"sid": "1"})
    body = made.serialize() + b'{"type":"from_the_future"}\n{}\n{}\n{}\n'
    assert running.post(body).status_code == 200
    search.wait_for(1)
    found = running.metrics()
    assert found["error_items_ignored_total/transaction"] == 1
    assert found["error_items_ignored_total/session"] == 1
    assert found["error_items_ignored_total/other"] == 2


def test_a_duplicate_event_id_is_stored_once(running: Running, search: Search) -> None:
    sent = envelope(event())
    assert [running.post(sent).status_code for _ in range(2)] == [200, 200]
    eventually(lambda: running.metrics()["error_events_duplicate_total"] == 1, "a counted duplicate")
    assert len(search.documents()) == 1


def test_an_event_that_elasticsearch_refuses_is_lost_and_the_others_of_its_batch_are_stored(
    run: Callable[..., Running], search: Search
) -> None:
    running = run()
    running.receiver.store.put([("a" * 32, {"@timestamp": "not a date"}), ("b" * 32, {"@timestamp": "2026-01-01"})])
    eventually(lambda: running.metrics()["error_events_lost_total/refused"] == 1, "a counted loss")
    assert [hit["_id"] for hit in search.wait_for(1)] == ["b" * 32]


def test_errors_wait_while_elasticsearch_is_down_and_are_stored_when_it_is_back(
    run: Callable[..., Running], search: Search
) -> None:
    down = {"is": True}

    def proxy(request: object) -> Response:
        if down["is"]:
            return Response(status=503)
        answer = requests.post(
            f"{search.url}{request.full_path}",  # type: ignore[attr-defined]
            data=request.get_data(),  # type: ignore[attr-defined]
            headers={"Content-Type": "application/x-ndjson"},
            timeout=10,
        )
        return Response(answer.content, answer.status_code, content_type="application/json")

    with StubServer(proxy) as server:
        running = run(elasticsearch_url=server.url)
        for _ in range(3):
            assert running.post(envelope(event())).status_code == 200
        eventually(lambda: running.metrics()["error_store_up"] == 0, "the store seen as down")
        assert running.metrics()["error_queue_events"] == 3
        down["is"] = False
        search.wait_for(3)
        eventually(lambda: running.metrics()["error_queue_events"] == 0, "an empty queue")
        found = running.metrics()
    assert (found["error_events_stored_total"], found["error_store_up"]) == (3, 1)
    assert sum(value for name, value in found.items() if name.startswith("error_events_lost_total")) == 0


def test_a_read_only_store_keeps_errors_waiting(run: Callable[..., Running], search: Search) -> None:
    running = run()
    running.post(envelope(event()))
    search.wait_for(1)
    block = {"index.blocks.write": True}
    requests.put(f"{search.url}/{search.stream}/_settings", json=block, timeout=10).raise_for_status()
    running.post(envelope(event()))
    eventually(lambda: running.metrics()["error_store_up"] == 0, "the store seen as read-only")
    requests.put(
        f"{search.url}/{search.stream}/_settings", json={"index.blocks.write": None}, timeout=10
    ).raise_for_status()
    search.wait_for(2)


def test_a_full_queue_answers_429_with_retry_after_and_counts_what_is_lost(run: Callable[..., Running]) -> None:
    running = run(elasticsearch_url=f"http://127.0.0.1:{free_port()}", stop_seconds=0)
    large = event(exception={"values": [{"type": "E", "value": "x" * 8000}]}, message="y")
    answers = []
    for _ in range(MOST_QUEUED_BYTES):
        answers.append(running.post(envelope(large, *(event() for _ in range(50)))))
        if answers[-1].status_code != 200:
            break
    assert answers[-1].status_code == 429
    assert answers[-1].headers["Retry-After"] == str(RETRY_AFTER_SECONDS)
    found = running.metrics()
    assert found["error_events_lost_total/queue_full"] == 51
    assert found["error_requests_refused_total/queue_full"] == 1
    assert found["error_queue_events"] == 51 * (len(answers) - 1)
    assert found["error_queue_bytes"] <= MOST_QUEUED_BYTES


def test_what_is_queued_at_the_stop_counts_as_lost(run: Callable[..., Running]) -> None:
    running = run(elasticsearch_url=f"http://127.0.0.1:{free_port()}", stop_seconds=0)
    running.post(envelope(event()))
    running.receiver.store.stop(0)
    assert running.metrics()["error_events_lost_total/shutdown"] == 1


def test_the_queue_is_bounded_by_bytes_too(run: Callable[..., Running], search: Search) -> None:
    running = run(elasticsearch_url=f"http://127.0.0.1:{free_port()}", stop_seconds=0)
    store: Store = running.receiver.store
    assert store.put([("a" * 32, {"message": "x" * (MOST_QUEUED_BYTES // 2)})])
    assert not store.put([("b" * 32, {"message": "x" * (MOST_QUEUED_BYTES // 2)})])


def test_an_envelope_is_forwarded_without_this_receivers_dsn(run: Callable[..., Running], search: Search) -> None:
    with StubServer(lambda _: Response(status=200)) as other:
        running = run(forward_dsn=other.url.replace("http://", "http://otherkey@") + "/42")
        made = Envelope(headers={"dsn": running.dsn, "event_id": "a" * 32})
        made.add_event(event(event_id="a" * 32))  # type: ignore[arg-type]
        running.post(gzip.compress(made.serialize()), {"Content-Encoding": "gzip"})
        eventually(lambda: running.metrics()["error_envelopes_forwarded_total/accepted"] == 1, "a forwarded envelope")
        ((request, _),) = other.log
    assert request.path == "/api/42/envelope/"
    assert "sentry_key=otherkey" in request.headers["X-Sentry-Auth"]
    assert KEY not in request.get_data(as_text=True)
    assert Envelope.deserialize(request.get_data()).get_event()["event_id"] == "a" * 32  # type: ignore[index]
    search.wait_for(1)


def test_a_sentry_that_is_down_does_not_keep_errors_from_being_stored(
    run: Callable[..., Running], search: Search
) -> None:
    running = run(forward_dsn=f"http://otherkey@127.0.0.1:{free_port()}/42")
    assert running.post(envelope(event())).status_code == 200
    search.wait_for(1)
    eventually(lambda: running.metrics()["error_envelopes_forwarded_total/failed"] == 1, "a counted failure")


def test_an_event_that_is_not_quite_json_is_stored_though_it_cannot_be_forwarded(
    run: Callable[..., Running], search: Search
) -> None:
    running = run(forward_dsn=f"http://otherkey@127.0.0.1:{free_port()}/42")
    body = json.dumps(event(level=float("nan"))).encode()
    assert running.post(body, path="/api/1/store/").status_code == 200
    search.wait_for(1)
    assert running.metrics()["error_envelopes_forwarded_total/refused"] == 1


def test_pages_that_are_not_there_are_404(running: Running) -> None:
    assert requests.get(running.url, timeout=10).status_code == 404
    assert running.post(b"", path="/api/1/minidump/").status_code == 404
    assert running.post(b"", path="/api/x/envelope/").status_code == 404
    assert requests.get(f"{running.url}/api/1/envelope/", timeout=10).status_code == 405
    assert requests.get(f"{running.url}/healthz", timeout=10).json() == {"status": "ok", "elasticsearch": True}


def test_a_connection_that_ends_within_its_body_is_refused(running: Running) -> None:
    head = f"POST /api/1/envelope/ HTTP/1.1\r\nHost: x\r\nX-Sentry-Auth: {AUTH['X-Sentry-Auth']}\r\n"
    with socket.create_connection(("127.0.0.1", running.receiver.port), timeout=5) as connection:
        connection.sendall(f"{head}Content-Length: 100\r\n\r\nshort".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def resident_mebibytes(pid: int) -> float:
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match
    return int(match[1]) / 1024


def test_the_program_needs_at_most_60_mib_with_a_full_queue_and_hostile_bodies(search: Search) -> None:
    port = free_port()
    environment = {
        **os.environ,
        "ERRORS_PORT": str(port),
        "ERRORS_DSN_KEY": KEY,
        # As in both ways of running: each thread's own arena would keep what it once used.
        "MALLOC_ARENA_MAX": "1",
        "ELASTICSEARCH_URL": f"http://127.0.0.1:{free_port()}",
    }
    process = subprocess.Popen([sys.executable, "-m", "platform_errors"], env=environment, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"

        def listens() -> bool:
            assert process.poll() is None, "the receiver stopped"
            return requests.get(f"{url}/healthz", timeout=5).ok

        eventually(listens, "a listening receiver", retry_on=requests.ConnectionError)
        bodies = [
            (envelope(event(extra={str(number): [] for number in range(15_000)})), ""),
            (envelope(event(extra={"a": "x" * (LARGEST_BODY_BYTES - 10_000)})), ""),
            (gzip.compress(b"0" * 200 * MEBIBYTE), "gzip"),
            (brotli.compress(b"0" * 200 * MEBIBYTE, quality=1, lgwin=24), "br"),
            (envelope(*(event() for _ in range(100))), ""),
        ]

        def post(number: int) -> int:
            body, encoding = bodies[number % len(bodies)]
            headers = {**AUTH, **({"Content-Encoding": encoding} if encoding else {})}
            return requests.post(f"{url}/api/1/envelope/", data=body, headers=headers, timeout=30).status_code

        with ThreadPoolExecutor(16) as pool:
            answers = set(pool.map(post, range(200)))
        assert answers == {200, 413, 429}
        highest = resident_mebibytes(process.pid)
        print(f"at most {highest:.1f} MiB resident")
        assert highest <= 60
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()
