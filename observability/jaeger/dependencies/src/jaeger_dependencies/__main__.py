"""`python -m jaeger_dependencies`: runs until SIGTERM. ELASTICSEARCH_URL, INDEX_PREFIX, INTERVAL_SECONDS."""

from __future__ import annotations

import logging
import signal
import sys
from threading import Event

from environs import Env, EnvValidationError, validate

from jaeger_dependencies.job import configure_logging, run
from jaeger_dependencies.store import Store


def main() -> int:
    """Run the job. Returns 2 when a setting is wrong."""
    configure_logging()
    env = Env(eager=False)
    url = env.str("ELASTICSEARCH_URL", "http://127.0.0.1:9200", validate=validate.URL(require_tld=False))
    prefix = env.str("INDEX_PREFIX", "")
    interval = env.float("INTERVAL_SECONDS", 15.0, validate=validate.Range(min=1, max=3600))
    try:
        env.seal()
    except EnvValidationError as error:
        logging.getLogger("jaeger_dependencies").error("wrong settings: %s", error.error_messages)
        return 2
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    run(Store(url, index_prefix=prefix), interval, stopping)
    return 0


if __name__ == "__main__":
    sys.exit(main())
