"""`python -m card_provider`: serves on HTTP_HOST:HTTP_PORT (default 127.0.0.1:8006) until SIGTERM or SIGINT."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

from card_provider.server import CardProvider

GRACE_SECONDS = 5.0


def _host() -> str:
    return os.environ.get("HTTP_HOST") or "127.0.0.1"


def _port() -> int:
    given = os.environ.get("HTTP_PORT", "8006")
    if not (given.isascii() and given.isdigit() and len(given) <= 5 and int(given) <= 65535):
        raise SystemExit(f"HTTP_PORT={given!r}: allowed is a number from 0 to 65535")
    return int(given)


def main() -> None:
    """Serve until the signal, then finish the requests in hand."""
    try:
        provider = CardProvider(_host(), _port())
    except OSError as error:
        raise SystemExit(f"HTTP_PORT={_port()}: can't listen on HTTP_HOST={_host()}: {error.strerror}") from None

    def stop(_number: int, _frame: FrameType | None) -> None:
        # shutdown() waits for serve_forever(), which runs in this very thread.
        threading.Thread(target=provider.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    sys.stdout.write(f"card-provider listens on {_host()}:{provider.server_address[1]}\n")
    sys.stdout.flush()
    provider.serve_forever(poll_interval=0.2)
    provider.finish(GRACE_SECONDS)


if __name__ == "__main__":
    main()
