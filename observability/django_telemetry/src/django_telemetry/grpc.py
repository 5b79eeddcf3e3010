"""gRPC: a client channel and server interceptors with spans, edge metrics, deadlines, context and the access line."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import sleep
from typing import Any, NamedTuple

import grpc
from django.db import close_old_connections
from opentelemetry import context as otel_context
from opentelemetry.trace import Link, SpanContext, SpanKind

from . import _client_values, errors
from ._guard import guarded, internal_error, report
from ._ids import (
    REQUEST_ID_HEADER,
    accept_request_id,
    exemplar_of,
    format_traceparent,
    hex_ids,
    parse_traceparent,
)
from ._plain import name_of
from ._unit import Unit
from ._work import context_for
from .conf import get_config
from .deadlines import Deadline, current_deadline
from .edges import ERROR, Call, DependencyRefused, DependencyRejected, DependencyTimeout, count_retry
from .logs import AccessLog, mark_as_said
from .metrics import Family, rpc_server_handled_total, rpc_server_handling_seconds
from .redaction import redact_failure
from .retries import NO_RETRIES, RetryBudget, RetryPolicy
from .tracing import Tracing, Trust, get_tracing

logger = logging.getLogger(__name__)

_SYSTEM = "grpc"
# The codes that the semantic conventions count as server errors. All others are the caller's errors.
_SERVER_ERRORS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_REQUEST_STREAMS = ("client_stream", "bidi_stream")
_CLIENT_FAULTS = _SERVER_ERRORS | {grpc.StatusCode.RESOURCE_EXHAUSTED}

_OPTIONS = (
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.enable_http_proxy", 0),
)


def client_channel(
    dependency: str,
    target: str,
    token: str | None = None,
    service_name: str | None = None,
    *,
    timeout: float = 3.0,
    retries: RetryPolicy | None = None,
    credentials: grpc.ChannelCredentials | None = None,
) -> grpc.Channel:
    """A channel to ``target`` (host:port) for stubs of ``dependency``. Create it after a fork, not before.

    ``timeout`` limits each attempt in seconds unless the call sets its own; the current unit of work's deadline may
    shorten it. ``token`` is sent as ``authorization: Bearer …``. ``service_name``, when given, is the only gRPC service
    that may be called through this channel. ``retries`` are off by default and apply to UNAVAILABLE; the methods must
    be idempotent. Calls raise DependencyTimeout, DependencyRefused or DependencyRejected for failures of the edge, and
    grpc.RpcError with its code for the callee's answers.
    """
    if credentials is not None:
        channel = grpc.secure_channel(target, credentials, options=_OPTIONS)
    else:
        channel = grpc.insecure_channel(target, options=_OPTIONS)
    interceptor = _ClientInterceptor(dependency, target, token, service_name, timeout, retries or NO_RETRIES)
    return grpc.intercept_channel(channel, interceptor)


class _CallDetails(grpc.ClientCallDetails):
    def __init__(self, base: grpc.ClientCallDetails, timeout: float, metadata: list[tuple[str, str]]) -> None:
        self.method = base.method
        self.timeout = timeout
        self.metadata = tuple(metadata)
        self.credentials = base.credentials
        self.wait_for_ready = getattr(base, "wait_for_ready", None)
        self.compression = getattr(base, "compression", None)


class _Method(NamedTuple):
    """The full name of a method, and its parts."""

    full: str
    service: str
    name: str


class _ClientInterceptor(grpc.UnaryUnaryClientInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    def __init__(
        self,
        dependency: str,
        target: str,
        token: str | None,
        service_name: str | None,
        timeout: float,
        retries: RetryPolicy,
    ) -> None:
        self._dependency = dependency
        host, _, port = target.rpartition(":")
        self._address: dict[str, Any] = {"server.address": host.rsplit("/", 1)[-1] or target}
        if port.isdigit():
            self._address["server.port"] = int(port)
        self._authorization = f"Bearer {token}" if token else None
        self._service_name = service_name
        self._timeout = timeout
        self._retries = retries
        self._budget = RetryBudget()

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        full = _text(client_call_details.method).lstrip("/")
        service, _, name = full.rpartition("/")
        if self._service_name is not None and service != self._service_name:
            raise ValueError(f"this channel is for {self._service_name}, not {service}")
        method = _Method(full, service, name)
        limit = client_call_details.timeout or self._timeout
        deadline = Deadline.after(limit * self._retries.attempts + 1).earliest(current_deadline())
        self._budget.earn()
        retry = 0
        while True:
            try:
                return self._attempt(continuation, client_call_details, request, method, deadline, limit, retry)
            except DependencyRefused:
                pause = self._retries.pause(retry)
                last = retry + 1 >= self._retries.attempts
                if last or pause >= deadline.remaining() or not self._budget.spend():
                    raise
                sleep(pause)
                count_retry(self._dependency, "grpc", name)
                retry += 1

    def _attempt(
        self,
        continuation: Any,
        details: Any,
        request: Any,
        method: _Method,
        deadline: Deadline,
        limit: float,
        retry: int,
    ) -> Any:
        full, service, name = method
        attributes = {"rpc.system": _SYSTEM, "rpc.service": service, "rpc.method": name, **self._address}
        if retry:
            attributes["rpc.resend_count"] = retry
        with Call(self._dependency, "grpc", name, name=full, attributes=attributes) as call:
            remaining = deadline.remaining()
            if remaining <= 0:
                raise DependencyRejected(self._dependency, name, "the deadline has passed")
            metadata = [(key, value) for key, value in details.metadata or ()]
            metadata.extend((key.lower(), value) for key, value in call.propagation().items())
            if self._authorization:
                metadata.append(("authorization", self._authorization))
            outcome = continuation(_CallDetails(details, min(limit, remaining), metadata), request)
            # Waits for the answer, so that the span and the sample cover the whole call, not only sending it.
            code = outcome.code()
            call.set("rpc.grpc.status_code", code.value[0])
            call.callee_kept(dict(_pairs(outcome.trailing_metadata())).get("traceresponse"))
            if code is grpc.StatusCode.OK:
                return outcome
            detail = redact_failure(str(outcome.details() or ""), 256)
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise DependencyTimeout(self._dependency, name, detail)
            if code is grpc.StatusCode.UNAVAILABLE:
                raise DependencyRefused(self._dependency, name, detail)
            if code in _CLIENT_FAULTS:
                call.fail(ERROR, code.name, detail)
            else:
                call.mark_error(code.name)
            return outcome


def server_interceptors(tokens: Mapping[str, str] | Iterable[str] = ()) -> list[grpc.ServerInterceptor[Any, Any]]:
    """The interceptors for grpc.server(): each RPC gets a span, ids, a deadline, metrics and an access line.

    ``tokens`` (a mapping caller → token, or tokens) identify callers that may continue their trace, in addition to
    TELEMETRY_TRUSTED_TOKENS. Authorizing callers is the service's responsibility.
    """
    values = tokens.values() if isinstance(tokens, Mapping) else tokens
    return [_ServerInterceptor(tuple(values))]


@dataclass(frozen=True, slots=True)
class _Server:
    """What the RPCs of a server share: the telemetry outputs, and time limits in seconds."""

    tracing: Tracing
    trust: Trust
    access: AccessLog
    handled: Family
    handling: Family
    request_timeout: float
    slow_request: float
    slow_routes: Mapping[str, float]


class _ServerInterceptor(grpc.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    def __init__(self, tokens: tuple[str, ...]) -> None:
        config = get_config()
        self._server = _Server(
            get_tracing(),
            Trust(config.trusted_parents, (*config.trusted_tokens, *tokens)),
            AccessLog(config),
            Family(rpc_server_handled_total),
            Family(rpc_server_handling_seconds),
            config.request_timeout,
            config.slow_request,
            config.slow_routes,
        )

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        method = _text(handler_call_details.method).lstrip("/")
        metadata = dict(_pairs(handler_call_details.invocation_metadata))
        kind, behaviour, make = _behaviour(handler)
        if handler.response_streaming:
            wrapped: Callable[[Any, Any], Any] = self._streaming(behaviour, method, metadata, kind)
        else:
            wrapped = self._unary(behaviour, method, metadata, kind)
        return make(
            wrapped, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )

    def _unary(self, behaviour: Any, method: str, metadata: dict[str, str], kind: str) -> Callable[[Any, Any], Any]:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            request, received = _received(request, kind)
            rpc = _Rpc(self._server, method, metadata, kind, context, received)
            try:
                answer = behaviour(request, rpc.context)
            except BaseException as exc:
                rpc.finish(exc)
                raise
            rpc.finish(None)
            return answer

        return handle

    def _streaming(
        self, behaviour: Any, method: str, metadata: dict[str, str], kind: str
    ) -> Callable[[Any, Any], Iterator[Any]]:
        def handle(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            request, received = _received(request, kind)
            rpc = _Rpc(self._server, method, metadata, kind, context, received)
            error: BaseException | None = None
            try:
                yield from behaviour(request, rpc.context)
            except BaseException as exc:
                error = exc
                raise
            finally:
                rpc.finish(error)

        return handle


class _Context:
    """A ServicerContext that records the status set by the handler and delegates everything else."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.status: grpc.StatusCode | None = None
        self.trailing: tuple[tuple[str, str | bytes], ...] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def set_code(self, code: grpc.StatusCode) -> None:
        self.status = code
        self._inner.set_code(code)

    def abort(self, code: grpc.StatusCode, details: str = "") -> Any:
        self.status = code
        return self._inner.abort(code, details)

    def abort_with_status(self, status: Any) -> Any:
        self.status = status.code
        return self._inner.abort_with_status(status)

    def set_trailing_metadata(self, trailing_metadata: Iterable[tuple[str, str | bytes]]) -> None:
        self.trailing = tuple(trailing_metadata)
        self._send_trailing()

    def _send_trailing(self) -> None:
        self._inner.set_trailing_metadata((*self.trailing, *self.extra))

    extra: tuple[tuple[str, str], ...] = ()

    def add_trailing(self, *pairs: tuple[str, str]) -> None:
        self.extra = pairs
        self._send_trailing()


class _Rpc:
    """One RPC in progress, from its first byte to its status."""

    def __init__(
        self,
        server: _Server,
        method: str,
        metadata: dict[str, str],
        kind: str,
        context: Any,
        requests: Sequence[Any],
    ) -> None:
        self._server = server
        self._method = method
        self._kind = kind
        remote, trusted = self._caller(metadata)
        left = context.time_remaining()
        timeout = server.request_timeout if left is None else min(left, server.request_timeout)
        self._unit = Unit(
            server.tracing,
            method,
            SpanKind.SERVER,
            remote if trusted else None,
            (Link(remote),) if remote is not None and not trusted else (),
            request_id=accept_request_id(metadata.get(REQUEST_ID_HEADER.lower())),
            deadline=Deadline.after(timeout),
        )
        sent = context.invocation_metadata() or ()
        self._unit.work.received = lambda: (
            [id(message) for message in requests],
            itertools.chain(
                _client_values.of_pairs(sent), *(_client_values.of_message(message) for message in requests)
            ),
        )
        self.context = _Context(context)
        self._token = otel_context.attach(context_for(self._unit.work))
        self._scope = errors.enter_scope()
        # Set now, so that an abort sends it too.
        self._announce()
        _close_old_connections()

    def _caller(self, metadata: dict[str, str]) -> tuple[SpanContext | None, bool]:
        """The caller's span, and whether it may be the parent."""
        try:
            trusted = "traceparent" in metadata and self._server.trust.allows(metadata.get("authorization"))
            # A tracestate is free text and would be exported with the link.
            state = metadata.get("tracestate") if trusted else None
            return parse_traceparent(metadata.get("traceparent"), state), trusted
        except Exception:
            internal_error("traces", "the caller of an RPC")
            return None, False

    @guarded("traces")
    def _announce(self) -> None:
        context, work = self._unit.context, self._unit.work
        pairs = [(REQUEST_ID_HEADER.lower(), work.request_id)]
        if context.is_valid:
            pairs.append(("traceresponse", format_traceparent(context, keep=work.kept)))
        self.context.add_trailing(*pairs)

    def finish(self, exc: BaseException | None) -> None:
        """End the span and the work, and write the samples and the access line. Never raises."""
        elapsed = self._unit.elapsed()
        _close_old_connections()
        try:
            self._emit(exc, elapsed)
        except Exception:
            internal_error("traces", "the end of an RPC")
            self._unit.end(elapsed, {}, failed=exc is not None)
        finally:
            errors.leave_scope(self._scope)
            otel_context.detach(self._token)

    def _emit(self, exc: BaseException | None, elapsed: int) -> None:
        unit, server = self._unit, self._server
        code = self.context.status or (grpc.StatusCode.UNKNOWN if exc is not None else grpc.StatusCode.OK)
        # After an abort, the exception is only how grpc exits the handler.
        error = exc if self.context.status is None else None
        failed = code in _SERVER_ERRORS
        if failed or elapsed > server.slow_routes.get(self._method, server.slow_request) * 1e9:
            unit.work.keep()
            if unit.work.kept:
                self._announce()
        if error is not None:
            errors.capture_exception(error)
            logger.error("%s failed.", self._method, exc_info=error)
            mark_as_said(error)
        about = self._about(code)
        try:
            exemplar = exemplar_of(unit.context) if unit.sampled else None
            labels = (self._kind, about["rpc.service"], about["rpc.method"])
            server.handled[(*labels, code.name)].inc(1, exemplar)
            server.handling[labels].observe(elapsed / 1e9, exemplar)
        except Exception:
            internal_error("metrics", "the samples of an RPC")
        try:
            if server.access.enabled():
                fields = {**about, "event.duration": elapsed, "event.outcome": "failure" if failed else "success"}
                if error is not None:
                    fields["error.type"] = name_of(type(error))
                server.access.write(f"{self._method} {code.name}", fields, hex_ids(unit.context), sampled=unit.sampled)
        except Exception:
            internal_error("logs", "the access line of an RPC")
        if failed:
            about["error.type"] = name_of(type(error)) if error is not None else code.name
        unit.end(elapsed, about, failed=failed, error=error)

    def _about(self, code: grpc.StatusCode) -> dict[str, Any]:
        """The attributes that both the span and the access line have."""
        service, _, name = self._method.rpartition("/")
        return {
            "rpc.system": _SYSTEM,
            "rpc.service": service,
            "rpc.method": name,
            "rpc.grpc.status_code": code.value[0],
            "request.id": self._unit.work.request_id,
        }


def _close_old_connections() -> None:
    """Django's, for a handler's databases. A failure to close one must not fail the RPC."""
    try:
        close_old_connections()
    except Exception:
        report("closing old connections")


def _behaviour(handler: Any) -> tuple[str, Any, Any]:
    """(grpc_type, the handler's function, the constructor for a handler of the same shape)."""
    if handler.request_streaming and handler.response_streaming:
        return "bidi_stream", handler.stream_stream, grpc.stream_stream_rpc_method_handler
    if handler.request_streaming:
        return "client_stream", handler.stream_unary, grpc.stream_unary_rpc_method_handler
    if handler.response_streaming:
        return "server_stream", handler.unary_stream, grpc.unary_stream_rpc_method_handler
    return "unary", handler.unary_unary, grpc.unary_unary_rpc_method_handler


def _received(request: Any, kind: str) -> tuple[Any, Sequence[Any]]:
    """The handler's argument, and the received messages: of a stream, the last few."""
    if kind not in _REQUEST_STREAMS:
        return request, (request,)
    last: deque[Any] = deque(maxlen=8)

    def messages() -> Iterator[Any]:
        for message in request:
            last.append(message)
            yield message

    return messages(), last


def _pairs(metadata: Any) -> Iterator[tuple[str, str]]:
    """Metadata as pairs of text; binary values are left out."""
    for key, value in metadata or ():
        if isinstance(value, str):
            yield key, value


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
