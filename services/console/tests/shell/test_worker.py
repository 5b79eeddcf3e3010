"""Requests that never reach Django are answered with a page."""

from __future__ import annotations

from config import gunicorn
from config.worker import PageWorker

PROBLEM = {"title": "URI Too Long", "status": 414, "detail": "Too long: <b>", "request_id": "1"}


def test_a_malformed_request_gets_a_page() -> None:
    media_type, body = PageWorker.represent(PageWorker.__new__(PageWorker), PROBLEM)
    assert media_type == "text/html; charset=utf-8"
    assert body.startswith(b"<!DOCTYPE html>")
    assert b"Too long: &lt;b&gt;" in body


def test_the_console_is_served_by_that_worker_and_takes_long_log_queries() -> None:
    settings = vars(gunicorn)
    assert settings["worker_class"] == "config.worker.PageWorker"
    assert settings["limit_request_line"] == 8190
