"""The WSGI application of tests/program.py."""

from __future__ import annotations

import logging
import os

from django.core.wsgi import get_wsgi_application

from .program import configure

configure()
application = get_wsgi_application()
if message := os.environ.get("TEST_LOG_AT_LOADING"):
    logging.getLogger("tests.wsgi").warning(message)
