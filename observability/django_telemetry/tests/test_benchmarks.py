"""The benchmark's variants are instrumented as named; ``make bench`` does the measurement."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from benchmarks import load, processors, report
from benchmarks.project import VARIANTS
from platform_testing.polling import eventually

from .harness import free_port

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(("interface", "clock"), [("wsgi", "request"), ("asgi", "process")])
@pytest.mark.parametrize("variant", [name for name in VARIANTS if name == "bare" or name.endswith("-all")])
def test_a_variant_serves_requests(variant: str, interface: str, clock: str) -> None:
    which = ["--variant", variant, "--sampled", "yes", "--interface", interface, "--clock", clock]
    sink = ["--sink", f"http://127.0.0.1:{free_port()}"]
    effort = ["--processes", "1", "--values", "1", "--warmups", "0", "--loops", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.inprocess", *which, *sink, *effort],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert f"{interface} {clock} {variant} sampled" in done.stdout, done.stderr[-2000:]


def results(ours: float, ours_cpu: float, ours_p999: float) -> dict[str, dict[str, Any]]:
    service = {"p50_ms": 1.0, "p99_ms": 2.0, "requests": 100.0, "ratio_min": 1.0, "ratio_max": 2.0}
    return {
        "wsgi request bare sampled": report.in_process([[100.0, 100.0, 120.0]]),
        "wsgi request ours-all sampled": report.in_process([[ours, ours, ours]]),
        "wsgi request stock-all sampled": report.in_process([[900.0, 900.0, 1000.0]]),
        "service bare sampled": {"cpu_ms": 2.0, "ratio": 1.0, "p999_ms": 10.0, **service},
        "service ours-all sampled": {"cpu_ms": ours_cpu, "ratio": ours_cpu / 2.0, "p999_ms": ours_p999, **service},
        "service stock-all sampled": {"cpu_ms": 4.0, "ratio": 2.0, "p999_ms": 30.0, **service},
    }


def test_a_target_is_met_up_to_its_limit_and_missed_beyond() -> None:
    assert [verdict.is_met for verdict in report.verdicts(results(179.0, 2.15, 10.9))] == [True, True, True]
    assert [verdict.is_met for verdict in report.verdicts(results(182.0, 2.17, 11.1))] == [False, False, False]


def test_a_round_that_is_slow_for_all_variants_does_not_change_the_share() -> None:
    def rounds(value: float) -> dict[str, Any]:
        return report.in_process([[value], [value], [3 * value], [3 * value]])

    (verdict,) = report.verdicts(
        {
            "asgi request bare sampled": rounds(500.0),
            "asgi request ours-all sampled": report.in_process([[600.0], [600.0], [1800.0], [1500.0]]),
            "asgi request stock-all sampled": rounds(1500.0),
        }
    )
    assert verdict.measured == pytest.approx(0.1)
    assert verdict.detail == "adds 100 µs to 1000, stock adds 2000; rounds from 0.00 to 1/10.0"


def test_interference_by_other_processes_is_excluded_and_all_rounds_have_the_same_weight() -> None:
    figures = report.in_process([[100.0, 101.0, 102.0, 250.0, 260.0], [108.0, 110.0, 112.0], [90.0]])
    assert figures["rounds_us"] == [101.0, 109.0, 90.0]
    assert (figures["median_us"], figures["min_us"], figures["max_us"]) == (101.0, 90.0, 260.0)


def test_a_slow_period_of_the_machine_does_not_change_the_ratio() -> None:
    bare = [load.Block([0.001] * 10, cpu) for cpu in (0.010, 0.030, 0.010)]
    ours = [load.Block([0.001] * 9 + [0.009], cpu) for cpu in (0.011, 0.033, 0.012)]
    figures = load.summary(ours, bare)
    assert figures["ratio"] == pytest.approx(1.1)
    assert (figures["ratio_min"], figures["ratio_max"]) == pytest.approx((1.1, 1.2))
    assert (figures["requests"], figures["p50_ms"], figures["p999_ms"]) == pytest.approx((30, 1, 9))


def test_a_server_is_compared_with_a_bare_one_of_its_kind() -> None:
    assert load.base_of("service ours-all sampled") == "service bare sampled"
    assert load.base_of("service ours-all sampled frozen") == "service bare sampled frozen"


def test_the_table_shows_missed_targets_as_missed() -> None:
    measured = results(182.0, 2.15, 10.5)
    document = {
        "at": "2026-01-01T00:00:00Z",
        "python": "3.11",
        "processors": 2,
        "processor_of_its_own": True,
        "load_average_before": 0.1,
        "collector": "sink",
        "results": measured,
    }
    text = report.markdown(document, report.verdicts(measured))
    assert "2 processors, what is measured has one of its own, load average before 0.1" in text
    assert "| 1/10.0 | 1/9.8 | **no** | adds 82 µs to 100, stock adds 800; rounds from 1/9.8 to 1/9.8 |" in text
    assert "| 1.08 | 1.07 | yes |" in text


CLAIM = "import os; from benchmarks import processors; processors.claim(); print(*os.sched_getaffinity(0))"


def processors_of_a_measured_process() -> set[int]:
    done = subprocess.run([sys.executable, "-c", CLAIM], cwd=ROOT, capture_output=True, text=True, check=True)
    return {int(number) for number in done.stdout.split()}


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor can't be kept for anything")
def test_the_measured_process_has_its_own_processor_and_all_affinities_are_restored_afterwards() -> None:
    before = os.sched_getaffinity(0)
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"]) as backend:
        try:
            (child,) = eventually(psutil.Process(backend.pid).children, "the backend's child")
            with processors.kept_free([backend.pid]) as apart:
                measured = processors_of_a_measured_process()
                others = [os.sched_getaffinity(pid) for pid in (0, backend.pid, child.pid)]
            afterwards = [os.sched_getaffinity(pid) for pid in (0, backend.pid, child.pid)]
            child.terminate()
        finally:
            backend.terminate()
    assert apart
    assert len(measured) == 1
    assert others == [before - measured] * 3
    assert afterwards == [before] * 3
    assert processors_of_a_measured_process() == before


def test_an_exited_backend_or_a_single_processor_does_not_stop_the_benchmark() -> None:
    before = os.sched_getaffinity(0)
    with subprocess.Popen(["true"]) as exited:
        pass
    with processors.kept_free([exited.pid]):
        pass
    os.sched_setaffinity(0, {min(before)})
    try:
        with processors.kept_free([]) as apart:
            assert not apart
            assert processors_of_a_measured_process() == {min(before)}
    finally:
        os.sched_setaffinity(0, before)


def test_a_collector_runs_in_the_background_during_the_measurement() -> None:
    before = os.sched_getscheduler(0)
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"]) as collector:
        try:
            (child,) = eventually(psutil.Process(collector.pid).children, "the collector's child")
            with processors.in_the_background([collector.pid]):
                meanwhile = [os.sched_getscheduler(pid) for pid in (0, collector.pid, child.pid)]
            afterwards = [os.sched_getscheduler(pid) for pid in (collector.pid, child.pid)]
            child.terminate()
        finally:
            collector.terminate()
    assert meanwhile == [before, os.SCHED_IDLE, os.SCHED_IDLE]
    assert afterwards == [os.SCHED_OTHER] * 2
