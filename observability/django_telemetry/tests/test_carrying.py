"""Threads and pool tasks belong to the unit of work that starts them; daemon threads and pool workers don't."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from django_telemetry import _carrying
from django_telemetry.context import carry, request_id, trace_ids, unit_of_work
from django_telemetry.edges import timed_call

from .harness import Everything, MemoryProcessor


class _Asking(threading.Thread):
    """A thread with an overridden run() that records which unit of work it belongs to."""

    def __init__(self, *, daemon: bool = False) -> None:
        super().__init__(daemon=daemon)
        self.found: str | None = "it never ran"

    def run(self) -> None:
        self.found = request_id()


def _found_by(thread: _Asking) -> str | None:
    thread.start()
    thread.join(10)
    return thread.found


def test_a_thread_belongs_to_the_work_that_starts_it() -> None:
    with unit_of_work("parent") as work:
        assert _found_by(_Asking()) == work.request_id
    assert _found_by(_Asking()) is None, "started outside of any work"


def test_a_timer_belongs_to_the_work_that_starts_it() -> None:
    found: list[str | None] = []

    def note() -> None:
        found.append(request_id())

    with unit_of_work("parent") as work:
        timer = threading.Timer(0, note)
        timer.start()
        timer.join(10)
    assert found == [work.request_id]


def test_a_daemon_thread_belongs_to_no_work_unless_it_is_bound() -> None:
    found: list[str | None] = []

    def note() -> None:
        found.append(request_id())

    with unit_of_work("parent") as work:
        assert _found_by(_Asking(daemon=True)) is None, "a pool's maintenance thread would keep these ids for ever"
        bound = threading.Thread(target=carry(note), daemon=True)
        bound.start()
        bound.join(10)
    assert found == [work.request_id]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_exception_that_ends_a_thread_is_reported_with_the_ids_and_without_the_values_of_its_work(
    everything: Everything,
) -> None:
    planted = "".join(("hunter2", "planted"))

    def fail(value: str) -> None:
        raise ValueError(f"could not use {value}")

    with unit_of_work("parent") as work:
        work.received = lambda: ((), iter([planted]))
        thread = threading.Thread(target=fail, args=(planted,))
        thread.start()
        thread.join(10)
    text = everything.text()["errors"]
    assert work.request_id in text
    assert text.count('"exception"') == 1
    everything.check(planted, said=("errors",))


def test_spans_of_a_thread_are_children_of_the_work(spans: MemoryProcessor) -> None:
    def call() -> None:
        with timed_call("users", "http", "GET /u"):
            pass

    with unit_of_work("parent"):
        thread = threading.Thread(target=call)
        thread.start()
        thread.join(10)
    parent, child = spans.named("parent").context, spans.named("GET /u").parent
    assert parent is not None
    assert child == parent


def test_each_task_of_a_pool_belongs_to_the_work_that_submits_it() -> None:
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work("first") as first:
            assert pool.submit(request_id).result(10) == first.request_id
        with unit_of_work("second") as second:
            assert list(pool.map(lambda _: request_id(), range(2), timeout=10)) == [second.request_id] * 2
            assert request_id() == second.request_id, "submit() must leave the current work as it was"
        assert pool.submit(lambda: (request_id(), trace_ids())).result(10) == (None, None)


def test_a_thread_of_a_pool_belongs_to_no_work_between_tasks() -> None:
    found: list[str | None] = []
    with unit_of_work("first"), ThreadPoolExecutor(1, initializer=lambda: found.append(request_id())) as pool:
        pool.submit(int).result(10)
    assert found == [None]


def test_exceptions_and_arguments_of_a_task_pass_through() -> None:
    with unit_of_work("parent"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(int, "11", base=2).result(10) == 3
        with pytest.raises(ValueError, match="invalid literal"):
            pool.submit(int, "x").result(10)


def test_a_finished_thread_is_freed_at_once() -> None:
    gc.disable()
    try:
        with unit_of_work("parent"):
            thread = _Asking()
            _found_by(thread)
        freed = weakref.ref(thread)
        del thread
        assert freed() is None, "something still refers to the thread, and only the collector would free it"
    finally:
        gc.enable()


def test_a_thread_that_could_not_start_can_be_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = _Asking()
    with unit_of_work("parent") as work:
        with monkeypatch.context() as system:
            system.setattr(_carrying, "_start", _no_more_threads)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                thread.start()
        assert _found_by(thread) == work.request_id


def _no_more_threads(*_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_installing_twice_propagates_once() -> None:
    before = (threading.Thread.start, ThreadPoolExecutor.submit)
    _carrying.install()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == before
