"""The WSGI application of tests/program.py."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

from .program import configure

configure()
application = get_wsgi_application()
