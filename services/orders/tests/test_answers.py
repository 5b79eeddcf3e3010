"""Every way in which an order can fail has a response."""

from __future__ import annotations

import uuid

import pytest
from contracts.api.problems import DependencyUnavailable
from ordering.api import answers
from ordering.domain import OrderFailed
from ordering.failures import FAILURES, INTERRUPTED, Failure
from ordering.models import Reason

FINAL = [failure for failure in FAILURES.values() if failure.is_final]
INVALID = [failure for failure in FAILURES.values() if failure.reason.endswith("_invalid")]
OTHERS = [failure for failure in FAILURES.values() if not failure.is_final and failure not in INVALID]


def test_every_reason_has_a_failure() -> None:
    assert {failure.reason for failure in (*FAILURES.values(), INTERRUPTED)} == set(Reason)


@pytest.mark.parametrize("failure", FINAL, ids=lambda failure: failure.reason)
def test_a_final_failure_is_answered_with_the_order(failure: Failure) -> None:
    order_id = uuid.uuid4()
    answer = answers.represent(OrderFailed(order_id, failure))
    assert answer.status in {402, 409}
    assert answer.body["order_id"] == str(order_id)


@pytest.mark.parametrize("failure", OTHERS, ids=lambda failure: failure.reason)
def test_any_other_failure_is_an_unavailable_dependency(failure: Failure) -> None:
    problem = answers.problem(OrderFailed(uuid.uuid4(), failure))
    assert isinstance(problem, DependencyUnavailable)
    assert problem.wait


@pytest.mark.parametrize("failure", INVALID, ids=lambda failure: failure.reason)
def test_an_invalid_answer_names_its_dependency(failure: Failure) -> None:
    problem = answers.problem(OrderFailed(uuid.uuid4(), failure))
    assert (problem.status_code, problem.problem_code) == (502, "dependency_invalid")
    assert problem.extra["dependency"] in {"users", "inventory", "payments"}


def test_an_interrupted_order_may_be_sent_again() -> None:
    problem = answers.problem(OrderFailed(uuid.uuid4(), INTERRUPTED))
    assert (problem.status_code, problem.problem_code, problem.wait) == (503, "interrupted", 1)
