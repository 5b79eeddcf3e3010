"""The HTTP interface: Sentry's two endpoints for events, the health check and the metrics."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from platform_settings import hosts
from prometheus_client.exposition import choose_encoder
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from platform_errors import incoming
from platform_errors.counters import Counters
from platform_errors.documents import document
from platform_errors.forward import Forwarding
from platform_errors.incoming import Refused
from platform_errors.store import RETRY_AFTER_SECONDS, Store

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

logger = logging.getLogger("errors")

_ROUTES = Map(
    [
        Rule("/api/<int:project>/envelope/", methods=["POST"], endpoint="envelope", strict_slashes=False),
        Rule("/api/<int:project>/store/", methods=["POST"], endpoint="store", strict_slashes=False),
        Rule("/healthz", methods=["GET"], endpoint="health"),
        Rule("/metrics", methods=["GET"], endpoint="metrics"),
    ]
)
# Bodies are read at the same time, at most so many: together with the queue this bounds the memory.
_READERS = 4


class App:
    """A WSGI application. `key` is the DSN's."""

    def __init__(self, key: str, store: Store, forwarding: Forwarding, counters: Counters) -> None:
        self._key = key
        self._store = store
        self._forwarding = forwarding
        self._counters = counters
        self._reading = threading.BoundedSemaphore(_READERS)
        # One envelope at a time becomes Python objects.
        self._parsing = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            endpoint, _ = _ROUTES.bind_to_environ(environ).match()
            response = self._respond(endpoint, Request(environ))
        except HTTPException as error:
            return error(environ, start_response)
        except Refused as refusal:
            response = self._refuse(refusal)
        return response(environ, start_response)

    def _respond(self, endpoint: str, request: Request) -> Response:
        reason = hosts.refusal(dict(request.headers))
        if reason is not None:
            raise Refused(403, "web_page", reason)
        if endpoint == "health":
            return _json({"status": "ok", "elasticsearch": self._store.is_reachable})
        if endpoint == "metrics":
            encode, content_type = choose_encoder(request.headers.get("Accept", ""))
            return Response(encode(self._counters.registry), content_type=content_type)
        header = request.headers.get("X-Sentry-Auth", "") or request.headers.get("Authorization", "")
        incoming.check_key(self._key, header, request.args.get("sentry_key", ""))
        with self._reading:
            return self._accept(endpoint, self._body(request), request.headers.get("Content-Encoding", "").lower())

    def _body(self, request: Request) -> bytes:
        # One more: without a length, werkzeug ends the body at the limit and raises nothing.
        request.max_content_length = incoming.LARGEST_BODY_BYTES + 1
        try:
            body = request.get_data(cache=False)
        except RequestEntityTooLarge:
            raise incoming.too_large() from None
        except ClientDisconnected:
            raise Refused(400, "broken", "the connection ended within the body") from None
        if len(body) > incoming.LARGEST_BODY_BYTES:
            raise incoming.too_large()
        return body

    def _accept(self, endpoint: str, body: bytes, encoding: str) -> Response:
        parse = incoming.parse_envelope if endpoint == "envelope" else incoming.parse_event
        with self._parsing:
            envelope = parse(incoming.decompress(body, encoding))
            now = datetime.now(UTC)
            documents = [document(event, now) for event in incoming.events(envelope)]
            if not self._store.put(documents):
                raise Refused(429, "queue_full", "the queue is full")
            self._forwarding.forward(envelope)
            for item in envelope.items:
                if item.type != "event":
                    self._counters.ignore(item.type if isinstance(item.type, str) else None)
        return _json({"id": documents[0][0]} if documents else {})

    def _refuse(self, refusal: Refused) -> Response:
        self._counters.refusals.labels(refusal.reason).inc()
        response = _json({"detail": refusal.detail}, refusal.status)
        if refusal.status == 429:
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


def _json(document: object, status: int = 200) -> Response:
    return Response(json.dumps(document), status, content_type="application/json")
