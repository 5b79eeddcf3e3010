"""The ASGI application of tests/program.py."""

from __future__ import annotations

from django.core.asgi import get_asgi_application

from .program import configure

configure()
application = get_asgi_application()
