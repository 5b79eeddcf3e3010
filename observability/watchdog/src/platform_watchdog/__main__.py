"""`python -m platform_watchdog` runs until SIGTERM."""

from __future__ import annotations

import logging
import signal
import sys
import threading

from platform_watchdog import settings
from platform_watchdog.server import Server, Watchdog


def main() -> int:
    """Run until SIGTERM. Returns 2 if a setting is wrong."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stdout)
    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    watchdog = Watchdog(chosen)
    listening = Server(watchdog)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=listening.serve_forever, name="http", daemon=True).start()
    logging.getLogger("watchdog").info(
        "listening on %s:%s, silence after %g s", chosen.host, chosen.port, chosen.silence
    )
    watchdog.watch(stop)
    listening.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
