"""The middleware produces the same telemetry as the packages' own middleware, except for the listed differences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .harness import clean_environ

ROOT = Path(__file__).resolve().parent.parent

# The deliberate differences, each with its reason. The documentation repeats the list.
ADDED = {"request.id"}  # links a trace to its log lines and to the id in the caller's response
LEFT_OUT = {
    "client.address",  # personal data
    "client.port",
    "network.peer.address",
    "user_agent.original",  # client-supplied text
    "user_agent.synthetic.type",
    "http.request.method_original",  # likewise
    "url.query",  # may contain anything
}
# The stock middleware sets it only where the server provides the raw URI, and then unmasked.
NOT_COMPARED = {"url.path"}
# An exception that Django answers with 4xx is not a server failure; the stock middleware records it as one.
ANSWERED_EXCEPTIONS = {"GET /not-found", "GET /forbidden", "GET /suspicious"}
# The stock error.type is the status code; the library's is the exception, if there is one.
UNHANDLED = {"GET /boom", "GET /async-boom", "async GET /async-boom"}
# The stock packages have no span and no metrics for it: building the absolute URI raises before they start.
INVALID_HOST = "GET /ok with an invalid host"


def _seen(way: str) -> dict[str, Any]:
    reader, writer = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.equivalence", way],
        cwd=ROOT,
        env={**clean_environ(), "REPORT_FD": str(writer)},
        pass_fds=[writer],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(writer)
        with os.fdopen(reader) as reports:
            report = reports.read()
        _, error = process.communicate(timeout=60)
    assert report, f"{way} reported nothing; its stderr: {error.decode()[-3000:]}"
    return json.loads(report)


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, Any], dict[str, Any]]:
    return _seen("stock"), _seen("onepass")


def test_spans_have_the_same_names_kinds_statuses_and_attributes(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    stock, ours = both
    assert len(stock["requests"]) == len(ours["requests"]) > 40
    for theirs, own in zip(stock["requests"], ours["requests"], strict=True):
        request = theirs["request"]
        if request == INVALID_HOST:
            assert (len(theirs["spans"]), len(own["spans"])) == (0, 1)
            continue
        assert len(theirs["spans"]) == len(own["spans"]) == 1, request
        expected, actual = theirs["spans"][0], own["spans"][0]
        for field in ("name", "kind", "root"):
            assert actual[field] == expected[field], f"{request}: {field}"
        if request in ANSWERED_EXCEPTIONS:
            assert (expected["status"], actual["status"]) == ("ERROR", "UNSET"), request
            assert (expected["events"], actual["events"]) == (["exception"], []), request
        else:
            assert actual["status"] == expected["status"], request
            assert actual["events"] == expected["events"], request
        wanted = {k: v for k, v in expected["attributes"].items() if k not in LEFT_OUT | NOT_COMPARED}
        shown = {k: v for k, v in actual["attributes"].items() if k not in ADDED | NOT_COMPARED}
        if request.startswith("async "):
            # Stock uses the socket's address under ASGI and the Host header under WSGI; the library, the Host header.
            assert (wanted.pop("server.address"), shown.pop("server.address")) == ("127.0.0.1", "testserver")
        if request in UNHANDLED:
            assert (wanted.pop("error.type"), shown.pop("error.type")) == ("500", "RuntimeError"), request
        assert shown == wanted, request


def test_metric_families_and_counts_are_the_same(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    stock, ours = both
    assert set(stock["metrics"]) == set(ours["metrics"])
    different = {}
    for family, samples in stock["metrics"].items():
        for labels in set(samples) | set(ours["metrics"][family]):
            pair = (samples.get(labels), ours["metrics"][family].get(labels))
            if pair[0] != pair[1]:
                different[f"{family}{{{labels}}}"] = pair
    latency = "django_http_requests_latency_seconds_by_view_method_count"
    assert different == {
        # Stock observes a request that raises twice.
        **{
            f"{latency}{{method=GET,view={view}}}": (2.0, 1.0)
            for view in ("boom", "not-found", "forbidden", "suspicious")
        },
        f"{latency}{{method=GET,view=async-boom}}": (4.0, 2.0),
        # Stock uses any method that a client invents as a label value.
        f"{latency}{{method=BREW,view=ok}}": (1.0, None),
        f"{latency}{{method=<invalid method>,view=ok}}": (None, 1.0),
    }
