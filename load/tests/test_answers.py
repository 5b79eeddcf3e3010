from __future__ import annotations

import pytest

from load.answers import Answer, fault_in, trace_id_of
from load.pacing import MAX_BACKOFF_SECONDS, backoff

TRACE = "0af7651916cd43dd8448eb211c80319c"
PROBLEM = "application/problem+json"


def problem(answered: int = 402, **members: object) -> Answer:
    return Answer(answered, PROBLEM, {"status": answered, "code": "card_declined", "trace_id": TRACE, **members}, TRACE)


def test_the_trace_id_comes_from_the_header() -> None:
    headers = {"traceresponse": f"00-{TRACE}-b7ad6b7169203331-01"}
    assert trace_id_of(headers, {"trace_id": "f" * 32}) == TRACE


@pytest.mark.parametrize("header", ["", "00-xyz", TRACE, f"00-{TRACE}-01", f"00-{TRACE.upper()}-b7ad6b7169203331-01"])
def test_a_malformed_header_is_no_trace_id(header: str) -> None:
    assert trace_id_of({"traceresponse": header}) is None


def test_a_problem_names_its_trace_where_the_header_is_missing() -> None:
    assert trace_id_of({}, {"trace_id": TRACE}) == TRACE
    assert trace_id_of({}, {"trace_id": 7}) is None
    assert trace_id_of({}, ["trace_id"]) is None


def test_the_expected_responses_have_no_fault() -> None:
    assert fault_in(Answer(201, "application/json", {}, TRACE), 201, None) is None
    assert fault_in(problem(), 402, "card_declined") is None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(0, "", None, None), "expected 402, got no answer"),
        (Answer(201, "application/json", {}, TRACE), "expected 402, got 201"),
        (problem(503, dependency="payments"), "expected 402, got 503 card_declined payments"),
        (Answer(402, "text/html", None, TRACE), f"expected {PROBLEM}, got text/html"),
        (Answer(402, PROBLEM, None, TRACE), "the problem's `status` is not the answer's"),
        (problem(402, status=400), "the problem's `status` is not the answer's"),
        (Answer(402, PROBLEM, {"status": 402, "code": "card_declined"}, None), "the problem names no trace"),
        (problem(402, code="insufficient_funds"), "expected code card_declined, got insufficient_funds"),
    ],
)
def test_every_other_response_has_a_fault_with_the_actual_result(answer: Answer, fault: str) -> None:
    assert fault_in(answer, 402, "card_declined") == fault


def test_the_backoff_grows_and_is_bounded() -> None:
    assert 0.5 <= backoff(1) <= 1.0
    assert 2.0 <= backoff(3) <= 4.0
    assert all(MAX_BACKOFF_SECONDS / 2 <= backoff(silent) <= MAX_BACKOFF_SECONDS for silent in (6, 50, 10**6))
