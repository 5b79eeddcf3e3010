"""The card provider: the only dependency that this service calls. Handles every answer, including malformed ones."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import requests
from django.conf import settings
from django_telemetry.deadlines import Deadline
from django_telemetry.http import DependencyError, RetryPolicy, Session

logger = logging.getLogger(__name__)

DEPENDENCY = "card-provider"
CHARGE, REFUND, CANCEL = "/v1/charges", "/v1/charges/{id}/refund", "/v1/cancellations"
OPERATIONS = tuple(f"POST {template}" for template in (CHARGE, REFUND, CANCEL))
# The provider's own p99 is about 0.6 s: waiting longer than five times that is pointless.
TIMEOUT_SECONDS = 3.0
# One answer is a few hundred bytes.
MAX_ANSWER_BYTES = 64 * 1024
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CODE = re.compile(r"[a-z_]{1,64}")


@dataclass(frozen=True)
class Captured:
    """The money was taken; `reference` is the provider's id for it."""

    reference: str


@dataclass(frozen=True)
class Declined:
    """The card's bank declined."""

    code: str


@dataclass(frozen=True)
class InvalidSource:
    """The provider doesn't know this payment token."""


@dataclass(frozen=True)
class KeyCancelled:
    """The key was cancelled before; no money was or will be taken under it."""


ChargeAnswer = Captured | Declined | InvalidSource | KeyCancelled


@dataclass(frozen=True)
class Cancellation:
    """The result of a cancelled key: `refunded`, `cancelled`, or declined anyway (with its code)."""

    status: str
    decline_code: str = ""


class ProviderUnavailable(Exception):
    """No usable answer, so the result at the provider is unknown.

    `reason` is timeout, refused, rejected, error or malformed.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the card provider gave no usable answer: {reason}")
        self.reason = reason


class RefundRefused(Exception):
    """The provider refuses the refund permanently. `code` is its reason."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the card provider refuses the refund: {code}")
        self.code = code


class CardProvider:
    """Client of the provider's HTTP API. Calls are idempotent, and take at most `timeout` seconds including the retry.

    A refused connection is therefore retried at once, and a call that timed out is not: its time is used up.
    """

    def __init__(self, base_url: str, timeout: float = TIMEOUT_SECONDS) -> None:
        self._timeout = timeout
        self._session = Session(
            DEPENDENCY,
            base_url,
            timeout=timeout,
            retries=RetryPolicy(attempts=2),
            max_response_bytes=MAX_ANSWER_BYTES,
        )

    def charge(self, key: str, amount: Decimal, currency: str, source: str) -> ChargeAnswer:
        """Take money once per key. Raises ProviderUnavailable when it is unknown whether it was taken."""
        body = {"idempotency_key": key, "amount": f"{amount:.2f}", "currency": currency, "source": source}
        answer = self._post(CHARGE, key, body)
        data = _object(answer)
        code = data.get("code")
        match answer.status_code:
            case 201 | 200 if data.get("status") == "captured" and _same_money(data, body):
                return Captured(_reference(data.get("id")))
            case 402:
                return Declined(_code(code))
            case 400 if code == "invalid_source":
                return InvalidSource()
            case 409 if code == "canceled":
                return KeyCancelled()
        raise _unusable(answer)

    def refund(self, reference: str) -> None:
        """Refund a captured charge. Raises RefundRefused, ProviderUnavailable."""
        answer = self._post(REFUND, f"refund-{reference}", {}, id=reference)
        data = _object(answer)
        if answer.status_code == 200 and data.get("status") == "refunded":
            return
        if answer.status_code in {404, 409}:
            raise RefundRefused(_code(data.get("code")))
        raise _unusable(answer)

    def cancel(self, key: str) -> Cancellation:
        """Undo a charge by its key, and block the key permanently. Raises ProviderUnavailable."""
        answer = self._post(CANCEL, f"cancel-{key}", {"idempotency_key": key})
        data = _object(answer)
        if answer.status_code == 200:
            match data.get("status"):
                case "canceled":
                    return Cancellation("cancelled")
                case "refunded":
                    return Cancellation("refunded")
                case "declined":
                    return Cancellation("declined", _code(data.get("decline_code")))
        raise _unusable(answer)

    def _post(self, template: str, key: str, body: dict[str, str], **path_params: str) -> requests.Response:
        try:
            return self._session.request(
                "POST",
                template,
                path_params=path_params,
                json=body,
                headers={"Idempotency-Key": key},
                deadline=Deadline.after(self._timeout),
            )
        except DependencyError as error:
            raise ProviderUnavailable(error.outcome) from error


@cache
def card_provider() -> CardProvider:
    """Return the process's client for settings.CARD_PROVIDER_URL."""
    return CardProvider(settings.CARD_PROVIDER_URL)


def _object(answer: requests.Response) -> dict[str, Any]:
    """Return the answer's JSON object; an empty one for any other content, which then matches no case."""
    try:
        data = answer.json()
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _unusable(answer: requests.Response) -> ProviderUnavailable:
    reason = "error" if answer.status_code >= 500 else "malformed"
    logger.warning(
        "The card provider's answer can't be used",
        extra={"http.response.status_code": answer.status_code, "reason": reason},
    )
    return ProviderUnavailable(reason)


def _reference(value: Any) -> str:
    if not isinstance(value, str) or not _REFERENCE.fullmatch(value):
        raise ProviderUnavailable("malformed")
    return value


def _code(value: Any) -> str:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else "other"


def _same_money(data: dict[str, Any], body: dict[str, str]) -> bool:
    return (data.get("amount"), data.get("currency")) == (body["amount"], body["currency"])
