"""`python -m platform_errors` receives errors until SIGTERM, then stores what is queued."""

from __future__ import annotations

import logging
import signal
import sys
import threading

from platform_errors import settings
from platform_errors.receiver import Receiver


def main() -> int:
    """Run until SIGTERM. Returns 2 if a setting is wrong, 1 if the address is taken."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stdout)
    try:
        chosen = settings.load()
    except settings.SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        receiver = Receiver(chosen)
    except OSError as error:
        print(f"ERRORS_PORT={chosen.port}: can't listen on {chosen.host}: {error.strerror}", file=sys.stderr)
        return 1
    with receiver:
        logging.getLogger("errors").info("listening on %s:%s", chosen.host, chosen.port)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
