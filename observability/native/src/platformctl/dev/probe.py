"""The probe: places one order and follows it through traces, logs, metrics and mail; reports an error and finds it."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import catalogue
import requests
from catalogue import graph
from rich.console import Console

from platformctl.app import Platform
from platformctl.errors import ProbeFailed
from platformctl.run.environment import ERRORS_KEY
from platformctl.run.search import ERRORS, LOGS
from platformctl.settings import port_variable

Found = TypeVar("Found")

REQUEST_SECONDS = 15.0
SIGNAL_SECONDS = 45.0
# One scrape. The exemplar is optional: under load another request may have replaced it.
EXEMPLAR_SECONDS = 6.0
POLL_SECONDS = 0.25
CARD = "tok_ok"
EXPECTED_SERVICES = frozenset(graph.crossed_by(catalogue.load(), "place-order"))
COUNTER = "orders_placed_total"
LATENCY = "django_http_requests_latency_seconds_by_view_method_bucket"


@dataclass(frozen=True)
class Result:
    """The result of the probe. Seconds count from the moment at which the order was sent."""

    order_id: str
    trace_id: str
    order_seconds: float
    trace_seconds: float
    span_count: int
    log_lines: int
    log_services: tuple[str, ...]
    sample: str
    exemplar: bool
    mail: str
    error: str


class Target(Protocol):
    """The running platform under test."""

    @property
    def mail_folder(self) -> Path | None:
        """The folder of sent mails; None if they are sent by SMTP."""

    @property
    def errors_key(self) -> str:
        """The key of the receiver of errors; empty if errors go to another Sentry."""

    def url(self, variable: str, path: str = "") -> str:
        """The URL behind a port variable such as ORDERS_PORT, with the login if the server needs one."""

    def log_tail(self, process: str) -> Sequence[str]:
        """The last lines of a process's log, if they can be read from here."""

    def advice(self, process: str) -> str:
        """What to do when a signal of this process is missing."""


class Native:
    """The platform without Docker."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @property
    def mail_folder(self) -> Path | None:
        return None if self._platform.settings.email_url else self._platform.paths.mail

    @property
    def errors_key(self) -> str:
        return "" if self._platform.settings.sentry_dsn else self._platform.secrets.get(ERRORS_KEY)

    def url(self, variable: str, path: str = "") -> str:
        return self._platform.url(variable, path)

    def log_tail(self, process: str) -> Sequence[str]:
        return self._platform.runner.log_tail(process)

    def advice(self, process: str) -> str:
        return f"make status; make logs s={process}; after the correction: make probe"


def run(target: Target, console: Console) -> Result:
    """Place the order and wait for each signal. Raises ProbeFailed with the step, the end of a log, and what to do."""
    console.print("Probe: sign up, log in, choose a product, order it, and look for it in every signal ...")
    return _Probe(target).run()


class _Probe:
    def __init__(self, target: Target) -> None:
        self._target = target
        self._http = requests.Session()
        self._token = ""

    def run(self) -> Result:
        email = f"probe-{uuid.uuid4().hex[:12]}@example.com"
        password = secrets.token_urlsafe(18)
        account = {"email": email, "password": password}
        self._post("sign up", "users", "/api/v1/users", account | {"name": "Probe"})
        self._token = self._post("log in", "users", "/api/v1/token", account).json()["access"]
        product = self._product()
        sent, sent_at = time.monotonic(), time.time()
        item = {"product_id": product["id"], "quantity": 1}
        key = {"Idempotency-Key": str(uuid.uuid4())}
        placed = self._post("place an order", "orders", "/api/v1/orders", {"items": [item], "payment_token": CARD}, key)
        order_seconds = time.monotonic() - sent
        order_id, trace_id = placed.json()["id"], self._trace_id(placed)
        spans = self._wait("its whole trace in Jaeger", "jaeger", lambda: self._trace(trace_id))
        trace_seconds = time.monotonic() - sent
        lines = self._wait("its log lines in Elasticsearch", "rsyslog", lambda: self._log_lines(trace_id))
        counted = self._counted()
        sample = self._wait("its sample in Prometheus", "prometheus", lambda: self._sample(counted, sent_at))
        mail = self._wait("its mail", "notifications-consumer", lambda: self._mail(order_id))
        error = self._error(trace_id)
        return Result(
            order_id=order_id,
            trace_id=trace_id,
            order_seconds=order_seconds,
            trace_seconds=trace_seconds,
            span_count=len(spans),
            log_lines=sum(lines.values()),
            log_services=tuple(sorted(lines)),
            sample=sample,
            exemplar=self._comes_true(lambda: self._has_exemplar(trace_id), EXEMPLAR_SECONDS),
            mail=mail,
            error=error,
        )

    def _product(self) -> Mapping[str, Any]:
        answer = self._request("list products", "inventory", "GET", "/api/v1/products")
        products: list[dict[str, Any]] = answer.json()["results"]
        plenty = max(products, key=lambda product: int(product["available"]), default=None)
        if plenty is None or plenty["available"] < 1:
            raise self._failure("list products", "inventory-seed", "nothing is in stock")
        return plenty

    def _trace(self, trace_id: str) -> list[dict[str, Any]] | None:
        answer = self._http.get(
            self._target.url("JAEGER_QUERY_PORT", f"/api/traces/{trace_id}"), timeout=REQUEST_SECONDS
        )
        if answer.status_code != requests.codes.ok:
            return None
        (trace,) = answer.json()["data"]
        services = {process["serviceName"] for process in trace["processes"].values()}
        kinds = {tag["value"] for span in trace["spans"] for tag in span["tags"] if tag["key"] == "span.kind"}
        is_whole = services >= EXPECTED_SERVICES and "consumer" in kinds
        return trace["spans"] if is_whole else None

    def _log_lines(self, trace_id: str) -> dict[str, int] | None:
        """The number of lines by service, once every service has written at least one."""
        query = {
            "size": 0,
            "query": {"term": {"trace.id": trace_id}},
            "aggs": {"services": {"terms": {"field": "service.name", "size": 20}}},
        }
        url = self._target.url("ELASTICSEARCH_PORT", f"/{LOGS}/_search")
        answer = self._http.post(url, json=query, timeout=REQUEST_SECONDS)
        if answer.status_code != requests.codes.ok:
            return None
        buckets = answer.json()["aggregations"]["services"]["buckets"]
        counts = {bucket["key"]: bucket["doc_count"] for bucket in buckets}
        return counts if set(counts) >= EXPECTED_SERVICES else None

    def _counted(self) -> float:
        """The order counter of the orders service itself, the probe's order included."""
        text = self._http.get(self._target.url("ORDERS_METRICS_PORT", "/metrics"), timeout=REQUEST_SECONDS).text
        values = [line.split()[1] for line in text.splitlines() if line.startswith(f"{COUNTER} ")]
        if not values:
            raise self._failure("its sample in Prometheus", "orders", f"orders' metrics have no {COUNTER}")
        return float(values[0])

    def _sample(self, counted: float, sent_at: float) -> str | None:
        """The counter's sample in Prometheus, once it has one that was scraped after the order."""
        selector = f'{COUNTER}{{process="orders"}}'
        value, taken = self._query(selector), self._query(f"timestamp({selector})")
        if value is None or taken is None or taken < sent_at or value < counted:
            return None
        return f"{selector} {value:.0f}, scraped {taken - sent_at:.1f} s after the order was sent"

    def _query(self, expression: str) -> float | None:
        url = self._target.url("PROMETHEUS_PORT", "/api/v1/query")
        answer = self._http.get(url, params={"query": expression}, timeout=REQUEST_SECONDS)
        result = answer.json()["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def _has_exemplar(self, trace_id: str) -> bool:
        """Whether a latency bucket of orders has an exemplar with this trace."""
        now = datetime.now(UTC)
        params = {
            "query": f'{LATENCY}{{service="orders"}}',
            "start": (now - timedelta(minutes=5)).isoformat(),
            "end": now.isoformat(),
        }
        url = self._target.url("PROMETHEUS_PORT", "/api/v1/query_exemplars")
        series = self._http.get(url, params=params, timeout=REQUEST_SECONDS).json().get("data") or []
        labels = [exemplar["labels"] for entry in series for exemplar in entry["exemplars"]]
        return any(label.get("trace_id") == trace_id for label in labels)

    def _mail(self, order_id: str) -> str | None:
        """The location of the mail: a file, or (by SMTP) the mail that notifications reports as sent."""
        answer = self._http.get(
            self._url("notifications", "/api/v1/notifications"), headers=self._authorization(), timeout=REQUEST_SECONDS
        )
        sent = [item for item in answer.json().get("results", []) if item["order_id"] == order_id]
        folder = self._target.mail_folder
        if not sent or folder is None:
            return f"sent by SMTP, {sent[0]['kind']}" if sent else None
        newest = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime)[-200:]
        return next((str(file) for file in reversed(newest) if order_id in file.read_text(errors="replace")), None)

    def _error(self, trace_id: str) -> str:
        """Report an event as services report errors, below their level, and find it in the store."""
        if not self._target.errors_key:
            return "not looked for: SENTRY_DSN sends errors elsewhere"
        event = {
            "level": "info",
            "message": "The probe's event: not an error",
            "tags": {"service.name": "probe"},
            "contexts": {"trace": {"trace_id": trace_id}},
        }
        url = self._target.url("ERRORS_PORT", "/api/1/store/")
        key = {"X-Sentry-Auth": f"Sentry sentry_key={self._target.errors_key}"}
        step = "its event in the store of errors"
        try:
            answer = self._http.post(url, json=event, headers=key, timeout=REQUEST_SECONDS)
        except requests.RequestException as error:
            raise self._failure(step, "error-receiver", str(error)) from error
        if not answer.ok:
            raise self._failure(step, "error-receiver", f"it answers {answer.status_code}: {answer.text[:500]}")
        event_id = answer.json()["id"]
        return self._wait(step, "error-receiver", lambda: self._stored(event_id, trace_id))

    def _stored(self, event_id: str, trace_id: str) -> str | None:
        query = {"query": {"ids": {"values": [event_id]}}}
        url = self._target.url("ELASTICSEARCH_PORT", f"/{ERRORS}/_search")
        answer = self._http.post(url, json=query, timeout=REQUEST_SECONDS)
        hits = answer.json()["hits"]["hits"] if answer.status_code == requests.codes.ok else []
        return f"{ERRORS}, event {event_id}" if hits and hits[0]["_source"]["trace"]["id"] == trace_id else None

    def _trace_id(self, answer: requests.Response) -> str:
        parts = answer.headers.get("traceresponse", "").split("-")
        if len(parts) != 4:
            raise self._failure("place an order", "orders", "the answer has no traceresponse header")
        return parts[1]

    @staticmethod
    def _comes_true(ask: Callable[[], bool], within: float) -> bool:
        deadline = time.monotonic() + within
        while not (answer := ask()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return answer

    def _wait(self, what: str, process: str, ask: Callable[[], Found | None]) -> Found:
        deadline = time.monotonic() + SIGNAL_SECONDS
        error = ""
        while time.monotonic() < deadline:
            try:
                found = ask()
            except (requests.RequestException, ValueError, KeyError) as problem:
                found, error = None, f" ({problem})"
            if found is not None:
                return found
            time.sleep(POLL_SECONDS)
        raise self._failure(what, process, f"not there after {SIGNAL_SECONDS:.0f} s{error}")

    def _post(
        self, step: str, service: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        return self._request(step, service, "POST", path, json=body, headers=headers)

    def _request(
        self,
        step: str,
        service: str,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        try:
            answer = self._http.request(
                method,
                self._url(service, path),
                json=json,
                headers={**self._authorization(), **(headers or {})},
                timeout=REQUEST_SECONDS,
            )
        except requests.RequestException as error:
            raise self._failure(step, service, str(error)) from error
        if not answer.ok:
            raise self._failure(step, service, f"{method} {path} answers {answer.status_code}: {answer.text[:500]}")
        return answer

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _url(self, service: str, path: str) -> str:
        return self._target.url(port_variable(service), path)

    def _failure(self, step: str, process: str, reason: str) -> ProbeFailed:
        lines = self._target.log_tail(process)
        return ProbeFailed(
            f"the probe failed at: {step}: {reason}",
            detail=[f"last lines of {process}:", *lines] if lines else [],
            advice=self._target.advice(process),
        )
