"""Ids: valid and unique."""

from __future__ import annotations

import subprocess
import sys
import uuid

from django_telemetry._ids import new_request_id

from .harness import threads_at_work

# The parent generates one first, so that it has spare ids when it forks.
FORKING = """
import os, sys
from django_telemetry._ids import new_event_id, new_request_id
print(new_request_id(), new_event_id())
sys.stdout.flush()
child = os.fork()
if child:
    os.waitpid(child, 0)  # one after the other, or their lines mix
for _ in range(100):
    print(new_request_id(), new_event_id())
sys.stdout.flush()
if not child:
    os._exit(0)
"""


def test_a_request_id_is_a_random_uuid() -> None:
    for _ in range(200):
        drawn = new_request_id()
        assert str(uuid.UUID(drawn)) == drawn
        assert uuid.UUID(drawn).version == 4


def test_threads_generate_different_request_ids() -> None:
    drawn: list[str] = []

    def draw(_number: int) -> None:
        drawn.extend(new_request_id() for _ in range(500))

    with threads_at_work(8, draw):
        pass
    assert len(drawn) == len(set(drawn)) == 4000


def test_a_forked_process_generates_different_ids_than_its_parent() -> None:
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True, timeout=30)
    drawn = done.stdout.split()
    assert len(drawn) == 402
    assert len(set(drawn)) == len(drawn), "parent and child drew the same ids"
