"""Whatever a client sends and a view does: the response is that of Django alone, and nothing is left behind."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import PermissionDenied
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client, override_settings
from django_telemetry import _url, errors, middleware, tracing
from django_telemetry._work import current_work
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace

from . import behaving
from .harness import Everything, Lines, MemoryProcessor, sample
from .hostile import ANYTHING, Raising

logger = logging.getLogger("tests.guards")


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise TypeError("can only concatenate str")

    __repr__ = __str__


class GuardedError(Exception):
    """Refuses what telemetry would like to note on it, and has unusable notes."""

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("__telemetry"):
            raise RuntimeError(name)
        super().__setattr__(name, value)

    @property
    def __notes__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no notes")


class SlottedError(Exception):
    __slots__ = ()


def _in_a_circle() -> Exception:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    return one


def _group(depth: int) -> Exception:
    return ExceptionGroup("group", [_group(depth - 1), UnprintableError()]) if depth else LookupError("member")


def _with_notes() -> Exception:
    exc = ValueError("noted")
    exc.__notes__ = ["one", Raising(), 3]  # type: ignore[list-item]
    return exc


FAILURES: list[Callable[[HttpRequest], BaseException]] = [
    lambda request: ValueError(request.META.get("QUERY_STRING"), dict(request.META)),
    lambda _: UnprintableError("argument"),
    lambda _: GuardedError("planted"),
    lambda _: SlottedError(),
    lambda _: ValueError(Raising()),
    lambda _: _in_a_circle(),
    lambda _: _group(3),
    lambda _: _group(200),
    lambda _: _with_notes(),
    lambda _: RecursionError("x" * 100_000),
    lambda _: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "planted"),
    lambda _: ValueError("\ud83d"),
    lambda _: Http404(Raising()),
    lambda _: PermissionDenied(),
]


def _raise(make: Callable[[HttpRequest], BaseException], request: HttpRequest) -> HttpResponseBase:
    raise make(request)


def _read_then_raise(make: Callable[[HttpRequest], BaseException], request: HttpRequest) -> HttpResponseBase:
    logger.error("before the body is read")
    sent = [request.GET.dict(), request.COOKIES, request.body, request.POST.dict()]
    logger.error("with %s", sent, extra={"sent": sent})
    raise make(request) from RuntimeError(sent)


def _stream_then_raise(make: Callable[[HttpRequest], BaseException], request: HttpRequest) -> HttpResponseBase:
    def parts() -> Iterator[bytes]:
        yield b"one "
        raise make(request)

    return StreamingHttpResponse(parts())


def _answer(_make: object, request: HttpRequest) -> HttpResponseBase:
    response = HttpResponse(json.dumps(request.GET.dict()), status=418, headers={"X-Own": "kept"})
    response.set_cookie("own", "kept")
    return response


def _answered(client: Client, request: dict[str, Any]) -> tuple[Any, ...]:
    """What the client receives: status, headers, body; or the exception that the server gets."""
    try:
        response = client.generic("POST", **request)
        body: bytes | str
        try:
            body = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
        except Exception as exc:
            body = type(exc).__name__
        response.close()
    except Exception as exc:
        return (type(exc),)
    headers = {name: value for name, value in response.items() if name not in ("X-Request-ID", "traceresponse")}
    return response.status_code, headers, body, str(response.cookies)


@pytest.fixture
def alone() -> Client:
    """A client of the same project without the middleware."""
    client = Client(raise_request_exception=False)
    with override_settings(MIDDLEWARE=["django.middleware.common.CommonMiddleware"]):
        client.handler.load_middleware()
    return client


@pytest.fixture(autouse=True)
def _urls() -> Iterator[None]:
    with override_settings(ROOT_URLCONF="tests.behaving"):
        yield


@pytest.fixture
def set_behaviour(monkeypatch: pytest.MonkeyPatch) -> Callable[[behaving.Behaviour], None]:
    return lambda behaviour: monkeypatch.setattr(behaving, "behaviour", behaviour)


TEXTS = st.text(st.characters(max_codepoint=0xFF), max_size=30)  # as servers decode header bytes
QUERIES = st.one_of(
    TEXTS,
    st.integers(900, 1100).map(lambda number: "&".join(f"a={index}" for index in range(number))),
    st.just("a&" * 1200),
    st.just("%ed%a0%bd=%ff&" * 20),
)
BODIES = st.one_of(
    st.binary(max_size=100),
    st.just(b'{"name": "\\ud83d", "n": 1e999}'),
    st.just(b"[" * 5000),
    st.just(json.dumps([f"value {number}" for number in range(1500)]).encode()),
    st.just(b"a=1&" * 1200),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "HTTP_TRACEPARENT",
            "HTTP_TRACESTATE",
            "HTTP_AUTHORIZATION",
            "HTTP_X_REQUEST_ID",
            "HTTP_X_REQUEST_DEADLINE_MS",
            "HTTP_COOKIE",
            "HTTP_HOST",
            "HTTP_X_ODD",
            "SERVER_PROTOCOL",
            "SERVER_PORT",
            "HTTP_X_REQUESTED_WITH",
        ]
    ),
    st.one_of(TEXTS, st.just("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), st.just("Basic !!")),
)


REQUESTS = st.builds(
    lambda query, body, content_type, headers: {
        "path": "/behave",
        "data": body,
        "content_type": content_type,
        "QUERY_STRING": query,
        **headers,
    },
    QUERIES,
    BODIES,
    st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/\xff"]
    ),
    HEADERS,
)


@given(
    act=st.sampled_from([_raise, _read_then_raise, _stream_then_raise, _answer]),
    failure=st.sampled_from(FAILURES),
    request=REQUESTS,
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_the_response_is_that_of_django_alone_and_nothing_is_left_behind(
    http: Client,
    alone: Client,
    spans: MemoryProcessor,
    lines: Lines,
    set_behaviour: Callable[[behaving.Behaviour], None],
    act: Any,
    failure: Any,
    request: dict[str, Any],
) -> None:
    spans.spans.clear()
    lines.raw.clear()
    set_behaviour(partial(act, failure))
    assert _answered(http, request) == _answered(alone, request)
    assert current_work() is None
    assert not trace.get_current_span().get_span_context().is_valid
    (span,) = spans.spans
    # By id: a stream of an earlier request may end whenever its garbage is collected.
    own = [line for line in lines.documents() if line.get("request.id") == (span.attributes or {})["request.id"]]
    assert sum(line.get("event.dataset") == "access" for line in own) == 1


def _failing_request(http: Client, set_behaviour: Callable[[behaving.Behaviour], None], exc: BaseException) -> None:
    set_behaviour(partial(_raise, lambda _: exc))
    assert http.get("/behave").status_code == 500


def test_an_exception_whose_str_raises_is_reported_as_itself(
    everything: Everything,
    http: Client,
    lines: Lines,
    spans: MemoryProcessor,
    set_behaviour: Callable[[behaving.Behaviour], None],
) -> None:
    _failing_request(http, set_behaviour, UnprintableError(404))
    line = lines.with_message("Internal Server Error: /behave")
    assert line["error.type"] == "UnprintableError"
    assert line["error.message"] == "<unprintable UnprintableError>"
    (event,) = spans.only().events
    assert dict(event.attributes or {})["exception.message"] == "<unprintable UnprintableError>"
    assert '"UnprintableError"' in everything.text()["errors"]
    assert "TypeError" not in everything.text()["logs"]
    assert '"type":"TypeError"' not in everything.text()["errors"]
    logger.info("between requests")
    assert "request.id" not in lines.with_message("between requests")


def test_more_parameters_than_django_accepts_do_not_change_the_answer(
    everything: Everything, http: Client, lines: Lines, set_behaviour: Callable[[behaving.Behaviour], None]
) -> None:
    set_behaviour(partial(_raise, lambda request: LookupError(f"cannot find {request.META['QUERY_STRING'][-12:]}")))
    query = "&".join(f"name{number}=planted{number}" for number in range(1001))
    assert http.get("/behave", QUERY_STRING=query).status_code == 500
    assert lines.with_message("Internal Server Error: /behave")["error.type"] == "LookupError"
    assert "LookupError" in everything.text()["errors"]

    set_behaviour(lambda request: HttpResponse(request.GET["a"]))
    assert http.get("/behave", QUERY_STRING=query).status_code == 400
    assert [line["log.logger"] for line in lines.documents() if "Too" in line.get("error.type", "")] == [
        "django.security.TooManyFieldsSent"
    ]


def test_a_urlconf_that_cannot_be_imported_is_reported_like_any_failure(
    everything: Everything, http: Client, lines: Lines, spans: MemoryProcessor
) -> None:
    received: list[Any] = []

    def receiver(**_: Any) -> None:
        received.append(1)

    got_request_exception.connect(receiver)
    try:
        # Django can't find the handler of the 500 either, and passes the exception to the server.
        with override_settings(ROOT_URLCONF="tests.nowhere"), pytest.raises(ModuleNotFoundError):
            http.get("/users/planted-name/orders")
    finally:
        got_request_exception.disconnect(receiver)
    assert received
    assert (spans.only().attributes or {})["url.path"] == "/*/*/*"
    (line,) = lines.documents()
    assert (line["event.dataset"], line["error.type"], line["url.path"]) == ("access", "ModuleNotFoundError", "/*/*/*")
    assert "ModuleNotFoundError" in everything.text()["errors"]
    assert current_work() is None
    everything.check("planted-name")


def test_groups_and_notes_are_described_with_their_members(
    http: Client, lines: Lines, spans: MemoryProcessor, set_behaviour: Callable[[behaving.Behaviour], None]
) -> None:
    def behave(request: HttpRequest) -> HttpResponse:
        def member() -> None:
            raise LookupError(f"member for {request.GET['who']}")

        failure: LookupError | None = None
        try:
            member()
        except LookupError as exc:
            exc.add_note(f"a note on {request.GET['who']}")
            failure = exc
        assert failure is not None
        raise ExceptionGroup("some failed", [failure, ValueError("another")])

    set_behaviour(behave)
    http.get("/behave", {"who": "planted-name"})
    stack = lines.with_message("Internal Server Error: /behave")["error.stack_trace"]
    for part in ("ExceptionGroup: some failed (2 sub-exceptions)", "LookupError: member for [redacted]", "in member"):
        assert part in stack
    assert "a note on [redacted]" in stack
    assert "ValueError: another" in stack
    (event,) = spans.only().events
    assert dict(event.attributes or {})["exception.stacktrace"] == stack


def test_a_value_that_is_sent_in_a_body_read_after_the_first_failure_is_removed(
    everything: Everything, http: Client, set_behaviour: Callable[[behaving.Behaviour], None]
) -> None:
    def behave(request: HttpRequest) -> HttpResponse:
        logger.error("something failed already")
        raise LookupError(f"no {json.loads(request.body)['name']}")

    set_behaviour(behave)
    name = "".join(("planted", "name"))  # Sentry's events have the source lines of the stack trace
    http.post("/behave", {"name": name}, content_type="application/json")
    everything.check(name)


def _fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("telemetry is broken")


BREAKS = [
    (tracing.Tracing, "trusts", "traces"),
    (middleware.TelemetryMiddleware, "_caller", "traces"),
    (middleware.TelemetryMiddleware, "_judge", "traces"),
    (middleware.TelemetryMiddleware, "_template", "traces"),
    (middleware.TelemetryMiddleware, "_end_span", "traces"),
    (middleware.TelemetryMiddleware, "_announce", "traces"),
    (middleware.TelemetryMiddleware, "_stream", "traces"),
    (middleware.AccessLog, "write_request", "logs"),
    (middleware, "content_length", "traces"),
    (middleware, "finish", "traces"),
    (middleware, "note_failure", "errors"),
]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("owner", "name", "signal"), BREAKS, ids=[name for _, name, _ in BREAKS])
def test_a_failure_inside_telemetry_is_counted_and_changes_nothing(
    http: Client,
    lines: Lines,
    set_behaviour: Callable[[behaving.Behaviour], None],
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    signal: str,
    streamed: bool,
) -> None:
    answer: behaving.Behaviour = (
        partial(_stream_then_raise, lambda _: LookupError("planted"))
        if streamed
        else partial(_raise, lambda _: LookupError("planted"))
    )
    set_behaviour(answer)
    request = {
        "path": "/behave",
        "HTTP_TRACEPARENT": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    expected = _answered(http, request)
    lines.raw.clear()
    before = sample("telemetry_items_total", signal=signal, result="lost", reason="internal_error")
    monkeypatch.setattr(owner, name, _fail)
    assert _answered(http, request) == expected
    assert current_work() is None
    failed = sample("telemetry_items_total", signal=signal, result="lost", reason="internal_error") - before
    unused = name in ("_stream", "_judge") and not streamed
    assert failed >= (0 if unused else 1)
    if name != "write_request":
        assert sum(document.get("event.dataset") == "access" for document in lines.documents()) == 1


def test_async_requests_are_guarded_alike(
    ahttp: AsyncClient, set_behaviour: Callable[[behaving.Behaviour], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_behaviour(partial(_raise, lambda _: UnprintableError()))
    monkeypatch.setattr(middleware.TelemetryMiddleware, "_emit", _fail)
    assert async_to_sync(ahttp.get)("/behave").status_code == 500
    assert current_work() is None


def test_words_of_routes_are_known_in_every_language() -> None:
    with override_settings(LANGUAGES=[("de", "German"), ("en", "English")], LANGUAGE_CODE="en"):
        _url._vocabulary.cache_clear()
        _url._masked.known.clear()
        try:
            assert _url.safe_path("/de/orders/7/planted/") == "/de/orders/7/*/"
            assert _url.safe_path("/en/orders/7/planted/") == "/en/orders/7/*/"
        finally:
            _url._vocabulary.cache_clear()
            _url._masked.known.clear()


@given(st.lists(ANYTHING, max_size=2))
@settings(deadline=None)
def test_no_exception_makes_reporting_raise(args: list[Any]) -> None:
    for kind in (ValueError, KeyError, OSError, UnprintableError, GuardedError, SlottedError):
        errors.capture_exception(kind(*args))
