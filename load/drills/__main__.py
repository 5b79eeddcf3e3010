"""`python -m load.drills list | run NAME… | set NAME | table | restore`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from load.drills import descriptor, engine, interrupts, score
from load.drills.actions import FAILURES
from load.drills.descriptor import Drill
from load.drills.engine import Result
from load.drills.score import Revision
from load.drills.world import World

EXIT_FAILED, EXIT_REFUSED, EXIT_INTERRUPTED = 1, 2, 130


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="python -m load.drills", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every drill")
    one = commands.add_parser("run", help="some drills by name")
    one.add_argument("names", nargs="+")
    one.add_argument("--times", type=_times, default=1, help="how often each of them")
    several = commands.add_parser("set", help="a set of drills: smoke, faults, controls, all (of these), hour")
    several.add_argument("name")
    several.add_argument("--times", type=_times, default=1, help="how often each of them")
    several.add_argument(
        "--resume", action="store_true", help="only what has fewer results than that on the present state"
    )
    commands.add_parser("table", help="the results on the present state as Markdown")
    commands.add_parser("restore", help="undo what an interrupted run left broken")
    return root


def _times(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 20:
        raise argparse.ArgumentTypeError("allowed: 1 to 20")
    return int(text)


def chosen(drills: dict[str, Drill], name: str) -> list[Drill]:
    """The drills of a set."""
    if name == "all":
        return [drill for drill in drills.values() if not drill.is_long]
    if name in ("faults", "controls"):
        return [drill for drill in chosen(drills, "all") if drill.is_control == (name == "controls")]
    return [drill for drill in drills.values() if name in drill.sets]


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"{datetime.now(UTC):%H:%M:%S}   {text}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 all passed, 1 a fault was missed or a control paged, 2 refused, 130 interrupted (and restored)."""
    options = parser().parse_args(argv)
    drills = descriptor.load()
    if options.command == "list":
        for drill in drills.values():
            print(f"{drill.name:32} {'control' if drill.is_control else drill.kind:20} {drill.title}")
        return 0
    world = World()
    what = score.revision(world.platform.paths.root)
    if options.command == "table":
        print(score.table(score.read(what.digest)))
        return 0
    interrupts.install()
    if options.command == "restore":
        engine.restore_leftovers(world, engine.journal_of(world), say)
        return 0
    if options.command == "run":
        unknown = [wanted for wanted in options.names if wanted not in drills]
        if unknown:
            print(f"no such drill: {', '.join(unknown)}; there are: {', '.join(drills)}", file=sys.stderr)
            return EXIT_REFUSED
        wanted = repeated([drills[each] for each in options.names], options.times)
    else:
        one = chosen(drills, options.name)
        if not one:
            print(f"no drill is in the set {options.name}", file=sys.stderr)
            return EXIT_REFUSED
        done = Counter(result.drill for result in score.read(what.digest)) if options.resume else Counter()
        wanted = repeated(one, options.times, done)
    refused = {drill.name: reason for drill in wanted if (reason := world.refusal(drill))}
    for reason in refused.values():
        print(reason, file=sys.stderr)
    wanted = [drill for drill in wanted if drill.name not in refused]
    if refused and (options.command == "run" or not wanted):
        return EXIT_REFUSED
    return _run(world, wanted, what)


def repeated(drills: Sequence[Drill], times: int, done: Mapping[str, int] | None = None) -> list[Drill]:
    """Each drill `times` times, minus the runs in `done`. In rounds, so that an interrupted run covers all drills."""
    missing = {drill.name: times - (done or {}).get(drill.name, 0) for drill in drills}
    return [drill for turn in range(times) for drill in drills if turn < missing[drill.name]]


def _run(world: World, wanted: Sequence[Drill], what: Revision) -> int:
    started = datetime.now(UTC)
    results: list[Result] = []
    failed = 0
    for number, drill in enumerate(wanted, 1):
        print(f"[{number}/{len(wanted)}] {drill.name}: {drill.title}", flush=True)
        try:
            result = engine.run(world, drill, say)
        except (engine.NotClean, *FAILURES) as error:
            say(f"no result: {error}")
            failed += 1
            continue
        except KeyboardInterrupt:
            say("interrupted; everything is restored")
            return EXIT_INTERRUPTED
        results.append(result)
        failed += not result.passed
        score.write(results, what, started)
        say(
            f"{'passed' if result.passed else 'FAILED'}: noticed after {result.seconds_to_notice} s, first "
            f"{result.first or 'nothing'}, {result.pages} pages, resolved after {result.seconds_to_resolve} s"
        )
    print()
    print(score.table(results))
    return EXIT_FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(main())
