"""The middleware: one pass over the request creates the span, the metrics, the access line and the error scope."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextvars import Token
from functools import partial
from time import monotonic, perf_counter_ns, time_ns
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.core.handlers.base import BaseHandler
from django.core.signals import got_request_exception
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace.propagation import _SPAN_KEY

from . import _client_values, errors
from ._cache import SizedCache
from ._carrying import within
from ._fork import notice
from ._guard import guarded, internal_error
from ._http_metrics import METHODS, content_length, counting_middlewares, http_metrics
from ._ids import (
    REQUEST_ID_HEADER,
    TRACE_RESPONSE_HEADER,
    accept_request_id,
    hex_ids,
    new_request_id,
    parse_traceparent,
)
from ._plain import name_of
from ._span import Template, finish, unsampled_span
from ._url import HIDDEN, safe_host, safe_path
from ._work import Remembered, Work, context_for, current_work
from .conf import get_config
from .deadlines import META_KEY as DEADLINE_META_KEY
from .deadlines import parse_header
from .logs import LOG_FIELDS, AccessLog, RequestLine, log_fields, mark_as_said
from .tracing import exception_event, get_tracing

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]
AsyncGetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

_NO_PARENT = SpanContext(0, 0, is_remote=False)


class _HttpWork(Work):
    """A request's unit of work, with the state needed to finish it."""

    owner: TelemetryMiddleware
    token: Token[Context]
    scope_token: Any
    # The exception that failed the request, and the one that the view raised, which something else may have answered.
    exception: BaseException | None = None
    raised: Exception | None = None
    # Whether its samples, line and span have been written.
    finished = False
    # Whether the URL is one that gets no span and no access line.
    excluded = False

    def __init__(
        self,
        request: HttpRequest,
        request_id: str,
        span: Span,
        deadline: float,
        parent: SpanContext | None,
        links: tuple[Link, ...],
        start: tuple[int, int],
        *,
        remember: bool,
    ) -> None:
        self.recording = span.is_recording()
        super().__init__(request_id, span, deadline, remember=remember and not self.recording)
        context = span.get_span_context()
        self.received = partial(_client_values.of_request, request)
        self.ids = hex_ids(context)
        self.flags = int(context.trace_flags)
        self.parent = parent
        self.links = links
        self.start_ns, self.start = start


class TelemetryMiddleware:
    """Must be first in MIDDLEWARE, so that all other middleware runs inside the span."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse | AsyncGetResponse) -> None:
        config = get_config()
        if config.http != "onepass" or not config.signals:
            raise MiddlewareNotUsed("TELEMETRY_HTTP or TELEMETRY_SIGNALS turns it off")
        # Sync or async, according to _is_async.
        self.get_response: Any = get_response
        self._tracing = get_tracing()
        self._metrics = http_metrics() if config.on("metrics") and not counting_middlewares() else None
        self._access = AccessLog(config)
        self._request_timeout = config.request_timeout
        self._behind_proxy = settings.SECURE_PROXY_SSL_HEADER is not None
        # In nanoseconds, like the clock.
        self._slow_default = config.slow_request * 1e9
        self._slow_routes = {route: seconds * 1e9 for route, seconds in config.slow_routes.items()}
        self._excluded = config.excluded_urls
        # A client that varies the Host header makes new ones.
        self._templates: SizedCache[tuple[Any, ...], Template] = SizedCache()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self.__acall__(request)
        work = self._begin(request)
        try:
            response = self.get_response(request)
        except BaseException as exc:
            # Django converts exceptions to responses further in; one that gets here stops the worker.
            self._finish(work, request, None, exc)
            self._leave(work)
            raise
        return self._respond(work, request, response)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        work = self._begin(request)
        try:
            response = await self.get_response(request)
        except BaseException as exc:  # the client disconnected, or the server is stopping
            self._finish(work, request, None, exc)
            self._leave(work)
            raise
        return self._respond(work, request, response)

    @guarded("metrics")
    def note_raised(self, work: _HttpWork, request: HttpRequest, exception: Exception) -> None:
        """Count an exception raised by a view, whatever answers it: Django with 404 or 403, or another middleware."""
        work.raised = exception
        if self._metrics is not None:
            self._metrics.exception(request, exception)

    def _begin(self, request: HttpRequest) -> _HttpWork:
        """Start the request's unit of work; one without a span and without its caller's ids if this fails."""
        start = time_ns(), perf_counter_ns()
        try:
            notice()
            work = self._start(request, start)
        except Exception:
            internal_error("traces", "the start of a request")
            deadline = monotonic() + self._request_timeout
            work = _HttpWork(request, new_request_id(), INVALID_SPAN, deadline, None, (), start, remember=False)
        work.owner = self
        work.token = otel_context.attach(context_for(work))
        work.scope_token = errors.enter_scope()
        return work

    def _start(self, request: HttpRequest, start: tuple[int, int]) -> _HttpWork:
        meta = request.META
        parent: SpanContext | None = None
        links: tuple[Link, ...] = ()
        outer = otel_context.get_current().get(_SPAN_KEY)
        if isinstance(outer, Span) and (current := outer.get_span_context()).is_valid:
            # For example that of OpenTelemetry's WSGI or ASGI middleware, which has read the caller's context already.
            parent = current
        elif "HTTP_TRACEPARENT" in meta:
            parent, links = self._caller(meta)
        excluded = self._excluded is not None and self._excluded.search(_url(request)) is not None
        timeout, asked = self._request_timeout, meta.get(DEADLINE_META_KEY)
        if asked is not None:
            seconds = parse_header(asked)
            timeout = timeout if seconds is None else min(seconds, timeout)
        work = _HttpWork(
            request,
            accept_request_id(meta.get("HTTP_X_REQUEST_ID")),
            unsampled_span(parent)
            if excluded
            else self._tracing.start(_started_as(request), SpanKind.SERVER, parent, start[0], links),
            monotonic() + timeout,
            parent,
            links,
            start,
            remember=self._tracing.remembers and not excluded,
        )
        work.excluded = excluded
        if meta.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in meta:
            _client_values.record_body(request)
        return work

    def _caller(self, meta: Mapping[str, Any]) -> tuple[SpanContext | None, tuple[Link, ...]]:
        """The caller's span as the parent when the caller is trusted, else as a link."""
        trusted = self._tracing.trusts(meta.get("HTTP_AUTHORIZATION"))
        # A tracestate is free text and would be exported with the link.
        remote = parse_traceparent(meta["HTTP_TRACEPARENT"], meta.get("HTTP_TRACESTATE") if trusted else None)
        if remote is None:
            return None, ()
        # Untrusted context is only linked: a public caller can neither force sampling nor join a trace.
        return (remote, ()) if trusted else (None, (Link(remote),))

    def _respond(self, work: _HttpWork, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        ends_later = False
        try:
            if response.status_code >= 500 and work.raised is not None and work.exception is None:
                note_failure(work, request, work.raised)  # another middleware's process_exception() has answered it
            if response.streaming:
                # Last chance to decide the sampled flag of the traceresponse header.
                self._judge(work, request, response.status_code, perf_counter_ns() - work.start)
                self._stream(work, request, cast(StreamingHttpResponse, response))
                ends_later = True
            else:
                self._finish(work, request, response, work.exception)
            self._announce(work, request, response)
        except Exception:
            internal_error("traces", "the end of a request")
            if not ends_later:
                self._finish(work, request, response, work.exception)
        finally:
            self._leave(work)
        return response

    def _announce(self, work: _HttpWork, request: HttpRequest, response: HttpResponseBase) -> None:
        """Add the ids to the response's headers, and to what Django logs about it."""
        # Skips the header class's validation: both values are generated here from hex digits and validated characters.
        headers: dict[str, tuple[str, str]] = response.headers._store
        # A header that the application has set itself stays.
        if "x-request-id" not in headers:
            headers["x-request-id"] = (REQUEST_ID_HEADER, work.request_id)
        if work.ids is not None and "traceresponse" not in headers:
            flags = work.flags | TraceFlags.SAMPLED if work.kept else work.flags
            headers["traceresponse"] = (TRACE_RESPONSE_HEADER, f"00-{work.ids[0]}-{work.ids[1]}-{flags:02x}")
        if response.status_code >= 400:
            # Django logs the error after the last middleware, when the context of the work has been reset.
            request.__dict__[LOG_FIELDS] = log_fields(work.span.get_span_context(), work.request_id)

    def _leave(self, work: _HttpWork) -> None:
        errors.leave_scope(work.scope_token)
        otel_context.detach(work.token)

    def _stream(self, work: _HttpWork, request: HttpRequest, response: StreamingHttpResponse) -> None:
        """Generate the body inside the work's context, and end the work when the response is closed."""
        inside = context_for(work)

        def failed(exc: Exception) -> None:
            try:
                work.keep()
                note_failure(work, request, exc)
                # Only here are the ids known: the server logs it later, outside of the work's context.
                logger.error("The response to %s broke off.", _path(request), exc_info=exc)
                mark_as_said(exc)
            except Exception:
                internal_error("errors", "the failure of a streamed response")
            close()  # ASGI servers don't close a response whose body has failed

        def close() -> None:
            within(inside, self._finish, work, request, response, work.exception)

        if getattr(response, "file_to_stream", None) is not None:
            pass  # a file: no service code runs, and the server may send it without reading it into Python
        elif response.is_async:
            response.streaming_content = _run_async_inside(inside, response.streaming_content, failed, close)
        else:
            parts = iter(cast(Iterator[bytes], response.streaming_content))
            response.streaming_content = _run_inside(inside, parts, failed)
        closers: list[Any] = cast(Any, response)._resource_closers
        # A generator that the client has left cleans up when it is closed, which is still part of the work.
        closers[:] = [*(partial(within, inside, closer) for closer in closers), close]

    def _judge(self, work: _HttpWork, request: HttpRequest, status: int, elapsed: int) -> None:
        """Apply the tail rule: keep requests that failed or were slower than their route's threshold."""
        match = request.resolver_match
        slow = self._slow_routes.get(match.route, self._slow_default) if match is not None else self._slow_default
        if status >= 500 or elapsed > slow:
            work.keep()

    def _finish(
        self, work: _HttpWork, request: HttpRequest, response: HttpResponseBase | None, exc: BaseException | None
    ) -> None:
        """Write the request's samples, access line and span, once. Never raises."""
        if work.finished:
            return
        work.finished = True
        elapsed = perf_counter_ns() - work.start
        try:
            self._emit(work, request, response, exc, elapsed)
        except Exception:
            internal_error("traces", "the end of a request")
            self._emit_reduced(work, exc, elapsed)

    def _emit(
        self,
        work: _HttpWork,
        request: HttpRequest,
        response: HttpResponseBase | None,
        exc: BaseException | None,
        elapsed: int,
    ) -> None:
        status = response.status_code if response is not None else 499 if _went_away(exc) else 500
        if not work.recording:
            self._judge(work, request, status, elapsed)
        sampled = work.recording or work.kept
        method = request.method if request.method in METHODS else None
        # Request.scheme returns the same, after checking for the proxy's header.
        scheme = (request.scheme if self._behind_proxy else request._get_scheme()) or "http"  # type: ignore[attr-defined]
        request_size = content_length(request.META.get("CONTENT_LENGTH"))
        response_size = None
        if response is not None and not response.streaming:
            response_size = len(response.content)  # type: ignore[attr-defined]
        # One of the three that fails doesn't cost the others.
        if self._metrics is not None:
            ids = work.ids if sampled else None
            at = (work.start_ns + elapsed) / 1e9
            seconds = elapsed / 1e9
            try:
                self._metrics.observe(request, response, method, scheme, seconds, request_size, response_size, ids, at)
            except Exception:
                internal_error("metrics", "the samples of a request")
        access = not work.excluded and self._access.enabled()
        if not access and not sampled:
            return
        method = method or "_OTHER"
        match = request.resolver_match
        route = match.route if match is not None else None
        path = _path(request)
        if access:
            error = None if exc is None else type(exc).__qualname__
            try:
                self._access.write_request(
                    RequestLine(
                        method,
                        route,
                        path,
                        status,
                        error,
                        work.start_ns,
                        elapsed,
                        request_size,
                        response_size,
                        work.request_id,
                        work.ids,
                        sampled,
                    )
                )
            except Exception:
                internal_error("logs", "the access line of a request")
        if sampled:
            try:
                template = self._template(request, scheme, method, route, status, exc)
                self._end_span(work, request, template, path, elapsed, exc)
            except Exception:
                internal_error("traces", "the span of a request")
                _end_reduced(work, elapsed)

    def _emit_reduced(self, work: _HttpWork, exc: BaseException | None, elapsed: int) -> None:
        """Write the access line and the span of a request that nothing is known about but its ids and its time."""
        try:
            if self._access.enabled():
                error = None if exc is None else name_of(type(exc))
                ids, sampled = work.ids, work.recording
                start, request_id = work.start_ns, work.request_id
                line = RequestLine(
                    "_OTHER", None, HIDDEN, 500, error, start, elapsed, 0, None, request_id, ids, sampled
                )
                self._access.write_request(line)
        except Exception:
            internal_error("logs", "the access line of a request")
        _end_reduced(work, elapsed)

    def _template(
        self,
        request: HttpRequest,
        scheme: str,
        method: str,
        route: str | None,
        status: int,
        exc: BaseException | None,
    ) -> Template:
        """The template shared by the spans of requests with the same route, server name and outcome."""
        meta = request.META
        host: str = meta.get("HTTP_HOST") or ""
        error = None
        if status >= 500 or (exc is not None and status < 400):  # a stream may fail after a success status was sent
            error = type(exc).__qualname__ if exc is not None else str(status)
        protocol: str | None = meta.get("SERVER_PROTOCOL")
        if protocol is None:  # ASGI
            protocol = f"HTTP/{getattr(request, 'scope', {}).get('http_version', '1.1')}"
        key = (route, method, status, scheme, host, protocol, error)
        template = self._templates.get(key)
        if template is not None:
            return template
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "url.scheme": scheme,
            "http.response.status_code": status,
        }
        if route:
            attributes["http.route"] = route
        address = safe_host(host)
        if address is not None:
            attributes["server.address"] = address[0]
            port = address[1] or content_length(meta.get("SERVER_PORT"))
            if port:
                attributes["server.port"] = port
        if protocol.startswith("HTTP/"):
            attributes["network.protocol.version"] = protocol[5:8]
        if error is not None:
            attributes["error.type"] = error
        template = Template("HTTP" if method == "_OTHER" else f"{method} {route}" if route else method, attributes)
        # Its attributes, and later their encoded form.
        return self._templates.keep(key, template, 3 * template.size)

    def _end_span(
        self,
        work: _HttpWork,
        request: HttpRequest,
        template: Template,
        path: str,
        elapsed: int,
        exc: BaseException | None,
    ) -> None:
        own = {"url.path": path, "request.id": work.request_id}
        failed = "error.type" in template.attributes
        span = work.span
        end_ns = work.start_ns + elapsed
        if work.recording:
            if exc is not None:
                exception_event(span, exc)
            if failed:
                span.set_status(StatusCode.ERROR)
            finish(span, template, own, end_ns, _started_as(request))
        else:
            self._tracing.export_kept(
                work,
                Remembered(
                    span.get_span_context(),
                    work.parent or _NO_PARENT,
                    template.name,
                    SpanKind.SERVER,
                    work.start_ns,
                    end_ns,
                    {**template.attributes, **own},
                    StatusCode.ERROR if failed else StatusCode.UNSET,
                    None,
                    work.links,
                ),
            )


def _url(request: HttpRequest) -> str:
    """The URL without its query, for matching only: host and path are the client's."""
    meta = request.META
    return f"{request.scheme}://{meta.get('HTTP_HOST') or meta.get('SERVER_NAME')}{request.path}"


def _started_as(request: HttpRequest) -> str:
    """The name of a request's span until its route is known."""
    method = request.method
    return method if method is not None and method in METHODS else "HTTP"


def _end_reduced(work: _HttpWork, elapsed: int) -> None:
    """End the span without attributes that describe the request."""
    try:
        work.span.set_attribute("request.id", work.request_id)
        work.span.end(work.start_ns + elapsed)
    except Exception:
        internal_error("traces", "the span of a request")


def _path(request: HttpRequest) -> str:
    """The path, with client-supplied segments masked."""
    match = request.resolver_match
    if match is not None and match.route == request.path_info[1:]:
        return request.path_info  # a route without variable parts
    return safe_path(request.path_info, getattr(request, "urlconf", None))


def _went_away(exc: BaseException | None) -> bool:
    """Whether the client closed the connection: ASGI servers then cancel the request's task."""
    return type(exc).__name__ == "CancelledError"


def _run_inside(inside: Context, parts: Iterator[bytes], failed: Callable[[Exception], None]) -> Iterator[bytes]:
    while True:
        token = otel_context.attach(inside)
        try:
            part = next(parts)
        except StopIteration:
            return
        except Exception as exc:
            failed(exc)
            raise
        finally:
            otel_context.detach(token)
        yield part


async def _run_async_inside(
    inside: Context, parts: Any, failed: Callable[[Exception], None], close: Callable[[], None]
) -> AsyncIterator[bytes]:
    iterator = aiter(parts)
    complete = False
    try:
        while True:
            token = otel_context.attach(inside)
            try:
                part = await anext(iterator)
            except StopAsyncIteration:
                complete = True
                return
            except Exception as exc:
                failed(exc)
                raise
            finally:
                otel_context.detach(token)
            yield part
    finally:
        if not complete:  # the body failed, or the client has disconnected: the server may not close the response
            token = otel_context.attach(inside)
            try:
                if hasattr(iterator, "aclose"):
                    await iterator.aclose()
            finally:
                otel_context.detach(token)
                close()


@guarded("errors")
def note_request_exception(sender: Any, request: HttpRequest | None = None, **_: Any) -> None:
    """Receiver of Django's got_request_exception: an unhandled exception in a view or a middleware."""
    import sys

    exc = sys.exc_info()[1]
    if exc is None:
        return
    work = current_work()
    if isinstance(work, _HttpWork) and request is not None:
        note_failure(work, request, exc)
    else:
        errors.capture_exception(exc)


def note_failure(work: _HttpWork, request: HttpRequest, exc: BaseException) -> None:
    """Record the exception that failed a request for its span and access line, and report it."""
    work.exception = exc
    match = request.resolver_match
    method = request.method if request.method in METHODS else "_OTHER"
    route = match.route if match is not None else ""
    work.summary = {
        "transaction": f"{method} {route}".rstrip(),
        "request": {"method": method, "url": safe_path(request.path_info, getattr(request, "urlconf", None))},
    }
    errors.capture_exception(exc)


_process_exception = BaseHandler.process_exception_by_middleware


def _process_exception_noted(handler: BaseHandler, exception: Exception, request: HttpRequest) -> Any:
    """BaseHandler.process_exception_by_middleware(), which asks the last middleware first."""
    work = current_work()
    if isinstance(work, _HttpWork):
        work.owner.note_raised(work, request, exception)
    return _process_exception(handler, exception, request)


def connect_signals() -> None:
    """Subscribe to exceptions of views and to unhandled ones, in both sync and async handlers."""
    BaseHandler.process_exception_by_middleware = _process_exception_noted  # type: ignore[assignment, method-assign]
    got_request_exception.connect(note_request_exception, dispatch_uid="django_telemetry.request_exception")
