"""The provider's HTTP interface."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, request
from platform_settings import hosts
from werkzeug.exceptions import HTTPException

from card_provider.behaviour import Behaviour, Control, InvalidBehaviour
from card_provider.ledger import DECLINED, Ledger, Refusal

MAX_BODY_BYTES = 16 * 1024

_FIELDS = {
    "amount": re.compile(r"[0-9]{1,10}\.[0-9]{2}"),
    "currency": re.compile(r"[A-Z]{3}"),
    "source": re.compile(r"[A-Za-z0-9_-]{1,64}"),
    "idempotency_key": re.compile(r"[\x20-\x7e]{1,255}"),
}

Answer = tuple[dict[str, Any], int]


def create_app(control: Control, ledger: Ledger, in_flight: Callable[[], int]) -> Flask:  # noqa: C901 - a factory: routes
    """Create the application. `in_flight` returns the number of requests in flight."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES

    @app.before_request
    def refuse_web_pages() -> Answer | None:
        """A page in a browser on this machine must not change the behaviour."""
        reason = hosts.refusal(request.headers)
        return None if reason is None else ({"code": "forbidden", "detail": reason}, 403)

    def work(answer: Callable[[], Answer]) -> Answer:
        """Apply the latency and the failures of the current behaviour."""
        latency, fails_before, fails_after = control.draw()
        if fails_before:
            time.sleep(latency)
            return {"code": "internal_error"}, 500
        # The work is done before the delay: a client that disconnects meanwhile has been charged.
        answered = answer()
        time.sleep(latency)
        return ({"code": "internal_error"}, 500) if fails_after else answered

    @app.post("/v1/charges")
    def charge() -> Answer:
        key, amount, currency, source = _strings("idempotency_key", "amount", "currency", "source")

        def answer() -> Answer:
            made = ledger.charge(key, amount, currency, source)
            if made.status == DECLINED:
                return {"code": made.decline_code, **made.as_json()}, 402
            return {**made.as_json()}, 201

        return work(answer)

    @app.post("/v1/charges/<charge_id>/refund")
    def refund(charge_id: str) -> Answer:
        _body()
        return work(lambda: ({**ledger.refund(charge_id).as_json()}, 200))

    @app.post("/v1/cancellations")
    def cancel() -> Answer:
        (key,) = _strings("idempotency_key")
        return work(lambda: ({**ledger.cancel(key).as_json()}, 200))

    @app.get("/admin/behaviour")
    def behaviour() -> Answer:
        return control.behaviour.as_json(), 200

    @app.put("/admin/behaviour")
    def behave() -> Answer:
        try:
            control.behaviour = Behaviour.parse(_body())
        except InvalidBehaviour as error:
            return {"code": "invalid_behaviour", "detail": str(error)}, 400
        return control.behaviour.as_json(), 200

    @app.get("/healthz")
    def health() -> Answer:
        return {"status": "ok", "in_flight": in_flight() - 1}, 200

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Answer:
        return {"code": refusal.code}, refusal.status

    @app.errorhandler(HTTPException)
    def not_served(error: HTTPException) -> Answer:
        return {"code": error.name.lower().replace(" ", "_")}, error.code or 500

    return app


def _body() -> Any:
    """Return the request's JSON; an empty body is an empty object. Raises Refusal."""
    if "Transfer-Encoding" in request.headers:
        raise Refusal(411, "length_required")
    raw = request.get_data(cache=False)
    try:
        return json.loads(raw) if raw else {}
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid_request") from None


def _strings(*names: str) -> list[str]:
    """Return these members of the request body. Raises Refusal for one that is missing or malformed."""
    body = _body()
    if not isinstance(body, dict):
        raise Refusal(400, "invalid_request")
    values = []
    for name in names:
        value = body.get(name)
        if not (isinstance(value, str) and _FIELDS[name].fullmatch(value)):
            raise Refusal(400, "invalid_request")
        values.append(value)
    return values
