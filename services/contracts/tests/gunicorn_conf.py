"""gunicorn with the conventions, and few threads so that few slow clients suffice. PORT sets the port."""

import os

from contracts.api.gunicorn import settings

globals().update(settings("127.0.0.1", int(os.environ["PORT"]), threads=2))
