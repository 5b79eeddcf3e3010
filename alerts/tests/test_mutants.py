"""Mutation test: whether the rules' test cases detect a faulty rule."""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import mutants
import promtool
import pytest
from all_cases import CASES
from mutants import EQUIVALENT, Mutant
from series import Case

KILLED_AT_LEAST = 0.9
# promtool writes a database per test: memory is faster than disk.
SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None


def _cases() -> dict[str, dict[int, list[Case]]]:
    found: dict[str, dict[int, list[Case]]] = defaultdict(lambda: defaultdict(list))
    for case in CASES:
        found[case.alert][case.step].append(case)
    return found


def _survives(mutant: Mutant, cases: dict[int, list[Case]]) -> bool:
    with TemporaryDirectory(dir=SCRATCH) as folder:
        return all(promtool.run(some, mutant.rules, Path(folder))[0] for some in cases.values())


@pytest.mark.timeout(1800)
def test_nine_of_ten_mutants_are_killed(tmp_path: Path) -> None:
    cases = _cases()
    # If a rule's cases fail without a change, all of its mutants would count as killed.
    sound = {alert: _survives(Mutant(alert, "unchanged", promtool.rules_for(alert)), cases[alert]) for alert in cases}
    assert all(sound.values()), f"their cases fail without any change: {[a for a, held in sound.items() if not held]}"
    every = [mutant for alert in cases for mutant in mutants.of(alert, promtool.rules_for(alert))]
    made = [mutant for mutant in every if (mutant.alert, mutant.change) not in EQUIVALENT]
    stale = EQUIVALENT.keys() - {(mutant.alert, mutant.change) for mutant in every}
    assert not stale, f"mutants.EQUIVALENT names mutants that no longer exist: {stale}"
    assert len(made) > 300, "too few mutants: is their generator broken?"
    # A mutant that promtool rejects would count as killed without testing anything.
    accepted, words = promtool.valid([mutant.changed for mutant in made], tmp_path)
    assert accepted, f"mutants that aren't valid rules: {words}"
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        survived = [
            mutant
            for mutant, alive in zip(made, pool.map(lambda m: _survives(m, cases[m.alert]), made), strict=True)
            if alive
        ]
    killed = 1 - len(survived) / len(made)
    report = "\n".join(f"  {mutant.alert}: {mutant.change}" for mutant in survived)
    print(f"\n{len(made)} mutants, {killed:.1%} killed, {len(EQUIVALENT)} equivalent ones left out; alive:\n{report}")
    assert killed >= KILLED_AT_LEAST, f"{killed:.1%} of {len(made)} mutants are killed; alive:\n{report}"
