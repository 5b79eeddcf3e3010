"""`python -m card_provider`: serves on HTTP_HOST:HTTP_PORT (default 127.0.0.1:8006) until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import dataclass
from types import FrameType

from platform_settings import SettingsError, kinds, read

from card_provider.server import CardProvider

GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Settings:
    """The address that the server listens on."""

    http_host: str = kinds.text("127.0.0.1", shortest=1, allowed="the address to listen on")
    http_port: int = kinds.port(8006, low=0)


def main() -> None:
    """Serve until the signal, then finish the requests in flight."""
    try:
        settings = read(Settings)
    except SettingsError as error:
        raise SystemExit(str(error)) from None
    host, port = settings.http_host, settings.http_port
    try:
        provider = CardProvider(host, port)
    except OSError as error:
        raise SystemExit(f"HTTP_PORT={port}: can't listen on HTTP_HOST={host}: {error.strerror}") from None

    def stop(_number: int, _frame: FrameType | None) -> None:
        # shutdown() waits for serve_forever(), which runs in this same thread.
        threading.Thread(target=provider.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    sys.stdout.write(f"card-provider listens on {host}:{provider.server_address[1]}\n")
    sys.stdout.flush()
    provider.serve_forever(poll_interval=0.2)
    provider.finish(GRACE_SECONDS)


if __name__ == "__main__":
    main()
