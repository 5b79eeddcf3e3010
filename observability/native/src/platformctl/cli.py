"""The command line behind the Makefile's targets."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from platformctl import first_user, report
from platformctl.app import Platform
from platformctl.dev import generate, lint, new_service, probe, suites
from platformctl.errors import PlatformError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Exit codes: 0 success, 1 failure, 130 interrupted."""
    parsed = _parser().parse_args(arguments)
    # Output to a file or a pipe: wide enough for every table.
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 200)
    command: Callable[[Platform, argparse.Namespace, Console], int] = parsed.run
    # A terminated command cleans up as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return command(Platform(), parsed, console)
    except PlatformError as error:
        console.print(f"\n{error}", markup=False, highlight=False, style="bold red")
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted.")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="platformctl", description="Runs the platform without Docker.")
    commands = parser.add_subparsers(required=True, metavar="command")

    up = _command(commands, "up", _up, "install what is missing, start everything, prove that it works")
    up.add_argument("--only", default="", help="processes, services or groups, comma-separated (backends,orders)")
    up.add_argument("--for-suite", default=None, help='only what this test suite needs ("": what all need)')
    up.add_argument("--no-probe", action="store_true", help="leave out the probe order")
    up.add_argument("--uv", default=None, help="the uv to install with")

    _command(commands, "down", _down, "stop everything")
    status = _command(commands, "status", _status, "a table of all processes")
    status.add_argument("--json", action="store_true")
    listing = _command(commands, "list", _status, "the same as status")
    listing.add_argument("--json", action="store_true")
    logs = _command(commands, "logs", _logs, "follow the log of one process, or of all")
    logs.add_argument("name", nargs="?", default="")
    logs.add_argument("--lines", type=int, default=40)
    logs.add_argument("--no-follow", action="store_true")
    for name, run, text in (
        ("start", _start, "start one process or all of a service"),
        ("stop", _stop, "stop it; it stays stopped"),
        ("restart", _restart, "stop and start it (a service: migrate it too)"),
    ):
        _command(commands, name, run, text).add_argument("name")
    send = _command(commands, "signal", _signal, "send a signal (STOP, CONT and KILL reach descendants too)")
    send.add_argument("name")
    send.add_argument("signal", help="STOP, CONT, KILL, HUP, TERM, ...")
    _command(commands, "reset", _reset, "stop everything and drop all data; builds stay")
    _command(commands, "probe", _probe, "place one order and follow it through all signals")
    check = _command(commands, "generate", _generate, "write the files that are made from the catalogue")
    check.add_argument("--check", action="store_true", help="only say whether they are current")
    new = _command(
        commands, "new-service", _new_service, "create a service from the template, with its catalogue entry"
    )
    new.add_argument("name")
    new.add_argument("--app", default="", help="the Django app's name (default: the service's)")
    new.add_argument("--owner", default="platform", help="the team that gets its alerts")
    environment = _command(commands, "env", _env, "print the environment that a process (or: tests) gets")
    environment.add_argument("name")
    environment.add_argument(
        "--export", action="store_true", help='as shell commands: eval "$(platformctl env orders --export)"'
    )
    execute = _command(commands, "run", _run, "run a command with a service's environment, in its folder")
    execute.add_argument("name")
    execute.add_argument("argv", nargs=argparse.REMAINDER)
    _command(commands, "lint", _lint, "style, types, shell scripts, workflows, generated files")
    _command(commands, "render", _render, "write var/etc again, without restarting anything")
    tests = _command(commands, "test", _test, "run test suites, each in a pytest of its own")
    tests.add_argument("suite", nargs="*")
    tests.add_argument("--e2e", action="store_true", help="only those over the running platform")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[Platform, argparse.Namespace, Console], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def _up(platform: Platform, arguments: argparse.Namespace, console: Console) -> int:
    began = time.monotonic()
    names = [name for name in arguments.only.split(",") if name]
    if arguments.for_suite:
        # A suite that needs no running process still needs the installed programs.
        names = suites.needs(suites.select(platform, [arguments.for_suite])) or ["postgres"]
    uv = Path(arguments.uv or shutil.which("uv") or "uv")
    platform.up(names, console, uv)
    console.print(f"Ready after {time.monotonic() - began:.0f} s.", highlight=False)
    if not names and not arguments.no_probe:
        report.probe(probe.run(probe.Native(platform), console), platform, console)
    for service in platform.catalogue.for_operators().values():
        created = first_user.ensure(platform, service)
        if created is not None or not names:
            report.front_page(service, platform.process(service.name), created, console)
    return 0


def _down(platform: Platform, _: argparse.Namespace, console: Console) -> int:
    began = time.monotonic()
    count = platform.down()
    console.print(
        f"Stopped {count} processes in {time.monotonic() - began:.1f} s." if count else "Nothing was running."
    )
    return 0


def _status(platform: Platform, arguments: argparse.Namespace, console: Console) -> int:
    if not platform.runner.is_up():
        console.print("[]" if arguments.json else "Nothing is running: make up")
        return 0 if arguments.json else 1
    statuses = platform.runner.list()
    if arguments.json:
        print(json.dumps([status.as_dict() for status in statuses], indent=2))
        return 0
    report.status(statuses, platform, console)
    return 0


def _logs(platform: Platform, arguments: argparse.Namespace, _: Console) -> int:
    names = _names(platform, arguments.name) if arguments.name else list(platform.processes)
    files = [str(platform.paths.log_of(name)) for name in names if platform.paths.log_of(name).exists()]
    if not files:
        raise PlatformError(f"{arguments.name or 'the platform'} has written no log yet", advice="make up")
    follow = [] if arguments.no_follow else ["-F"]
    return subprocess.run(["tail", "-n", str(arguments.lines), *follow, *files], check=False).returncode


def _start(platform: Platform, arguments: argparse.Namespace, console: Console) -> int:
    for name in _names(platform, arguments.name):
        platform.runner.start(name)
        console.print(f"{name} is ready.")
    return 0


def _stop(platform: Platform, arguments: argparse.Namespace, console: Console) -> int:
    for name in reversed(_names(platform, arguments.name)):
        platform.runner.stop(name)
        console.print(f"{name} is stopped.")
    return 0


def _restart(platform: Platform, arguments: argparse.Namespace, console: Console) -> int:
    for name in _names(platform, arguments.name):
        platform.runner.restart(name)
        console.print(f"{name} is ready again.")
    return 0


def _signal(platform: Platform, arguments: argparse.Namespace, console: Console) -> int:
    wanted = arguments.signal.upper().removeprefix("SIG")
    try:
        number = signal.Signals[f"SIG{wanted}"]
    except KeyError:
        raise PlatformError(f"there is no signal {arguments.signal}") from None
    reached = platform.runner.signal(arguments.name, number)
    console.print(f"SIG{wanted} sent to {', '.join(map(str, reached)) or 'no process: it is not running'}.")
    return 0 if reached else 1


def _reset(platform: Platform, _: argparse.Namespace, console: Console) -> int:
    platform.reset()
    console.print("All data is deleted. Builds and downloads are kept.")
    return 0


def _probe(platform: Platform, _: argparse.Namespace, console: Console) -> int:
    report.probe(probe.run(probe.Native(platform), console), platform, console)
    return 0


def _generate(platform: Platform, arguments: argparse.Namespace, console: Console) -> int:
    stale = generate.stale(platform)
    if arguments.check:
        for path in stale:
            console.print(f"{path} is not current: make generate")
        return 1 if stale else 0
    for path in generate.write(platform):
        console.print(f"wrote {path}")
    return 0


def _new_service(platform: Platform, arguments: argparse.Namespace, console: Console) -> int:
    created = new_service.create(platform, arguments.name, arguments.app, arguments.owner)
    console.print(f"Created {created.folder}, and this entry in services/catalogue/catalogue.yaml:\n")
    console.print(created.entry, highlight=False, markup=False)
    console.print(f"Change both as you like, then: make generate up && make test s={arguments.name}", highlight=False)
    return 0


def _env(platform: Platform, arguments: argparse.Namespace, _: Console) -> int:
    tests = arguments.name == "tests"
    environment = suites.environment(platform) if tests else platform.process(arguments.name).environment
    for key, value in sorted(environment.items()):
        print(f"export {key}={shlex.quote(value)}" if arguments.export else f"{key}={value}")
    return 0


def _run(platform: Platform, arguments: argparse.Namespace, _: Console) -> int:
    process = platform.process(arguments.name)
    path = {"PATH": f"{platform.paths.python.parent}:/usr/bin:/bin", "LANG": "C.UTF-8"}
    command = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    # Runs beside the process, so it must not listen on the same port.
    environment = {k: v for k, v in process.environment.items() if k != "TELEMETRY_METRICS_PORT"}
    return subprocess.run(command, env=path | environment, cwd=process.working_dir, check=False).returncode


def _lint(platform: Platform, _: argparse.Namespace, console: Console) -> int:
    return lint.run(platform, console)


def _render(platform: Platform, _: argparse.Namespace, console: Console) -> int:
    platform.renderer.render(platform.processes.values())
    console.print("var/etc is current.")
    return 0


def _test(platform: Platform, arguments: argparse.Namespace, console: Console) -> int:
    return suites.run(platform, arguments.suite, console, end_to_end_only=arguments.e2e)


def _names(platform: Platform, name: str) -> list[str]:
    """The process of that name, or all processes of a service or group; one-shots first, in the order of the list."""
    if name in platform.processes and not any(p.service == name for p in platform.processes.values()):
        return [name]
    found = [p.name for p in platform.processes.values() if name in (p.name, p.service, p.group, f"{p.group}s")]
    if not found:
        raise PlatformError(
            f"there is no process or service {name!r}", advice=f"known: {', '.join(platform.processes)}"
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
