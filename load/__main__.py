"""`python -m load run`: put load on the platform and report the results."""

from __future__ import annotations

# First: it makes blocking calls cooperative, which must happen before anything else is imported.
import locust  # noqa: F401

# isort: split
import argparse
import json
import logging
import re
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import gevent
from gevent.event import Event

from load import settings as load_settings
from load.engine import Plan, run
from load.journeys import NAMES
from load.report import EndpointFigures, Summary, progress_line, render
from load.shapes import SHAPES

RESULTS = Path(__file__).parent / "results"
MAX_USERS = 1000
MAX_SECONDS = 24 * 3600
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}

EXIT_TOO_MANY_FAILURES, EXIT_REFUSED, EXIT_INTERRUPTED = 1, 2, 130


def duration(text: str) -> float:
    """Parse "90", "90s", "2m" or "1h" into seconds. Raises argparse.ArgumentTypeError."""
    match = re.fullmatch(r"(\d{1,6})([smh]?)", text)
    seconds = int(match[1]) * UNITS[match[2]] if match else 0
    if not 1 <= seconds <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: 1s to 24h, such as 30s or 2m")
    return float(seconds)


def user_count(text: str) -> int:
    """Parse a number of users. Raises argparse.ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_USERS):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: 1 to {MAX_USERS}")
    return int(text)


def ratio(text: str) -> float:
    """Parse a ratio between 0 and 1. Raises argparse.ArgumentTypeError."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: 0 to 1")
    return share


def journey_names(text: str) -> list[str]:
    """Parse comma-separated names of journeys. Raises argparse.ArgumentTypeError."""
    names = list(dict.fromkeys(text.split(",")))
    if unknown := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)!r}; allowed: {', '.join(NAMES)}")
    return names


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="python -m load", description=__doc__)
    command = root.add_subparsers(dest="command", required=True).add_parser(
        "run", help="run the journeys", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    command.add_argument("--users", type=user_count, default=20, help="users at the top of the shape")
    command.add_argument("--time", type=duration, default=60.0, help="length, such as 30s, 2m", metavar="TIME")
    command.add_argument("--shape", choices=SHAPES, default="steady", help="how the number of users moves")
    command.add_argument("--journeys", type=journey_names, default=list(NAMES), help=f"some of {','.join(NAMES)}")
    command.add_argument("--max-failures", type=ratio, default=0.01, help="exit 1 above this share of failed requests")
    command.add_argument("--allow-remote", action="store_true", help="let load leave this machine")
    return root


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 success, 1 too many failures or no request at all, 2 refused, 130 interrupted."""
    options = parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = load_settings.load()
        if not options.allow_remote:
            load_settings.refuse_remote(settings)
    except load_settings.SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    plan = Plan([NAMES[name] for name in options.journeys], options.shape, options.users, options.time)
    interrupted = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, interrupted.set)

    def show(elapsed: float, users: int, figures: EndpointFigures) -> None:
        print(progress_line(elapsed, plan.duration, users, figures), flush=True)

    summary = run(plan, settings, interrupted, show)
    print(render(summary, settings.trace_link))
    print(f"\nWritten to {write(summary, settings)}")
    if summary.interrupted:
        return EXIT_INTERRUPTED
    if summary.failure_ratio > options.max_failures:
        print(f"More failures than allowed: {summary.failure_ratio:.2%} > {options.max_failures:.2%}", file=sys.stderr)
        return EXIT_TOO_MANY_FAILURES
    return 0


def write(summary: Summary, settings: load_settings.Settings, folder: Path = RESULTS) -> Path:
    """Write the run's results as JSON to a new file in `folder` and return its path."""
    folder.mkdir(exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = folder / f"{stamp}-{summary.shape}.json"
    path.write_text(json.dumps(summary.as_json(settings.trace_link), indent=2) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
