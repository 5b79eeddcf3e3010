"""Whether the rules' tests would notice a faulty rule."""

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
# promtool keeps a database for each test on disk: memory is quicker.
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
def test_nine_of_ten_faulty_rules_are_noticed(tmp_path: Path) -> None:
    cases = _cases()
    # A rule whose own cases fail would seem to have every mutant noticed.
    sound = {alert: _survives(Mutant(alert, "unchanged", promtool.rules_for(alert)), cases[alert]) for alert in cases}
    assert all(sound.values()), f"their cases fail without any change: {[a for a, held in sound.items() if not held]}"
    every = [mutant for alert in cases for mutant in mutants.of(alert, promtool.rules_for(alert))]
    made = [mutant for mutant in every if (mutant.alert, mutant.change) not in EQUIVALENT]
    stale = EQUIVALENT.keys() - {(mutant.alert, mutant.change) for mutant in every}
    assert not stale, f"mutants.EQUIVALENT names what isn't made any more: {stale}"
    assert len(made) > 300, "too few mutants: is the generator of mutants broken?"
    # One that promtool refuses would count as noticed, and says nothing about the tests.
    accepted, words = promtool.valid([mutant.changed for mutant in made], tmp_path)
    assert accepted, f"mutants that aren't rules: {words}"
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
