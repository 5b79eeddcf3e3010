"""The WSGI application: a DRF list view with two PostgreSQL queries. ``gunicorn benchmarks.service:application``."""

from __future__ import annotations

import gc
import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application

from benchmarks import processors
from benchmarks.project import prepare, settings_for

processors.claim()
prepare(os.environ["BENCH_VARIANT"], sampled=os.environ["BENCH_SAMPLED"] == "yes", sink=os.environ["BENCH_SINK"])
settings.configure(**settings_for(os.environ["BENCH_VARIANT"], "benchmarks.api", os.environ["BENCH_DATABASE_URL"]))
django.setup()
application = get_wsgi_application()
if os.environ["BENCH_FROZEN"] == "yes":
    gc.collect()
    gc.freeze()
